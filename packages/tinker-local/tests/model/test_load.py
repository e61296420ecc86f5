"""Loading a base model from a folder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tinker_local.errors import RequestError
from tinker_local.model.load import load_model
from tinker_local.request_types import AdamParams, LoraSpec, SampleRequest
from tinker_local.sampling.continuous_batching import Sampler
from tinker_local.training.trainer import Trainer


def test_bfloat16_is_near_float32(folder, datum, request_of, run):
    lps = []
    for dtype in ("float32", "bfloat16"):
        base = load_model(folder, name="tiny", dtype=dtype)
        trainer = Trainer(base, LoraSpec(rank=2, seed=0))
        result = trainer.loss(request_of(datum(9)))
        trainer.optim_step(AdamParams())
        lps.append(result.outputs[0]["logprobs"])
        request = SampleRequest(prompt=datum(9).tokens, max_tokens=5, seed=0)
        (sampled,) = run(Sampler(base), [(request, trainer.adapter())])
        assert np.isfinite(sampled.sequences[0].logprobs).all()
        assert all(t.dtype == torch.float32 for t in trainer.state(optimizer=True).values())
    np.testing.assert_allclose(lps[0], lps[1], atol=0.3)


def test_a_folder_without_a_model_and_an_unknown_dtype_are_refused(tmp_path, folder):
    with pytest.raises(RequestError, match=r"not a model folder.*config.json"):
        load_model(tmp_path, name="nothing")
    with pytest.raises(RequestError, match="'int4': expected one of float32"):
        load_model(folder, name="tiny", dtype="int4")


def test_the_facts_of_a_model_are_read_from_its_folder(base, folder):
    assert (base.name, base.folder, base.architecture) == ("tiny", folder, "llama")
    assert (base.vocab_size, base.context_length, base.eos_tokens) == (260, 96, {257})
    assert not any(parameter.requires_grad for parameter in base.network.parameters())
