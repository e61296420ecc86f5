"""Numbers to begin with, against the published ones."""

import pytest

from tinker_core import ConfigError
from tinker_train import get_lora_param_count, get_lr


@pytest.mark.parametrize(
    ("model", "published"),
    [
        ("meta-llama/Llama-3.1-8B", 2.856e-4),
        ("meta-llama/Llama-3.2-1B", 4.908e-4),
        ("Qwen/Qwen3-8B", 4.730e-4),
    ],
)
def test_learning_rates_are_the_published_ones(model, published):
    assert get_lr(model) == pytest.approx(published, rel=1e-3)
    assert get_lr(model, is_lora=False) == pytest.approx(published / 10, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "mlp", "attention", "unembedding"),  # per rank, as the cookbook's table has them
    [
        ("Qwen/Qwen3-8B", 1_769_472, 958_464, 156_032),
        ("meta-llama/Llama-3.1-8B", 1_769_472, 851_968, 132_352),
    ],
)
def test_lora_sizes_are_the_published_ones(model, mlp, attention, unembedding):
    off = {"train_mlp": False, "train_attn": False, "train_unembed": False}
    assert get_lora_param_count(model, 1, **{**off, "train_mlp": True}) == mlp
    assert get_lora_param_count(model, 1, **{**off, "train_attn": True}) == attention
    assert get_lora_param_count(model, 1, **{**off, "train_unembed": True}) == unembedding
    assert get_lora_param_count(model, 32) == 32 * (mlp + attention + unembedding)


def test_a_variant_has_the_size_of_its_base_and_another_model_has_none():
    assert get_lr("meta-llama/Llama-3.1-8B-Instruct:latest") == get_lr("meta-llama/Llama-3.1-8B")
    with pytest.raises(ConfigError, match="my-llama-qwen"):
        get_lr("my-llama-qwen")
