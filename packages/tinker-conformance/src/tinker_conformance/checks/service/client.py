"""Several clients at once, requests in a pipeline, and requests that are sent twice."""

from __future__ import annotations

import json
import pickle

import numpy as np
from tinker import types

from tinker_conformance.check import check, required
from tinker_conformance.client.sampler import Sampler
from tinker_conformance.client.server import Server
from tinker_conformance.client.shown import Shown
from tinker_conformance.client.trainer import LOSS, Trainer
from tinker_conformance.expect import expect, expect_close, expect_equal, refused
from tinker_conformance.experiment.effect import expect_same
from tinker_conformance.experiment.samples import ALL_TOKENS, free
from tinker_conformance.experiment.sequences import OTHER, PROBE, WARM, weighted
from tinker_conformance.experiment.step_size import descent, step_size
from tinker_conformance.experiment.twins import expect_learning, twins, warm

ADAM = types.AdamParams(learning_rate=2e-3)
STEPS = 4


@required
@check
def info(server: Server) -> None:
    """get_info names the base model and the rank."""
    trainer = server.trainer(rank=5)
    reply = trainer.client.get_info()
    shown = trainer.forward(OTHER).result().show("$.metrics")
    names = f"{reply.model_name or reply.model_data.model_name}, rank {reply.lora_rank}"
    expected = f"{server.target.model}, rank 5"
    expect(names == expected, f"{trainer.variable}.get_info()", shown, expected, came=names)


@check
def seed(server: Server) -> None:
    """Models of one seed are equal, and those of another seed are not."""
    one, same, other = (server.trainer(seed=seed) for seed in (5, 5, 6))
    for trainer in (one, same, other):
        for _ in range(STEPS):
            trainer.train(WARM, ADAM)
    wanted, noise = one.logprobs(PROBE).array, server.tolerance.logprob
    expect_close("logprobs of the same seed", same.logprobs(PROBE), wanted, atol=noise)
    came = other.logprobs(PROBE)
    moved = float(np.abs(came.array - wanted).max())
    expect(moved > noise, "logprobs of seed=6", came, "others than those of seed=5")


@check
def copied_sampler(server: Server) -> None:
    """A sampler that was pickled, as for another process, samples as the original does."""
    sampler = server.sampler()
    prompt, params = list(PROBE[0].tokens), free(6, seed=3)
    expected = sampler.sample(prompt, params, 2).result().show(ALL_TOKENS).value
    copy = Sampler(pickle.loads(pickle.dumps(sampler.client)), sampler.variable, server)
    came = copy.sample(prompt, params, 2).result().show(ALL_TOKENS)
    expect_equal("samples of the copy", came, expected)


@check
def pipeline(server: Server) -> None:
    """Operations that are submitted together run in the order of their submission."""
    together, alone = server.trainer(), server.trainer()
    data = [(weighted(6, 500 + step),) for step in range(STEPS)]
    calls = [together.train(batch, ADAM) for batch in data]
    expect_learning(together)
    expected = []
    for batch in data:
        expected.append(float(alone.train(batch, ADAM).result().show(LOSS).array))
        alone.logprobs(PROBE)
    for step, call in enumerate(calls):
        came = call.result().show(LOSS)
        rtol = server.tolerance.loss * 10
        expect_close(f"loss:sum of pipelined step {step + 1}", came, expected[step], rtol=rtol)


@check
def side_by_side(server: Server) -> None:
    """Two sessions that train at once do not touch each other's model."""
    other = Server(server.target, server.limit, server.known)
    try:
        reference, mine = twins(server)
        theirs = other.trainer(rank=8, seed=9)
        before = mine.logprobs(PROBE).array
        for _ in range(STEPS):
            mine.train(OTHER, ADAM)
            theirs.train(WARM, types.AdamParams(learning_rate=1e-2))
        theirs.logprobs(WARM)
        for _ in range(STEPS):
            reference.train(OTHER, ADAM)
        expect_same("logprobs of a model that trained beside another", mine, reference, before)
    finally:
        other.close()


@check
def adapters_side_by_side(server: Server) -> None:
    """Models of different ranks and layers in one session keep their own weights."""
    alone = server.trainer(rank=2, seed=3, train_mlp=False)
    alone.train(PROBE, ADAM)
    expected = alone.logprobs(PROBE).array
    expect_learning(alone)
    small = server.trainer(rank=2, seed=3, train_mlp=False)
    large = server.trainer(rank=16, seed=4, train_attn=False)
    small.forward_backward(PROBE)
    large.train(OTHER, ADAM)
    small.step(ADAM)
    large.train(OTHER, ADAM)
    came = small.logprobs(PROBE)
    expect_close("logprobs of the small model", came, expected, atol=server.tolerance.logprob)


@check
def base_model_is_untouched(server: Server) -> None:
    """Training changes nothing about a sampler of the base model."""
    sampler = server.sampler()
    prompt = list(PROBE[0].tokens)
    expected = sampler.compute_logprobs(prompt).array
    trainer = server.trainer()
    for _ in range(STEPS):
        trainer.train(PROBE, types.AdamParams(learning_rate=1e-2))
    expect_learning(trainer)
    trainer.logprobs(PROBE)
    came = sampler.compute_logprobs(prompt)
    expect_close("logprobs by the base model", came, expected, atol=server.tolerance.logprob)


@check
def goes_on_after_an_error(server: Server) -> None:
    """A refused operation leaves the model's other operations as they are."""
    trainer, reference = twins(server)
    before = trainer.logprobs(PROBE).array
    params = descent(step_size(server))
    wrong = trainer.forward_backward((OTHER[0].replace(target_tokens=[1, 2]),))
    trainer.train(PROBE, params)
    reference.train(PROBE, params)
    refused(wrong.result)
    expect_same("logprobs after a refused operation and a step", trainer, reference, before)


@check
def sent_twice(server: Server) -> None:
    """A step whose submission is repeated, as after a lost reply, is taken once."""
    params = descent(step_size(server))
    trainer = warm(server.trainer())  # nothing but changes so far, so that the numbers hold
    trainer.forward_backward(PROBE)
    trainer.forward_backward(PROBE)
    trainer.step(params).result()
    number = trainer.submitted
    expected = trainer.logprobs(PROBE).array
    body = {
        "type": "optim_step",
        "model_id": trainer.id,
        "seq_id": number,
        "adam_params": params.model_dump(),
    }
    trainer.wait_for(trainer.forward_backward(PROBE))
    answer = server.post("/optim_step", body, changes=trainer.variable)
    if answer.value[0] == 200:
        _wait(server, trainer, answer)
    came = trainer.logprobs(PROBE)
    expect_close(
        "logprobs after the same optim_step again",
        came,
        expected,
        atol=server.tolerance.logprob,
    )


def _wait(server: Server, trainer: Trainer, answer: Shown) -> None:
    """Until the repeated request is settled, whatever with."""
    request_id = json.loads(answer.value[1])["request_id"]
    name = answer.of(request_id, 'json.loads($[1])["request_id"]')
    for _ in range(5):
        reply = server.post("/retrieve_future", {"request_id": name}, changes=trainer.variable)
        if reply.value[0] != 408:
            return
