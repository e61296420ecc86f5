"""Models with equal weights, to compare two ways to the same update."""

from __future__ import annotations

import numpy as np
from tinker import types

from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import Trainer
from tinker_conformance.expect import BlockedError, expect_change
from tinker_conformance.experiment.sequences import PROBE, WARM

WARM_STEPS = 2
WARM_PARAMS = types.AdamParams(learning_rate=1e-3)


def warm(trainer: Trainer) -> Trainer:
    """Train a little, so that neither LoRA matrix is zero."""
    for _ in range(WARM_STEPS):
        trainer.train(WARM, WARM_PARAMS)
    return trainer


def warm_trainer(server: Server) -> Trainer:
    """A new model after a little training."""
    trainer = warm(server.trainer())
    expect_learning(trainer)
    return trainer


def expect_learning(trainer: Trainer) -> None:
    """Training changed the model: without that, many checks would compare nothing with nothing.

    Asked once for each worker.
    """
    server = trainer.server
    if server.known.learns:
        return
    base = server.trainer().logprobs(PROBE).array
    more_than = 5 * server.tolerance.logprob
    expect_change("logprobs after training", trainer.logprobs(PROBE), base, more_than=more_than)
    server.known.learns = True


def twins(server: Server, count: int = 2) -> list[Trainer]:
    """Warm models with equal weights and equal optimizer states.

    They come from one seed, or where a server ignores seeds from one checkpoint.
    """
    trainers = [warm_trainer(server) for _ in range(count)]
    if _equal(trainers, server.tolerance.logprob):
        return trainers
    path = trainers[0].save_state("twins")
    trainers = [server.trainer_from(path, optimizer=True) for _ in range(count)]
    if _equal(trainers, server.tolerance.logprob):
        return trainers
    raise BlockedError("neither one seed nor one checkpoint gives two models with equal logprobs")


def _equal(trainers: list[Trainer], atol: float) -> bool:
    logprobs = [trainer.logprobs(PROBE).array for trainer in trainers]
    return all(np.allclose(logprobs[0], other, atol=atol) for other in logprobs[1:])
