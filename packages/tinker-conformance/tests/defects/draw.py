"""Wrong samples."""

from __future__ import annotations

import attrs
import msgspec

from defects.defect import defect
from defects.seams import (
    change_sample_request,
    change_sample_result,
    change_sampling,
    change_sequences,
)
from tinker_local.api.http import Call
from tinker_local.api.routes import samplers
from tinker_local.sampling import token_sampling


@defect("draw/same_seed", "client/copied_sampler")
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


@defect("draw/narrow_is_greedy")
def a_tiny_top_p_is_none(monkeypatch):
    """A top_p that leaves less than one token leaves all of them."""

    def changed(request):
        return attrs.evolve(request, top_p=request.top_p if request.top_p > 1e-3 else 1.0)

    change_sample_request(monkeypatch, changed)


@defect("draw/sequence_ids")
def every_request_is_the_first(monkeypatch):
    """A sampler answers every request with the samples, and ids, of its first."""
    original = Call.body

    def body(self, body_type):
        read = original(self, body_type)
        same = body_type is samplers._Submission
        return msgspec.structs.replace(read, seq_id=0) if same else read

    monkeypatch.setattr(Call, "body", body)


@defect("draw/seed_under_load")
def the_seed_counts_requests(monkeypatch):
    """Seeded samples depend on how many requests came before."""
    requests = []

    def changed(request):
        requests.append(request)
        seed = request.seed
        return attrs.evolve(request, seed=None if seed is None else seed + len(requests))

    change_sample_request(monkeypatch, changed)


@defect("draw/many_at_once")
def replies_are_mixed_up(monkeypatch):
    """Of many requests, some are answered with the samples of another."""
    results = []

    def changed(result):
        results.append(result)
        return results[0] if len(results) % 5 == 0 else result

    change_sample_result(monkeypatch, changed)


@defect("stop/string_that_never_comes")
def any_stop_string_stops(monkeypatch):
    """A request with a stop string ends after three tokens."""

    def changed(request):
        return attrs.evolve(request, max_tokens=3) if request.stop_strings else request

    change_sample_request(monkeypatch, changed)


@defect("stop/absent")
def nothing_stops_by_itself(monkeypatch):
    """Samples go on behind the end of sequence."""

    def changed(request):
        stops = frozenset() if request.stop_tokens is None else request.stop_tokens
        return attrs.evolve(request, stop_tokens=stops)

    change_sample_request(monkeypatch, changed)


@defect("stop/end_beside_a_stop")
def stops_end_everything(monkeypatch):
    """A request with a stop token ends after two tokens."""

    def changed(request):
        return attrs.evolve(request, max_tokens=2) if request.stop_tokens else request

    change_sample_request(monkeypatch, changed)


@defect("limit/many_samples")
def only_four_samples_are_drawn(monkeypatch):
    """Of many samples, four are drawn and repeated."""

    def changed(result):
        count = len(result.sequences)
        repeated = (result.sequences[:4] * count)[:count]
        return attrs.evolve(result, sequences=repeated)

    change_sample_result(monkeypatch, changed)


@defect("limit/one_token")
def short_prompts_are_cut_short(monkeypatch):
    """A prompt of one token is continued by one token."""

    def changed(request):
        return attrs.evolve(request, max_tokens=1) if len(request.prompt) == 1 else request

    change_sample_request(monkeypatch, changed)
