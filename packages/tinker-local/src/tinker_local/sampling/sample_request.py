"""Checking a sample request against its base model, and making its sequences."""

from __future__ import annotations

import numpy as np

from tinker_local.errors import RequestError
from tinker_local.model.base import BaseModel
from tinker_local.model.lora_adapter import LoraAdapter
from tinker_local.request_types import SampleRequest
from tinker_local.sampling.detokenizer import Detokenizer
from tinker_local.sampling.prompt_logprobs import PromptLogprobs
from tinker_local.sampling.sequence import Sequence, SequenceGroup
from tinker_local.sampling.stop_strings import StopStringMatcher
from tinker_local.sampling.token_sampling import TokenSamplingParams


def make_sequences(
    request: SampleRequest, adapter: LoraAdapter | None, base: BaseModel
) -> list[Sequence]:
    """The sequences of a new group. RequestError says which limit the request breaks."""
    _check(request, base)
    length = len(request.prompt)
    seed = _seed(request)
    prompt_rng = np.random.default_rng([*seed, request.num_samples])
    group = SequenceGroup(request, adapter, PromptLogprobs(request, prompt_rng))
    room = base.context_length - length
    max_tokens = room if request.max_tokens is None else request.max_tokens
    params = TokenSamplingParams(
        temperature=request.temperature, top_k=request.top_k, top_p=request.top_p
    )
    return [
        Sequence(
            group=group,
            index=i,
            tokens=request.prompt.tolist(),
            max_length=length + max_tokens,
            params=params,
            rng=np.random.default_rng([*seed, i]),
            stop_tokens=base.eos_tokens if request.stop_tokens is None else request.stop_tokens,
            stop_strings=_stop_strings(request, base),
        )
        for i in range(request.num_samples)
    ]


def _seed(request: SampleRequest) -> list[int]:
    if request.seed is None:
        return list(np.random.SeedSequence().generate_state(4).tolist())
    return [request.seed & (2**64 - 1)]


def _stop_strings(request: SampleRequest, base: BaseModel) -> StopStringMatcher | None:
    if not request.stop_strings:
        return None
    detokenizer = Detokenizer(base.tokenizer, skip_special_tokens=False)
    return StopStringMatcher(request.stop_strings, detokenizer)


def _check(request: SampleRequest, base: BaseModel) -> None:
    _check_length(request, base)
    if not request.temperature >= 0 or request.temperature == float("inf"):
        raise RequestError(f"invalid temperature {request.temperature}: expected a number >= 0")
    if not 0 < request.top_p <= 1:
        raise RequestError(f"invalid top_p {request.top_p}: expected a number in (0, 1]")
    if request.top_k < -1 or request.top_k == 0:
        raise RequestError(f"invalid top_k {request.top_k}: expected -1 (off) or at least 1")
    if any(not string for string in request.stop_strings):
        raise RequestError("invalid stop: a stop string is empty")
    if request.stop_strings and base.tokenizer is None:
        raise RequestError(
            f"stop strings need a tokenizer and {base.name} has none: use stop tokens"
        )
    _check_prompt_options(request, base)


def _check_length(request: SampleRequest, base: BaseModel) -> None:
    length = len(request.prompt)
    if length == 0:
        raise RequestError("the prompt is empty")
    base.check_tokens(request.prompt, "prompt")
    if request.num_samples < 1:
        raise RequestError(f"invalid num_samples {request.num_samples}: expected at least 1")
    if request.max_tokens is not None and request.max_tokens < 0:
        raise RequestError(f"invalid max_tokens {request.max_tokens}: expected at least 0")
    max_tokens = 1 if request.max_tokens is None else request.max_tokens
    if length + max_tokens > base.context_length:
        raise RequestError(
            f"{length} prompt tokens and {max_tokens} to sample exceed the context length "
            f"of {base.context_length}"
        )


def _check_prompt_options(request: SampleRequest, base: BaseModel) -> None:
    length = len(request.prompt)
    for name in ("topk_prompt_logprobs", "topk_sample_logprobs", "prompt_alt_tokens_k"):
        value = getattr(request, name)
        if not 0 <= value <= base.vocab_size:
            raise RequestError(
                f"invalid {name} {value}: expected 0 to {base.vocab_size}, the vocabulary size"
            )
    last_n = request.prompt_logprobs_last_n
    if last_n is not None and not (request.prompt_logprobs and 1 <= last_n < length):
        raise RequestError(
            f"invalid prompt_logprobs_last_n {last_n}: it needs prompt_logprobs=True and a value "
            f"from 1 to {length - 1}, one less than the length of the prompt"
        )
    targets = request.target_prompt_logprobs
    if targets is None:
        return
    if targets.ndim != 2 or len(targets) != length - 1:
        raise RequestError(
            f"target_prompt_logprobs has shape {targets.shape}, the prompt needs ({length - 1}, K)"
        )
    base.check_tokens(np.where(targets == -1, 0, targets), "target_prompt_logprobs")
