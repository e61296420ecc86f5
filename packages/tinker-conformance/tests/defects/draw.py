"""Wrong samples."""

from __future__ import annotations

import attrs

from defects.defect import defect
from defects.seams import (
    change_sample_request,
    change_sample_result,
    change_sampling,
    change_sequences,
)
from tinker_local.sampling import token_sampling


@defect("draw/same_seed")
def the_seed_is_ignored(monkeypatch):
    """Samples differ from run to run whatever the seed, as in Open-RL."""
    change_sampling(monkeypatch, seed=None)


@defect("draw/seeded_samples_differ")
def one_seed_one_sample(monkeypatch):
    """All samples of a seeded request are equal."""

    def changed(result):
        return attrs.evolve(result, sequences=result.sequences[:1] * len(result.sequences))

    change_sample_result(monkeypatch, changed)


@defect("draw/temperature")
def temperature_is_ignored(monkeypatch):
    """Tokens are drawn at temperature 1, unless it is 0."""

    def changed(request):
        return attrs.evolve(request, temperature=float(request.temperature > 0))

    change_sample_request(monkeypatch, changed)


@defect("draw/top_k")
def top_k_is_ignored(monkeypatch):
    """Tokens beyond the k likeliest are drawn, too."""
    change_sampling(monkeypatch, top_k=-1)


@defect("draw/top_p")
def top_p_is_ignored(monkeypatch):
    """Tokens beyond the nucleus are drawn, too, as in Open-RL."""
    change_sampling(monkeypatch, top_p=1.0)


@defect("draw/distribution")
def samples_are_too_sharp(monkeypatch):
    """Tokens are drawn from p squared."""
    original = token_sampling._temper

    def temper(logp, params, rows):
        sharp = original(logp, params, rows) ** 2
        return sharp / sharp.sum(-1, keepdim=True)

    monkeypatch.setattr(token_sampling, "_temper", temper)


@defect("draw/greedy_is_likeliest")
def greedy_is_second_best(monkeypatch):
    """Temperature 0 samples at a low temperature."""

    def changed(request):
        return attrs.evolve(request, temperature=request.temperature or 1.0)

    change_sample_request(monkeypatch, changed)


@defect("draw/shape")
def the_reason_is_always_stop(monkeypatch):
    """stop_reason is `stop` for every sample, as in Open-RL."""
    change_sequences(monkeypatch, lambda sequence: attrs.evolve(sequence, stop_reason="stop"))


@defect("stop/token")
def the_stop_token_is_cut_off(monkeypatch):
    """A sample ends before its stop token."""

    def changed(sequence):
        if sequence.stop_reason != "stop":
            return sequence
        return attrs.evolve(sequence, tokens=sequence.tokens[:-1], logprobs=sequence.logprobs[:-1])

    change_sequences(monkeypatch, changed)


@defect("stop/string")
def stop_strings_are_ignored(monkeypatch):
    """Stop strings stop nothing."""
    change_sampling(monkeypatch, stop_strings=())


@defect("stop/empty_list")
def an_empty_stop_list_is_none(monkeypatch):
    """stop=[] is taken for no `stop`: samples end at the end of sequence."""

    def changed(request):
        return attrs.evolve(request, stop_tokens=request.stop_tokens or None)

    change_sample_request(monkeypatch, changed)


@defect("stop/token_in_the_prompt")
def prompts_are_searched_for_stops(monkeypatch):
    """A stop token in the prompt ends a sample after one token."""

    def changed(request):
        if request.stop_tokens and set(request.prompt.tolist()) & request.stop_tokens:
            return attrs.evolve(request, max_tokens=1)
        return request

    change_sample_request(monkeypatch, changed)
