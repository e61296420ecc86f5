"""The end of a sample: stop tokens and stop strings."""

from __future__ import annotations

from sample_requests import sample, tokens_of

from tinker_local.sampling.continuous_batching import Sampler


def test_the_stop_token_is_included_and_ends_the_sequence(base, run):
    (free,) = run(Sampler(base), [(sample(6, 4, max_tokens=12), None)])
    tokens = tokens_of(free)[0]
    stop = tokens[5]
    (stopped,) = run(
        Sampler(base), [(sample(6, 4, max_tokens=12, stop_tokens=frozenset({stop})), None)]
    )
    assert tokens_of(stopped)[0] == tokens[: tokens.index(stop) + 1]
    assert stopped.sequences[0].stop_reason == "stop"
    assert len(stopped.sequences[0].logprobs) == tokens.index(stop) + 1


def test_without_stop_tokens_named_the_models_own_ends_the_sequence(base, run):
    assert base.eos_tokens == {257}
    request = sample(6, 4, num_samples=64, max_tokens=60, temperature=2.0, stop_tokens=None)
    (result,) = run(Sampler(base), [(request, None)])
    stopped = [s for s in result.sequences if s.stop_reason == "stop"]
    assert stopped
    assert all(s.tokens[-1] == 257 for s in stopped)
    assert all(257 not in s.tokens[:-1] for s in result.sequences)
    (free,) = run(
        Sampler(base), [(sample(6, 4, num_samples=64, max_tokens=60, temperature=2.0), None)]
    )
    assert {s.stop_reason for s in free.sequences} == {"length"}


def test_a_stop_string_ends_with_the_token_that_completes_it(base, run):
    (free,) = run(Sampler(base), [(sample(6, 4, max_tokens=40), None)])
    tokens = tokens_of(free)[0]
    letters = [base.tokenizer.decode([token]) for token in tokens]
    # one byte a token: the first two neighbours that are characters by themselves
    at = next(i for i in range(39) if (letters[i] + letters[i + 1]).isascii())
    strings = ("never there", letters[at] + letters[at + 1])
    (stopped,) = run(Sampler(base), [(sample(6, 4, max_tokens=40, stop_strings=strings), None)])
    assert tokens_of(stopped)[0] == tokens[: at + 2]
    assert stopped.sequences[0].stop_reason == "stop"
