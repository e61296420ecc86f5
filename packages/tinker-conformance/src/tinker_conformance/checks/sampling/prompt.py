"""Reports of a sample request about its prompt."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from tinker import types

from tinker_conformance.check import check
from tinker_conformance.client.server import Server
from tinker_conformance.closed_form.frequencies import chi_squared, counts, restricted
from tinker_conformance.expect import expect, expect_close, expect_equal
from tinker_conformance.experiment.samples import PROMPT, free, greedy

K = 4
ONE = greedy(1)


@check
def topk(server: Server) -> None:
    """topk_prompt_logprobs: None, then k different tokens by falling logprob at every place."""
    reply = server.sampler().sample(PROMPT, ONE, topk_prompt_logprobs=K).result()
    shown = reply.show("$.topk_prompt_logprobs")
    lengths = reply.show("[None if row is None else len(row) for row in $.topk_prompt_logprobs]")
    expect_equal("entries at each place", lengths, [None] + [K] * (len(PROMPT) - 1))
    for row in shown.value[1:]:
        falling = all(first[1] >= second[1] for first, second in pairwise(row))
        expect(falling, "logprobs of one place", shown, "falling numbers")
        expect(len({token for token, _ in row}) == K, "tokens of one place", shown, "different")


@check
def topk_values(server: Server) -> None:
    """The top k are the likeliest tokens, with the logprobs that the model gives them."""
    sampler = server.sampler()
    reply = sampler.sample(PROMPT, ONE, topk_prompt_logprobs=K).result()
    rows = reply.show("$.topk_prompt_logprobs").value[1:]
    ids = np.array([[token for token, _ in row] for row in rows])
    expected = np.array([[logprob for _, logprob in row] for row in rows])
    targets = types.TensorData.from_numpy(ids.astype(np.int64))
    given = sampler.sample(PROMPT, ONE, target_prompt_logprobs=targets).result()
    came = given.show("$.target_prompt_logprobs.to_numpy()")
    expect_close("logprobs of the top tokens", came, expected, atol=server.tolerance.logprob)
    own = np.array(sampler.compute_logprobs(PROMPT).value[1:], np.float64)
    for place, row in enumerate(rows):
        likely = own[place] <= row[0][1] + server.tolerance.logprob
        least = f"at least as likely as the prompt's token, {own[place]:.6g}"
        shown = reply.show(f"$.topk_prompt_logprobs[{place + 1}]")
        expect(likely, f"likeliest token at place {place + 1}", shown, least)


@check
def targets(server: Server) -> None:
    """target_prompt_logprobs: row i is about prompt token i + 1; -1 is skipped and reads 0."""
    sampler = server.sampler()
    own = np.array(sampler.compute_logprobs(PROMPT).value[1:], np.float64)
    ids = np.stack([np.array(PROMPT[1:]), np.full(len(PROMPT) - 1, -1)], axis=1)
    targets = types.TensorData.from_numpy(ids)
    reply = sampler.sample(PROMPT, ONE, target_prompt_logprobs=targets).result()
    expected = np.stack([own, np.zeros(len(own))], axis=1)
    came = reply.show("$.target_prompt_logprobs.to_numpy()")
    expect_close("target_prompt_logprobs", came, expected, atol=server.tolerance.logprob)


@check
def sparse_targets(server: Server) -> None:
    """Targets in CSR form come back in CSR form, with the same logprobs."""
    sampler = server.sampler()
    own = np.array(sampler.compute_logprobs(PROMPT).value[1:], np.float64)
    count = len(own)
    crow = list(range(count + 1))
    targets = types.TensorData(
        data=PROMPT[1:],
        dtype="int64",
        shape=[count, 3],
        sparse_crow_indices=crow,
        sparse_col_indices=[index % 3 for index in range(count)],
    )
    reply = sampler.sample(PROMPT, ONE, target_prompt_logprobs=targets).result()
    came = reply.show("$.target_prompt_logprobs.data")
    expect_close("listed logprobs", came, own, atol=server.tolerance.logprob)
    layout = reply.show("$.target_prompt_logprobs.sparse_crow_indices")
    expect_equal("row pointers", layout, crow)


@check
def last_n(server: Server) -> None:
    """prompt_logprobs_last_n leaves out all but the last n tokens."""
    sampler = server.sampler()
    own = sampler.compute_logprobs(PROMPT).array
    reply = sampler.sample(
        PROMPT, ONE, include_prompt_logprobs=True, prompt_logprobs_last_n=2
    ).result()
    expected = np.where(np.arange(len(PROMPT)) >= len(PROMPT) - 2, own, np.nan)
    came = reply.show("$.prompt_logprobs")
    expect_close("prompt_logprobs", came, expected, atol=server.tolerance.logprob)


@check
def alternatives(server: Server) -> None:
    """prompt_alt_tokens_k draws tokens at every place, with the model's logprobs of them."""
    sampler = server.sampler()
    params = free(1, seed=3)
    reply = sampler.sample(PROMPT, params, prompt_alt_tokens_k=K).result()
    ids = reply.show("$.prompt_alt_tokens.tokens.to_numpy()")
    shape = (len(PROMPT) - 1, K)
    expect(ids.array.shape == shape, "tokens", ids, f"an array of shape {shape}")
    targets = types.TensorData.from_numpy(np.asarray(ids.value, np.int64))
    given = sampler.sample(PROMPT, ONE, target_prompt_logprobs=targets).result()
    expected = given.show("$.target_prompt_logprobs.to_numpy()").array
    came = reply.show("$.prompt_alt_tokens.logprobs.to_numpy()")
    expect_close("logprobs of the tokens", came, expected, atol=server.tolerance.logprob)


@check
def alternatives_are_drawn(server: Server) -> None:
    """The alternatives are drawn from the model's distribution at the request's temperature."""
    sampler = server.sampler()
    count, temperature = 256, 0.3
    short = PROMPT[:2]
    params = free(1, seed=3, temperature=temperature)
    reply = sampler.sample(
        short, params, prompt_alt_tokens_k=count, topk_prompt_logprobs=8
    ).result()
    top = dict(reply.show("$.topk_prompt_logprobs[1]").value)
    ids = reply.show("$.prompt_alt_tokens.tokens.to_numpy()[0]")
    among = counts(ids.value.tolist(), top)
    statistic, bound = chi_squared(among, restricted(top, temperature))
    expected = f"counts of the 8 likeliest tokens with chi-squared below {bound:.4g}"
    came = f"{dict(among)}, chi-squared {statistic:.4g}"
    expect(statistic < bound, "drawn alternatives", ids, expected, came=came)


@check
def of_the_prompt_only(server: Server) -> None:
    """Without an option, a reply reports nothing about the prompt."""
    reply = server.sampler().sample(PROMPT, ONE).result()
    came = reply.show("($.prompt_logprobs, $.topk_prompt_logprobs, $.target_prompt_logprobs)")
    expect_equal("prompt_logprobs, topk_prompt_logprobs, targets", came, (None, None, None))
