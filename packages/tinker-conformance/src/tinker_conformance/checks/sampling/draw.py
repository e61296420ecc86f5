"""Drawing tokens: counts, temperature, top-k, top-p, greedy, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from tinker import types

from tinker_conformance.check import check, required
from tinker_conformance.client.sampler import Sampler
from tinker_conformance.client.server import Server
from tinker_conformance.client.shown import Shown
from tinker_conformance.closed_form.frequencies import chi_squared, counts, restricted
from tinker_conformance.expect import expect, expect_close, expect_equal, fail
from tinker_conformance.experiment.samples import (
    ALL_TOKENS,
    PROMPT,
    SAMPLED,
    TOKENS,
    free,
    greedy,
)

DRAWS = 400
TOP = 12
FIRST = "[s.tokens[0] for s in $.sequences]"


def _likeliest(sampler: Sampler, prompt: list[int], k: int = TOP) -> dict[int, float]:
    """The likeliest next tokens and their logprobs, from the prompt with any token behind it."""
    longer = [*prompt, prompt[-1]]
    reply = sampler.sample(longer, greedy(1), topk_prompt_logprobs=k).result()
    found: dict[int, float] = dict(reply.show("$.topk_prompt_logprobs[-1]").value)
    return found


@required
@check
def shape(server: Server) -> None:
    """A reply has num_samples sequences of max_tokens tokens, each with a logprob."""
    reply = server.sampler().sample(PROMPT, free(5, seed=1), 3).result()
    came = reply.show("[(len(s.tokens), len(s.logprobs), s.stop_reason) for s in $.sequences]")
    expect_equal("tokens, logprobs and stop_reason", came, [(5, 5, "length")] * 3)
    ids = reply.show("[s.sequence_id for s in $.sequences]")
    expect(len(set(ids.value)) == 3, "sequence_id", ids, "three different ids")
    for index in range(3):
        logprobs = reply.show(SAMPLED.format(index=index))
        expect(bool((logprobs.array <= 0).all()), "logprobs", logprobs, "at most 0")


@check
def greedy_is_likeliest(server: Server) -> None:
    """Temperature 0 takes the likeliest token every time."""
    sampler = server.sampler()
    reply = sampler.sample(PROMPT, greedy(5), 2, topk_sample_logprobs=1).result()
    drawn = reply.show(TOKENS.format(index=0))
    best = reply.show("[row[0][0] for row in $.sequences[0].topk_logprobs]")
    expect_equal("greedy tokens", drawn, best.value)
    expect_equal(
        "greedy tokens of the second sample", reply.show(TOKENS.format(index=1)), drawn.value
    )
    ranked = _likeliest(sampler, PROMPT, 2)
    first = reply.show("$.sequences[0].tokens[0]")
    expect_equal("first greedy token", first, max(ranked, key=ranked.__getitem__))


@check
def topk_of_samples(server: Server) -> None:
    """topk_sample_logprobs: k tokens at every place, the drawn one with its logprob among them."""
    reply = server.sampler().sample(PROMPT, greedy(4), topk_sample_logprobs=3).result()
    shown = reply.show("$.sequences[0].topk_logprobs")
    expect_equal("entries", reply.show("[len(r) for r in $.sequences[0].topk_logprobs]"), [3] * 4)
    likeliest = reply.show("np.array([row[0][1] for row in $.sequences[0].topk_logprobs])")
    expected = reply.show(SAMPLED.format(index=0)).array
    expect_close("logprobs of the likeliest", likeliest, expected, atol=server.tolerance.logprob)
    falling = all(row[0][1] >= row[1][1] >= row[2][1] for row in shown.value)
    expect(falling, "logprobs at each place", shown, "falling numbers")


@check
def distribution(server: Server) -> None:
    """At temperature 1, tokens are drawn as often as their probabilities say."""
    sampler = server.sampler()
    likeliest = _likeliest(sampler, PROMPT)
    reply = sampler.sample(PROMPT, free(1, seed=11), DRAWS).result()
    _expect_counts(reply.show(FIRST), restricted(likeliest, 1.0), set(likeliest))


@check
def temperature(server: Server) -> None:
    """At temperature T, tokens are drawn in proportion to p ** (1 / T)."""
    sampler = server.sampler()
    likeliest = _likeliest(sampler, PROMPT)
    for value in (0.5, 2.0):
        reply = sampler.sample(PROMPT, free(1, seed=12, temperature=value), DRAWS).result()
        _expect_counts(reply.show(FIRST), restricted(likeliest, value), set(likeliest))


@check
def top_k(server: Server) -> None:
    """top_k draws from the k likeliest tokens, in proportion to their probabilities."""
    sampler = server.sampler()
    likeliest = dict(list(_likeliest(sampler, PROMPT).items())[:3])
    reply = sampler.sample(PROMPT, free(1, seed=13, top_k=3), DRAWS).result()
    _expect_counts(reply.show(FIRST), restricted(likeliest, 1.0), None)


@check
def top_p(server: Server) -> None:
    """top_p draws from the smallest set of likeliest tokens whose probability reaches p."""
    sampler = server.sampler()
    likeliest = _likeliest(sampler, PROMPT)
    shares = np.exp(list(likeliest.values())).tolist()
    kept = 3  # a bound between the third and the fourth leaves no doubt about rounding
    bound = sum(shares[:kept]) - shares[kept - 1] / 2
    nucleus = dict(list(likeliest.items())[:kept])
    reply = sampler.sample(PROMPT, free(1, seed=14, top_p=bound), DRAWS).result()
    _expect_counts(reply.show(FIRST), restricted(nucleus, 1.0), None)


def _expect_counts(drawn: Shown, probabilities: dict[int, float], among: set[int] | None) -> None:
    """Draws that follow the probabilities; of those in `among`, or of all (None)."""
    observed = counts(drawn.value, among)
    statistic, bound = chi_squared(observed, probabilities)
    total = sum(observed.values())
    expected = {token: round(p * total, 1) for token, p in probabilities.items()}
    expect(
        statistic < bound,
        f"counts of {total} draws",
        drawn,
        f"about {expected}, chi-squared below {bound:.4g}",
        came=f"{dict(observed.most_common())}, chi-squared {statistic:.4g}",
    )


@check
def narrow_is_greedy(server: Server) -> None:
    """top_k=1 and a tiny top_p leave nothing but the likeliest token."""
    sampler = server.sampler()
    expected = sampler.sample(PROMPT, greedy(4)).result().show(TOKENS.format(index=0)).value
    for options in ({"top_k": 1}, {"top_p": 1e-6}):
        reply = sampler.sample(PROMPT, free(4, temperature=1.0, **options)).result()
        expect_equal(f"tokens with {options}", reply.show(TOKENS.format(index=0)), expected)


@check
def samples_differ(server: Server) -> None:
    """The samples of one request, and those of two requests without a seed, differ."""
    sampler = server.sampler()
    params = free(12, temperature=1.5)
    first = sampler.sample(PROMPT, params, 8).result().show(ALL_TOKENS)
    expect(
        len(set(map(tuple, first.value))) > 1, "8 samples of one request", first, "not all equal"
    )
    second = sampler.sample(PROMPT, params, 8).result().show(ALL_TOKENS)
    expect(second.value != first.value, "samples of a second request", second, "others")


@check
def sequence_ids(server: Server) -> None:
    """Every sampled sequence of a session has an id of its own."""
    sampler, params = server.sampler(), free(1, seed=1)
    replies = [sampler.sample(PROMPT, params, 2).result() for _ in range(2)]
    first, second = (reply.show("[s.sequence_id for s in $.sequences]") for reply in replies)
    expect(
        len({*first.value, *second.value}) == 4,
        "sequence ids of two requests",
        second,
        f"two ids that differ from {first.value}",
    )


@check
def same_seed(server: Server) -> None:
    """One seed gives the same samples again."""
    sampler = server.sampler()
    params = free(10, seed=21)
    first = sampler.sample(PROMPT, params, 3).result().show(ALL_TOKENS).value
    again = sampler.sample(PROMPT, params, 3).result().show(ALL_TOKENS)
    expect_equal("samples with the same seed", again, first)


@check
def other_seed(server: Server) -> None:
    """Another seed gives other samples."""
    sampler = server.sampler()
    first = sampler.sample(PROMPT, free(12, seed=21, temperature=1.5)).result()
    other = sampler.sample(PROMPT, free(12, seed=22, temperature=1.5)).result()
    before = first.show(ALL_TOKENS).value
    expect(other.show(ALL_TOKENS).value != before, "seed=22", other.show(ALL_TOKENS),
           f"other samples than with seed=21, {before}")  # fmt: skip


@check
def seeded_samples_differ(server: Server) -> None:
    """The samples of one seeded request differ from each other."""
    params = free(12, seed=23, temperature=1.5)
    drawn = server.sampler().sample(PROMPT, params, 6).result().show(ALL_TOKENS)
    expect(len(set(map(tuple, drawn.value))) > 1, "6 samples", drawn, "not all equal")


@check
def seed_under_load(server: Server) -> None:
    """A seeded request gives the same samples however many others run beside it."""
    sampler = server.sampler()
    seeds = range(24, 28)
    alone = {
        seed: sampler.sample(PROMPT, free(10, seed=seed)).result().show(ALL_TOKENS).value
        for seed in seeds
    }
    busy = [sampler.sample(PROMPT[: 2 + n % 4], free(10, seed=n), 1 + n % 3) for n in range(12)]
    calls = {seed: sampler.sample(PROMPT, free(10, seed=seed)) for seed in seeds}
    for other in busy:
        other.result()
    replies = {seed: call.result().show(ALL_TOKENS) for seed, call in calls.items()}
    _expect_most("samples beside 12 other requests", replies, alone, server.tolerance.flips)


@check
def many_at_once(server: Server) -> None:
    """64 requests at once are all answered, each about its own prompt."""
    sampler, params = server.sampler(), greedy(3)
    lengths = range(2, 7)
    alone = {n: sampler.sample(PROMPT[:n], params).result().show(ALL_TOKENS).value for n in lengths}
    prompts = [(index, 2 + index % len(lengths)) for index in range(64)]
    calls = [(index, n, sampler.sample(PROMPT[:n], params)) for index, n in prompts]
    replies = {index: call.result().show(ALL_TOKENS) for index, _, call in calls}
    expected = {index: alone[n] for index, n in prompts}
    _expect_most("greedy tokens of 64 requests", replies, expected, server.tolerance.flips)


def _expect_most(
    what: str, replies: dict[int, Shown], expected: dict[int, Any], flips: float
) -> None:
    """All replies are as expected, but for the share that rounding may change."""
    wrong = [key for key, reply in replies.items() if reply.value != expected[key]]
    if len(wrong) > flips * len(replies):
        first = replies[wrong[0]]
        others = f"; {len(wrong)} of {len(replies)} are others than alone"
        came = f"{first.value}{others}"
        fail(what, first, f"{expected[wrong[0]]}, as alone", came)


@check
def without_max_tokens(server: Server) -> None:
    """Without max_tokens a sample goes on until it stops or the context is full."""
    sampler = server.sampler()
    first = sampler.sample(PROMPT, greedy(3)).result().show(TOKENS.format(index=0)).value
    params = types.SamplingParams(temperature=0.0, stop=[first[-1]])
    drawn = sampler.sample(PROMPT, params).result().show(TOKENS.format(index=0))
    expected = first[: first.index(first[-1]) + 1]
    expect_equal("tokens up to the stop token", drawn, expected)
