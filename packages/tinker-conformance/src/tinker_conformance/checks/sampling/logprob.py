"""Logprobs: which token each one is about, and that trainer and sampler agree."""

from __future__ import annotations

import numpy as np

from tinker_conformance.check import check, required
from tinker_conformance.client.batch import make_datum
from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import ALL_LOGPROBS
from tinker_conformance.expect import expect, expect_close
from tinker_conformance.experiment.samples import (
    PROMPT,
    SAMPLED,
    TOKENS,
    free,
    trained_pair,
    trainer_logprobs,
)
from tinker_conformance.experiment.sequences import HIGHEST, LOWEST, PROBE, WARM
from tinker_conformance.experiment.twins import warm_trainer


@check
def repeatable(server: Server) -> None:
    """Two forward passes give equal logprobs."""
    trainer = warm_trainer(server)
    first = trainer.logprobs(PROBE).array
    expect_close("logprobs", trainer.logprobs(PROBE), first, atol=server.tolerance.logprob)


@check
def causal(server: Server) -> None:
    """Row i sees tokens[0] to tokens[i]: another token j changes rows j and later alone."""
    trainer = warm_trainer(server)
    datum, place, atol = PROBE[0], 4, server.tolerance.logprob
    before = trainer.logprobs((datum,)).array
    moved = []
    for token in range(LOWEST, HIGHEST, 7):
        changed = list(datum.tokens)
        changed[place] = token
        came = trainer.logprobs((make_datum(changed, **datum.inputs),))
        expected = np.concatenate([before[:place], came.array[place:]])
        expect_close(f"logprobs of rows 0 to {place - 1}", came, expected, atol=atol)
        moved.append(float(np.abs(came.array - before)[place:].max()))
    what = f"logprobs of rows {place} and later, with any of {len(moved)} tokens in row {place}"
    expect(max(moved) > atol, what, came, "others than before")


@check
def one_target(server: Server) -> None:
    """Row i is the logprob of its own target and of no other row's."""
    trainer = warm_trainer(server)
    datum, place = PROBE[0], 4
    before = trainer.logprobs((datum,)).array
    targets = datum.column("target_tokens").copy()
    targets[place] = HIGHEST
    came = trainer.logprobs((datum.replace(target_tokens=targets),))
    others = np.arange(len(before)) != place
    expected = np.where(others, before, came.array)
    expect_close("logprobs of other rows", came, expected, atol=server.tolerance.logprob)
    moved = abs(float(came.array[place] - before[place]))
    expect(moved > server.tolerance.logprob, f"logprob of row {place}", came, "another one")


@check
def alone_or_in_a_batch(server: Server) -> None:
    """A datum's logprobs do not depend on its neighbours in the batch."""
    trainer = warm_trainer(server)
    batch = (*PROBE, *WARM, *PROBE)
    alone = np.concatenate([trainer.logprobs((datum,)).array for datum in batch])
    expect_close("logprobs", trainer.logprobs(batch), alone, atol=server.tolerance.logprob)


@required
@check
def compute_logprobs(server: Server) -> None:
    """compute_logprobs gives one entry per token, None first, each the trainer's logprob."""
    trainer, sampler = trained_pair(server)
    sequence = [*PROBE[0].tokens, int(PROBE[0].column("target_tokens")[-1])]
    came = sampler.compute_logprobs(sequence)
    expected = np.concatenate([[np.nan], trainer_logprobs(trainer, sequence)])
    expect_close("logprobs of a prompt", came, expected, atol=server.tolerance.logprob)
    expect(came.value[0] is None, "logprob of the first token", came, "None")


@check
def base_model(server: Server) -> None:
    """A new LoRA computes what the base model computes."""
    sampler, trainer = server.sampler(), server.trainer()
    sequence = [*PROBE[0].tokens]
    came = sampler.compute_logprobs(sequence)
    expected = np.concatenate([[np.nan], trainer_logprobs(trainer, sequence)])
    expect_close("logprobs by the base model", came, expected, atol=server.tolerance.logprob)


@required
@check
def sampled(server: Server) -> None:
    """The logprobs of sampled tokens are those that the trainer computes for them."""
    trainer, sampler = trained_pair(server)
    reply = sampler.sample(PROMPT, free(8, seed=5), 2).result()
    for index in range(2):
        drawn: list[int] = reply.show(TOKENS.format(index=index)).value
        expected = trainer_logprobs(trainer, [*PROMPT, *drawn])[-len(drawn) :]
        came = reply.show(SAMPLED.format(index=index))
        expect_close("logprobs of a sample", came, expected, atol=server.tolerance.logprob)


@check
def saved_by_name(server: Server) -> None:
    """A sampler of weights saved by name has the trainer's logprobs."""
    trainer, _ = trained_pair(server)
    path = trainer.save("save_weights_for_sampler", name="named").result().show("$.path")
    came = server.sampler(path).compute_logprobs(PROMPT)
    expected = np.concatenate([[np.nan], trainer_logprobs(trainer, PROMPT)])
    expect_close("logprobs of a prompt", came, expected, atol=server.tolerance.logprob)


@check
def tempered_samples(server: Server) -> None:
    """Logprobs of samples at another temperature are the model's own or the tempered ones."""
    _, sampler = trained_pair(server)
    params = free(6, seed=5, temperature=0.5)
    reply = sampler.sample(PROMPT, params).result()
    drawn: list[int] = reply.show(TOKENS.format(index=0)).value
    came = reply.show(SAMPLED.format(index=0))
    raw = sampler.compute_logprobs([*PROMPT, *drawn]).array[-len(drawn) :]
    is_raw = bool(np.allclose(came.array, raw, atol=server.tolerance.logprob))
    server.notes["logprobs of samples at a temperature"] = (
        "of the model itself" if is_raw else "of the tempered distribution"
    )
    if not is_raw:  # p^(1/T) / sum p^(1/T): at T < 1 above p only for likely tokens, never above 1
        expect(bool((came.array <= 0).all()), "logprobs at temperature 0.5", came, "at most 0")


@check
def same_result_of_forward_backward(server: Server) -> None:
    """`forward` and `forward_backward` return equal logprobs."""
    trainer = warm_trainer(server)
    expected = trainer.logprobs(PROBE).array
    came = trainer.forward_backward(PROBE).result().show(ALL_LOGPROBS)
    expect_close("logprobs of forward_backward", came, expected, atol=server.tolerance.logprob)
