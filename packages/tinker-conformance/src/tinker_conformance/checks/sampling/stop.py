"""Ends of samples: stop tokens, stop strings, an empty list, and the model's own end.

The model's greedy continuation is known from a sample that nothing stops, so every stop rule says
exactly where another greedy sample must end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tinker import types

from tinker_conformance.check import check
from tinker_conformance.client.batch import make_datum
from tinker_conformance.client.sampler import Sampler
from tinker_conformance.client.server import Server
from tinker_conformance.client.shown import Reply
from tinker_conformance.expect import BlockedError, expect, expect_equal
from tinker_conformance.experiment.samples import REASON, TOKENS, greedy
from tinker_conformance.experiment.sequences import tokens
from tinker_conformance.experiment.tokenizer import tokenizer

LENGTH = 10
PROMPTS = [tokens(6, seed) for seed in range(201, 221)]
TEACHING_STEPS = 20
ROUNDS = 5


def _continuation(sampler: Sampler, prompt: list[int], length: int = LENGTH) -> list[int]:
    reply = sampler.sample(prompt, greedy(length)).result()
    drawn: list[int] = reply.show(TOKENS.format(index=0)).value
    return drawn


def _varied(sampler: Sampler) -> tuple[list[int], list[int]]:
    """A prompt whose greedy continuation has four different tokens, and that continuation."""
    for prompt in PROMPTS:
        drawn = _continuation(sampler, prompt)
        if len(set(drawn)) >= 4:
            return prompt, drawn
    raise BlockedError(f"the model repeats itself after all of {len(PROMPTS)} prompts")


def _firsts(drawn: list[int]) -> list[int]:
    """The different tokens of a continuation in the order of their first occurrence."""
    return list(dict.fromkeys(drawn))


def _sample(sampler: Sampler, prompt: list[int], stop: Any, max_tokens: int = LENGTH) -> Reply:
    params = types.SamplingParams(max_tokens=max_tokens, temperature=0.0, stop=stop)
    return sampler.sample(prompt, params).result()


def _expect_end(reply: Reply, expected: list[int], reason: str) -> None:
    expect_equal("tokens", reply.show(TOKENS.format(index=0)), expected)
    expect_equal("stop_reason", reply.show(REASON.format(index=0)), reason)
    logprobs = reply.show("len($.sequences[0].logprobs)")
    expect_equal("number of logprobs", logprobs, len(expected))


@check
def token(server: Server) -> None:
    """A sample ends with its stop token, which it contains."""
    sampler = server.sampler()
    prompt, drawn = _varied(sampler)
    stop = _firsts(drawn)[2]
    _expect_end(_sample(sampler, prompt, [stop]), drawn[: drawn.index(stop) + 1], "stop")


@check
def several_tokens(server: Server) -> None:
    """Of several stop tokens, the first to be drawn ends the sample."""
    sampler = server.sampler()
    prompt, drawn = _varied(sampler)
    earlier, later = _firsts(drawn)[1], _firsts(drawn)[3]
    reply = _sample(sampler, prompt, [later, earlier])
    _expect_end(reply, drawn[: drawn.index(earlier) + 1], "stop")


@check
def last_token(server: Server) -> None:
    """A stop token at max_tokens is a stop; any other token there is `length`."""
    sampler = server.sampler()
    prompt, drawn = _varied(sampler)
    count = drawn.index(_firsts(drawn)[2]) + 1
    _expect_end(_sample(sampler, prompt, [drawn[count - 1]], count), drawn[:count], "stop")
    _expect_end(_sample(sampler, prompt, [], count), drawn[:count], "length")


@check
def token_in_the_prompt(server: Server) -> None:
    """Stop tokens in the prompt stop nothing."""
    sampler = server.sampler()
    prompt, drawn = _varied(sampler)
    absent = [token for token in prompt if token not in drawn]
    if not absent:
        raise BlockedError("the continuation repeats every token of its prompt")
    _expect_end(_sample(sampler, prompt, absent), drawn, "length")


@check
def string(server: Server) -> None:
    """A sample ends with the token that completes its stop string, and contains it."""
    decode, sampler = tokenizer(server).decode, server.sampler()
    prompt, drawn = _varied(sampler)
    texts = [decode(drawn[: n + 1]) for n in range(len(drawn))]
    middle, end = texts[-1][: len(texts[4])][-2:], texts[-1][-1:]
    for stop in (middle, [middle], ["no such text", middle, end]):
        reply = _sample(sampler, prompt, stop)
        wanted = [stop] if isinstance(stop, str) else stop
        last = next(n for n, text in enumerate(texts) if any(each in text for each in wanted))
        drawn_now = reply.show(TOKENS.format(index=0))
        expect_equal(f"tokens with stop={stop!r}", drawn_now, drawn[: last + 1])
        expect_equal("stop_reason", reply.show(REASON.format(index=0)), "stop")


@check
def string_that_never_comes(server: Server) -> None:
    """A stop string that does not occur ends nothing."""
    sampler = server.sampler()
    prompt, drawn = _varied(sampler)
    reply = _sample(sampler, prompt, "no such text")
    _expect_end(reply, drawn, "length")


def _ending(server: Server) -> tuple[Sampler, list[int], list[int]]:
    """A model that ends its continuation of a prompt and, unless stopped, goes on behind it.

    The sampler, the prompt, and the continuation that nothing stops.
    """
    end = tokenizer(server).eos_token_id
    if end is None:
        raise BlockedError(f"the tokenizer of {server.target.model} names no end of sequence")
    prompt = PROMPTS[0]
    trainer = server.trainer(rank=8)
    first = _continuation(server.sampler(), prompt, 1)
    sequence = [*prompt, *first, end, *tokens(3, 302)]
    weights = np.zeros(len(sequence) - 1)
    weights[len(prompt)] = 1.0
    datum = make_datum(sequence[:-1], target_tokens=sequence[1:], weights=weights)
    for _ in range(ROUNDS):
        for _ in range(TEACHING_STEPS):
            trainer.train((datum,), types.AdamParams(learning_rate=2e-3))
        sampler = server.snapshot(trainer)
        drawn = _continuation(sampler, prompt)
        if end in drawn[: LENGTH - 1]:
            return sampler, prompt, drawn[: drawn.index(end) + 1]
    raise BlockedError(f"the model did not learn its end in {ROUNDS * TEACHING_STEPS} steps")


@check
def absent(server: Server) -> None:
    """Without `stop`, a sample ends with the model's end of sequence, which it contains."""
    sampler, prompt, ended = _ending(server)
    params = types.SamplingParams(max_tokens=LENGTH, temperature=0.0)
    _expect_end(sampler.sample(prompt, params).result(), ended, "stop")


@check
def empty_list(server: Server) -> None:
    """stop=[] stops at nothing, not even at the end of sequence."""
    sampler, prompt, ended = _ending(server)
    reply = _sample(sampler, prompt, [])
    head = reply.show(f"$.sequences[0].tokens[:{len(ended)}]")
    expect_equal("first tokens", head, ended)
    expect_equal("number of tokens", reply.show("len($.sequences[0].tokens)"), LENGTH)
    expect_equal("stop_reason", reply.show(REASON.format(index=0)), "length")


@check
def end_beside_a_stop(server: Server) -> None:
    """With `stop` given, the end of sequence either ends a sample or does not; both are noted."""
    sampler, prompt, ended = _ending(server)
    free = _continuation(sampler, prompt)
    other = next(token for token in tokens(50, 303) if token not in free)
    for kind, stop in (("token", [other]), ("string", "no such text")):
        drawn = _sample(sampler, prompt, stop).show(TOKENS.format(index=0))
        known = drawn.value in (ended, free)
        expect(known, f"tokens with stop={stop!r}", drawn, f"{ended} or {free}")
        verb = "ends" if drawn.value == ended else "does not end"
        server.notes[f"end of sequence beside a stop {kind}"] = f"{verb} a sample"
