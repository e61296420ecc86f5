"""For many architectures: the merged model computes what the engine computes with the adapter."""

from __future__ import annotations

import numpy as np
import pytest
from weights_architectures import ARCHITECTURES

from tinker_weights.adapter.read import read_adapter
from tinker_weights.base_model.model import open_base_model
from tinker_weights.merge.merge import merge_adapter

NO_ATTENTION = ("mamba", "falcon_mamba")
NO_MLP = ("mixtral", "qwen3_moe", "gpt_oss", "olmoe", "granitemoe")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_merged_model_computes_what_the_engine_computes(
    save_model, train, computed, tmp_path, name
):
    config = ARCHITECTURES[name]
    model_type = config.model_type
    spec = {"train_attn": model_type not in NO_ATTENTION, "train_mlp": model_type not in NO_MLP}
    checkpoint = train(save_model(config), **spec)
    merged = merge_adapter(
        read_adapter(checkpoint.adapter), open_base_model(str(checkpoint.base)), tmp_path / "merged"
    )
    logits = computed(merged.folder)
    assert np.abs(checkpoint.logits - computed(checkpoint.base)).max() > 0.05  # the adapter matters
    np.testing.assert_allclose(logits, checkpoint.logits, atol=1e-5)
    assert merged.untied == name.endswith("tied")
