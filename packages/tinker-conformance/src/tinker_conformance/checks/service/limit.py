"""Limits: what is too large is refused, and what is large is served."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinker_conformance.check import check
from tinker_conformance.client.batch import Datum, make_datum
from tinker_conformance.client.server import Server
from tinker_conformance.expect import BlockedError, expect, expect_equal, expect_refusal, refused
from tinker_conformance.experiment.samples import ALL_TOKENS, PROMPT, TOKENS, free, greedy
from tinker_conformance.experiment.sequences import tokens

MANY_SAMPLES = 64
LARGEST_CONTEXT = 8192
"""Beyond this, filling the context costs more than these checks are worth."""


def _context(server: Server) -> int:
    """The model's context length, as the server's capabilities say."""
    listed: Any = server.rest("get_server_capabilities").value.supported_models
    for model in listed:
        if model.model_name == server.target.model and model.max_context_length:
            length = int(model.max_context_length)
            if length <= LARGEST_CONTEXT:
                return length
            raise BlockedError(f"a context of {length} tokens costs too much to be filled")
    raise BlockedError(f"the server's capabilities do not say the context of {server.target.model}")


@check
def capabilities(server: Server) -> None:
    """get_server_capabilities lists the model."""
    shown = server.rest("get_server_capabilities")
    names = [model.model_name for model in shown.value.supported_models]
    listed = server.target.model in names
    expect(listed, "supported_models", shown, server.target.model, came=", ".join(map(str, names)))


@check
def longest_datum(server: Server) -> None:
    """A datum as long as the context is computed; a longer one is refused, not cut."""
    length = _context(server)
    trainer = server.trainer()
    full = _long(length)
    came = trainer.forward((full,)).result().show("$.loss_fn_outputs[0]['logprobs'].shape")
    expect_equal("shape of logprobs", came, [length])
    longer = _long(length + 1)
    what = f"a datum of {length + 1} tokens with a context of {length}"
    expect_refusal(server, what, trainer.forward, (longer,))


def _long(length: int) -> Datum:
    weights = np.zeros(length)
    weights[-1] = 1.0
    targets = np.array(tokens(length, 602))
    return make_datum(tokens(length, 601), target_tokens=targets, weights=weights)


@check
def longest_prompt(server: Server) -> None:
    """A prompt that leaves room for one token is sampled; one beyond the context is refused."""
    length = _context(server)
    sampler = server.sampler()
    drawn = sampler.sample(tokens(length - 1, 603), greedy(1)).result()
    expect_equal("number of tokens", drawn.show("len($.sequences[0].tokens)"), 1)
    what = f"a prompt of {length + 1} tokens with a context of {length}"
    longer = tokens(length + 1, 603)
    expect_refusal(server, what, sampler.sample, longer, greedy(1))


@check
def max_tokens_beyond_the_context(server: Server) -> None:
    """max_tokens that do not fit are refused, or the sample ends at the context's end."""
    length = _context(server)
    sampler, prompt = server.sampler(), tokens(length - 3, 604)
    name = "max_tokens beyond the context"
    if refused(sampler.sample, prompt, greedy(10)) is not None:
        server.notes[name] = "refused"
        return
    server.notes[name] = "ends at the context's end"
    reply = sampler.sample(prompt, greedy(10)).result()
    drawn = reply.show("len($.sequences[0].tokens)")
    expect(drawn.value <= 3, "number of tokens", drawn, "at most 3")


@check
def many_samples(server: Server) -> None:
    """64 samples of one request are all drawn, and not all equal."""
    reply = server.sampler().sample(PROMPT, free(4, seed=1, temperature=1.5), MANY_SAMPLES).result()
    expect_equal("number of sequences", reply.show("len($.sequences)"), MANY_SAMPLES)
    drawn = reply.show(ALL_TOKENS)
    expect(len(set(map(tuple, drawn.value))) > 8, "samples", drawn, "more than 8 different")


@check
def large_rank(server: Server) -> None:
    """A rank of 64 is served as such, or refused; not replaced by another."""
    trainer = server.trainer(rank=64)
    rank = trainer.client.get_info().lora_rank
    shown = trainer.forward((_long(8),)).result().show("$.metrics")
    expect(rank == 64, "lora_rank of get_info", shown, "64", came=str(rank))


@check
def one_token(server: Server) -> None:
    """A prompt of one token is sampled, and a datum of one token computed."""
    drawn = server.sampler().sample(PROMPT[:1], greedy(2)).result().show(TOKENS.format(index=0))
    expect(len(drawn.value) == 2, "tokens", drawn, "2 tokens")
    shape = server.trainer().forward((_long(1),)).result()
    expect_equal("shape", shape.show("$.loss_fn_outputs[0]['logprobs'].shape"), [1])
