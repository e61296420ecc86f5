"""Numbers to begin with, against the published ones."""

import pytest

from tinker_core import ConfigError
from tinker_train import get_lora_param_count, get_lr
from tinker_train.optim.hyperparameters import model_size


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


def test_the_learning_rate_is_the_formula_of_the_source():
    expected = 5e-5 * 10 * (2000 / 8192) ** 0.781  # 8192: the hidden size
    assert get_lr("meta-llama/Llama-3.1-70B") == pytest.approx(expected, rel=1e-12)


def test_a_rank_of_32_is_the_default():
    model = "Qwen/Qwen3-8B"
    assert get_lora_param_count(model) == get_lora_param_count(model, 32)


@pytest.mark.parametrize(
    ("model", "published", "tied"),
    [
        ("meta-llama/Llama-3.2-1B", 1_235_814_400, True),
        ("meta-llama/Llama-3.2-3B", 3_212_749_824, True),
        ("meta-llama/Llama-3.1-8B", 8_030_261_248, False),
        ("meta-llama/Llama-3.1-70B", 70_553_706_496, False),
        ("Qwen/Qwen3-4B", 4_022_468_096, True),
        ("Qwen/Qwen3-8B", 8_190_735_360, False),
        ("Qwen/Qwen3-32B", 32_762_123_264, False),
        ("HuggingFaceTB/SmolLM2-135M", 134_515_008, True),
    ],
)
def test_the_sizes_of_a_model_give_its_published_number_of_parameters(model, published, tied):
    size = model_size(model)
    hidden = size.hidden_size
    projections = 2 * hidden * size.head_size * (size.attention_heads + size.key_value_heads)
    norms = 2 * hidden + (2 * size.head_size if size.family == "qwen" else 0)
    layer = projections + 3 * hidden * size.intermediate_size + norms
    embeddings = (1 if tied else 2) * size.vocab_size * hidden
    assert embeddings + size.layers * layer + hidden == published


def test_a_variant_has_the_size_of_its_base_and_another_model_has_none():
    assert get_lr("meta-llama/Llama-3.1-8B-Instruct:latest") == get_lr("meta-llama/Llama-3.1-8B")
    with pytest.raises(ConfigError, match="my-llama-qwen"):
        get_lr("my-llama-qwen")
