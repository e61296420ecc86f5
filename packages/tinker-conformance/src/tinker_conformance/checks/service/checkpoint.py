"""Checkpoints: what they contain, and that training goes on from them."""

from __future__ import annotations

import warnings

import numpy as np
from tinker import types

from tinker_conformance.check import check
from tinker_conformance.client.server import Server
from tinker_conformance.client.shown import Shown
from tinker_conformance.client.trainer import Trainer
from tinker_conformance.expect import (
    expect,
    expect_change,
    expect_close,
    expect_equal,
    expect_refusal,
    refused,
)
from tinker_conformance.experiment.effect import expect_same
from tinker_conformance.experiment.samples import TOKENS, greedy, trainer_logprobs
from tinker_conformance.experiment.sequences import OTHER, PROBE, tokens
from tinker_conformance.experiment.twins import warm, warm_trainer

ADAM = types.AdamParams(learning_rate=2e-3)


def _go_on(trainer: Trainer) -> None:
    """Steps in which an optimizer's memory counts."""
    for _ in range(2):
        trainer.train(OTHER, ADAM)


@check
def with_optimizer(server: Server) -> None:
    """Saved, loaded with the optimizer, trained on: the same as never interrupted."""
    trainer = warm_trainer(server)
    path = trainer.save_state("middle")
    resumed = server.trainer_from(path, optimizer=True)
    before = trainer.logprobs(PROBE).array
    expect_close(
        "logprobs after loading", resumed.logprobs(PROBE), before, atol=server.tolerance.logprob
    )
    _go_on(trainer)
    _go_on(resumed)
    expect_same("logprobs two steps after loading", resumed, trainer, before, PROBE)


@check
def optimizer_is_part_of_it(server: Server) -> None:
    """Loading with and without the optimizer's state makes a difference to the next step."""
    path = warm_trainer(server).save_state("middle")
    memory, fresh = (server.trainer_from(path, optimizer=each) for each in (True, False))
    _go_on(memory)
    _go_on(fresh)
    what = "logprobs two steps after loading, with and without the optimizer"
    other = fresh.logprobs(PROBE).array
    expect_change(what, memory.logprobs(PROBE), other, more_than=3 * server.tolerance.logprob)


@check
def without_optimizer(server: Server) -> None:
    """Loaded without the optimizer, the next step is Adam's first: it does not depend on |g|."""
    path = warm_trainer(server).save_state("middle")
    one, other = (server.trainer_from(path, optimizer=False) for _ in range(2))
    before = one.logprobs(PROBE).array
    one.train((*OTHER, *OTHER), ADAM)
    other.train(OTHER, ADAM)
    expect_same("logprobs after a first step on each datum twice", one, other, before)


@check
def in_a_pipeline(server: Server) -> None:
    """A checkpoint submitted between two steps contains exactly the steps before it."""
    trainer, reference = warm_trainer(server), server.trainer()
    saved = trainer.save("save_state", name="between")
    for _ in range(3):
        trainer.train(OTHER, ADAM)
    warm(reference)
    expected = reference.logprobs(PROBE).array
    loaded = server.trainer_from(saved.result().show("$.path"), optimizer=False)
    expect_close("logprobs", loaded.logprobs(PROBE), expected, atol=server.tolerance.logprob)


@check
def path(server: Server) -> None:
    """A checkpoint's path is tinker://<model id>/weights/<name>, of a sampler's sampler_weights."""
    trainer = server.trainer()
    came = trainer.save_state("a-name_1.0")
    expect_equal("path", came, f"tinker://{trainer.client.model_id}/weights/a-name_1.0")
    saved = trainer.save("save_weights_for_sampler", name="a-name_1.0").result().show("$.path")
    expect_equal("path", saved, f"tinker://{trainer.client.model_id}/sampler_weights/a-name_1.0")


@check
def overwrite(server: Server) -> None:
    """overwrite=True replaces a checkpoint of the same name."""
    trainer = warm_trainer(server)
    trainer.save_state("same")
    for _ in range(3):
        trainer.train(PROBE, ADAM)
    replaced = trainer.save("save_state", name="same", overwrite=True).result().show("$.path")
    expected = trainer.logprobs(PROBE).array
    came = server.trainer_from(replaced, optimizer=False).logprobs(PROBE)
    expect_close("logprobs of the second", came, expected, atol=server.tolerance.logprob)


@check
def name_twice(server: Server) -> None:
    """Without `overwrite`, a name that is taken is refused and the first checkpoint stays."""
    trainer = warm_trainer(server)
    first = trainer.save_state("same")
    expected = trainer.logprobs(PROBE).array
    for _ in range(3):
        trainer.train(PROBE, ADAM)
    expect_refusal(server, "save_state under a taken name", trainer.save_state, "same")
    came = server.trainer_from(first, optimizer=False).logprobs(PROBE)
    expect_close("logprobs of the first", came, expected, atol=server.tolerance.logprob)


@check
def shape_of_the_lora(server: Server) -> None:
    """A model made from a checkpoint has its rank and its trained layers."""
    trainer = server.trainer(rank=6, train_mlp=False, train_unembed=False)
    path = trainer.save_state("shape")
    loaded = server.trainer_from(path, optimizer=False)
    rank = loaded.client.get_info().lora_rank
    expect(rank == 6, "lora_rank of get_info", path, "6", came=str(rank))
    info = server.rest("get_weights_info_by_tinker_path", path)
    layers = (info.value.lora_rank, info.value.train_attn, info.value.train_mlp)
    expected = "rank 6, attention trained, MLP not"
    expect(layers == (6, True, False), "weights info", info, expected)


@check
def snapshot_stays(server: Server) -> None:
    """A sampler keeps its weights while its model trains on."""
    trainer = warm_trainer(server)
    sampler = server.snapshot(trainer)
    prompt = tokens(6, 401)
    before = sampler.compute_logprobs(prompt).array
    for _ in range(3):
        trainer.train(PROBE, ADAM)
    newer = server.snapshot(trainer)
    what, noise = "logprobs of the newer sampler", server.tolerance.logprob
    expect_change(what, newer.compute_logprobs(prompt), before, more_than=noise)
    came = sampler.compute_logprobs(prompt)
    expect_close("logprobs of the older sampler", came, before, atol=server.tolerance.logprob)


@check
def inflight(server: Server) -> None:
    """A sampler of kind `inflight` follows its model's newest inflight weights."""
    trainer = warm_trainer(server)
    sampler = server.snapshot(trainer, "inflight")
    for _ in range(3):
        trainer.train(PROBE, ADAM)
    server.snapshot(trainer, "inflight")
    prompt = tokens(6, 401)
    expected = np.concatenate([[np.nan], trainer_logprobs(trainer, prompt)])
    came = sampler.compute_logprobs(prompt)
    expect_close("logprobs of the first sampler", came, expected, atol=server.tolerance.logprob)


@check
def by_another_client(server: Server) -> None:
    """A checkpoint can be loaded and sampled in another session."""
    trainer = warm_trainer(server)
    path = trainer.save_state("shared")
    sampled = trainer.save("save_weights_for_sampler", name="shared").result().show("$.path")
    expected = trainer.logprobs(PROBE).array
    prompt = tokens(6, 401)
    wanted = server.sampler(sampled).sample(prompt, greedy(5)).result().show(TOKENS.format(index=0))
    other = Server(server.target, server.limit, server.known)
    try:
        came = other.trainer_from(_outside(path, other), optimizer=True).logprobs(PROBE)
        expect_close("logprobs in another session", came, expected, atol=server.tolerance.logprob)
        sampler = other.sampler(_outside(sampled, other))
        drawn = sampler.sample(prompt, greedy(5)).result().show(TOKENS.format(index=0))
        expect_equal("greedy tokens in another session", drawn, wanted.value)
    finally:
        other.close()


def _outside(path: Shown, other: Server) -> Shown:
    """The path as a plain string of another session's script."""
    return Shown(path.value, repr(path.value), frozenset(), other.script)


@check
def load_state(server: Server) -> None:
    """load_state in the middle of a run is refused, or puts the saved weights back."""
    trainer = warm_trainer(server)
    path = trainer.save_state("start")
    expected = trainer.logprobs(PROBE).array
    for _ in range(3):
        trainer.train(PROBE, ADAM)
    trainer.logprobs(PROBE)
    name = "load_state in the middle of a run"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK has deprecated it
        message = refused(trainer.load, "load_state", path)
    if message is not None:
        server.notes[name] = f"refused: {message}"
        return
    server.notes[name] = "loads the weights"
    came = trainer.logprobs(PROBE)
    expect_close("logprobs after load_state", came, expected, atol=server.tolerance.logprob)
