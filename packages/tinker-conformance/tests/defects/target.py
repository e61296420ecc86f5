"""Wrong soft targets and wrong logprobs."""

from __future__ import annotations

from itertools import pairwise

import attrs
import numpy as np
import torch

from defects.defect import defect
from defects.seams import (
    change_data,
    change_result,
    change_sample_request,
    change_sample_result,
    change_sequences,
)
from tinker_local.api import protobuf_codec, wire_pb2
from tinker_local.api.routes import samplers
from tinker_local.model import lora_adapter
from tinker_local.sampling import prompt_logprobs
from tinker_local.service.loaded_models import LoadedModels


@defect("target/values")
def only_the_first_candidate_counts(monkeypatch):
    """(N, K) targets and weights are cut to their first column, as (16, 3) were in Open-RL."""

    def changed(inputs):
        if inputs["target_tokens"].ndim == 2:
            return {name: column[:, 0] for name, column in inputs.items()}
        return inputs

    change_data(monkeypatch, changed)


@defect("target/sparse")
def csr_columns_are_ignored(monkeypatch):
    """The values of CSR tensors are packed to the left of their rows."""
    original = protobuf_codec._decode_csr

    def decode(csr, dtype, shape, where):
        dense = original(csr, dtype, shape, where)
        crow = np.frombuffer(csr.crow_indices, np.int64)
        packed = np.zeros_like(dense)
        item = np.dtype(protobuf_codec.ITEM_TYPES[dtype])
        values = np.frombuffer(csr.values, item)
        for row, (start, end) in enumerate(pairwise(crow)):
            packed[row, : end - start] = values[start:end]
            packed[row] = packed[row][::-1] if dtype == wire_pb2.DTYPE_FLOAT32 else packed[row]
        return packed

    monkeypatch.setattr(protobuf_codec, "_decode_csr", decode)


@defect("target/mixed_batch")
def datums_come_back_longest_first(monkeypatch):
    """Outputs are in the order in which datums were packed."""
    change_result(
        monkeypatch,
        lambda request, result: attrs.evolve(
            result, outputs=tuple(sorted(result.outputs, key=lambda o: -o["logprobs"].size))
        ),
    )


@defect("target/probabilities_sum_to_one")
def logits_for_logprobs(monkeypatch):
    """Logprobs are too large by one half: they are not normalised."""

    def changed(request, result):
        outputs = tuple({"logprobs": o["logprobs"] + np.float32(0.5)} for o in result.outputs)
        return attrs.evolve(result, outputs=outputs)

    change_result(monkeypatch, changed)


@defect("logprob/compute_logprobs")
def logprobs_are_shifted_by_one(monkeypatch):
    """Prompt logprobs are one place early, without the leading None, as in SkyRL."""

    def changed(result):
        if result.prompt_logprobs is None:
            return result
        return attrs.evolve(result, prompt_logprobs=result.prompt_logprobs[1:])

    change_sample_result(monkeypatch, changed)


@defect("logprob/causal")
def rows_look_ahead(monkeypatch):
    """Row i of `forward` is about the logprob of row i + 1."""

    def changed(request, result):
        outputs = tuple({"logprobs": np.roll(o["logprobs"], -1, 0)} for o in result.outputs)
        return attrs.evolve(result, outputs=outputs)

    change_result(monkeypatch, changed)


@defect("logprob/sampled")
def the_sampler_rounds(monkeypatch):
    """The sampler's logprobs are rounded to bfloat16, the trainer's are not, as in hatchery."""

    def changed(sequence):
        rounded = torch.from_numpy(sequence.logprobs).bfloat16().float().numpy()
        return attrs.evolve(sequence, logprobs=rounded)

    change_sequences(monkeypatch, changed)


@defect("logprob/saved_by_name")
def samplers_use_the_base_model(monkeypatch):
    """A sampler of saved weights samples from the base model."""
    original = LoadedModels._adapter
    monkeypatch.setattr(
        LoadedModels,
        "_adapter",
        lambda self, name, source: original(self, name, source) if source.path is None else None,
    )


@defect("logprob/alone_or_in_a_batch")
def datums_see_their_neighbours(monkeypatch):
    """The logprobs of a batch's later datums are blurred with those of the first."""

    def changed(request, result):
        first, *others = result.outputs
        return attrs.evolve(
            result,
            outputs=(first, *({"logprobs": o["logprobs"] - np.float32(0.01)} for o in others)),
        )

    change_result(monkeypatch, changed)


@defect("prompt/topk")
def the_top_tokens_are_not_sorted(monkeypatch):
    """Top-k rows are in the order of token ids."""
    original = prompt_logprobs._fill_topk

    def fill(into, rows, logp):
        original(into, rows, logp)
        order = into.ids[rows].argsort(-1)
        for table in (into.ids, into.logprobs):
            table[rows] = np.take_along_axis(table[rows], order, -1)

    monkeypatch.setattr(prompt_logprobs, "_fill_topk", fill)


@defect("prompt/targets")
def prompt_targets_are_shifted(monkeypatch):
    """Row i of target_prompt_logprobs is about the token before."""

    def changed(request):
        if request.target_prompt_logprobs is None:
            return request
        return attrs.evolve(
            request, target_prompt_logprobs=np.roll(request.target_prompt_logprobs, 1, 0)
        )

    change_sample_request(monkeypatch, changed)


@defect("target/one_candidate")
def single_candidates_lose_their_axis(monkeypatch):
    """The logprobs of (N, 1) targets have shape (N,)."""

    def changed(request, result):
        outputs = tuple({"logprobs": np.squeeze(o["logprobs"])} for o in result.outputs)
        return attrs.evolve(result, outputs=outputs)

    change_result(monkeypatch, changed)


@defect("logprob/base_model")
def new_models_are_not_the_base_model(monkeypatch):
    """A new LoRA has a random B, so it changes the model before any step."""
    original = lora_adapter.initialise

    def initialise(weights, seed):
        original(weights, seed)
        for pair in weights.pairs.values():
            pair.b.normal_(0, 0.05)

    monkeypatch.setattr(lora_adapter, "initialise", initialise)


@defect("prompt/sparse_targets")
def sparse_prompt_targets_come_back_reversed(monkeypatch):
    """The logprobs of CSR targets are in the order of their rows from the end."""
    original = samplers.encode_sample_result

    def encode(result, layout):
        if layout is not None:
            reversed_rows = result.target_prompt_logprobs[::-1]
            result = attrs.evolve(result, target_prompt_logprobs=reversed_rows)
        return original(result, layout)

    monkeypatch.setattr(samplers, "encode_sample_result", encode)


@defect("prompt/last_n")
def the_last_n_are_one_too_few(monkeypatch):
    """prompt_logprobs_last_n=n gives n - 1 logprobs."""

    def changed(request):
        n = request.prompt_logprobs_last_n
        return attrs.evolve(request, prompt_logprobs_last_n=n and max(1, n - 1))

    change_sample_request(monkeypatch, changed)


@defect("prompt/alternatives")
def alternatives_have_tempered_logprobs(monkeypatch):
    """The logprobs of alternatives are halved."""

    def changed(result):
        if result.alt_logprobs is None:
            return result
        return attrs.evolve(result, alt_logprobs=result.alt_logprobs / 2)

    change_sample_result(monkeypatch, changed)


@defect("prompt/alternatives_are_drawn")
def alternatives_are_drawn_at_temperature_1(monkeypatch):
    """Alternatives are drawn at temperature 1 whatever the request says."""
    params = prompt_logprobs.TokenSamplingParams
    monkeypatch.setattr(
        prompt_logprobs, "TokenSamplingParams", lambda temperature: params(temperature=1.0)
    )


@defect("prompt/of_the_prompt_only")
def prompts_are_always_scored(monkeypatch):
    """Every reply has prompt logprobs, asked for or not."""
    change_sample_request(monkeypatch, lambda request: attrs.evolve(request, prompt_logprobs=True))
