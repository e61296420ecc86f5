"""Hyperparameters to start from, each with its source.

Learning rate: the fit that Thinking Machines published with their cookbook for LoRA,
`5e-5 * 10 * (2000 / hidden_size) ** p`, with p = 0.781 for Llama and 0.0775 for Qwen; without LoRA
there is no factor of 10 ("LoRA Without Regret", 2025). It was fitted to these two families. SmolLM2
has the architecture of Llama and gets its exponent, without a measurement.

Sizes: the `config.json` of the models.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from tinker_core import ConfigError

LORA_OVER_FULL_FINETUNE_LR = 10.0
"""Ratio of the best learning rates with and without LoRA ("LoRA Without Regret", 2025)."""

Family = Literal["llama", "qwen"]
_EXPONENT: dict[Family, float] = {"llama": 0.781, "qwen": 0.0775}


@frozen(kw_only=True)
class ModelSize:
    """The sizes of a dense decoder."""

    family: Family
    hidden_size: int
    intermediate_size: int
    layers: int
    attention_heads: int
    key_value_heads: int
    head_size: int
    vocab_size: int


def _llama(*sizes: int) -> ModelSize:
    return _dense("llama", sizes)


def _qwen(*sizes: int) -> ModelSize:
    return _dense("qwen", sizes)


def _dense(family: Family, sizes: tuple[int, ...]) -> ModelSize:
    hidden, intermediate, layers, heads, kv_heads, head, vocab = sizes
    return ModelSize(
        family=family,
        hidden_size=hidden,
        intermediate_size=intermediate,
        layers=layers,
        attention_heads=heads,
        key_value_heads=kv_heads,
        head_size=head,
        vocab_size=vocab,
    )


MODEL_SIZES: dict[str, ModelSize] = {
    "meta-llama/Llama-3.2-1B": _llama(2048, 8192, 16, 32, 8, 64, 128256),
    "meta-llama/Llama-3.2-3B": _llama(3072, 8192, 28, 24, 8, 128, 128256),
    "meta-llama/Llama-3.1-8B": _llama(4096, 14336, 32, 32, 8, 128, 128256),
    "meta-llama/Llama-3.1-70B": _llama(8192, 28672, 80, 64, 8, 128, 128256),
    "Qwen/Qwen3-4B": _qwen(2560, 9728, 36, 32, 8, 128, 151936),
    "Qwen/Qwen3-8B": _qwen(4096, 12288, 36, 32, 8, 128, 151936),
    "Qwen/Qwen3-32B": _qwen(5120, 25600, 64, 64, 8, 128, 151936),
    "HuggingFaceTB/SmolLM2-135M": _llama(576, 1536, 30, 9, 3, 64, 49152),
}


def model_size(model_name: str) -> ModelSize:
    """The sizes of a model; a variant (`-Instruct`, `-Base`, ...) has those of its base.

    Raises ConfigError for a model that is not in the table.
    """
    name = model_name.split(":")[0]
    fitting = [known for known in MODEL_SIZES if name == known or name.startswith(f"{known}-")]
    if not fitting:
        raise ConfigError(f"the size of {model_name!r} is unknown; known: {sorted(MODEL_SIZES)}")
    return MODEL_SIZES[fitting[0]]


def get_lr(model_name: str, is_lora: bool = True) -> float:
    """A peak learning rate to start from; see the module for its source.

    Raises ConfigError for a model whose size is not in the table.
    """
    size = model_size(model_name)
    factor = LORA_OVER_FULL_FINETUNE_LR if is_lora else 1.0
    rate: float = 5e-5 * factor * (2000 / size.hidden_size) ** _EXPONENT[size.family]
    return rate


def get_lora_param_count(
    model_name: str,
    lora_rank: int = 32,
    *,
    train_mlp: bool = True,
    train_attn: bool = True,
    train_unembed: bool = True,
) -> int:
    """Number of trained parameters: rank * (inputs + outputs) of each adapted matrix."""
    size = model_size(model_name)
    hidden = size.hidden_size
    queries = size.attention_heads * size.head_size
    keys = size.key_value_heads * size.head_size
    attention = 2 * (hidden + queries) + 2 * (hidden + keys)  # q and o, k and v
    mlp = 3 * (hidden + size.intermediate_size)  # gate, up, down
    per_rank = size.layers * (train_mlp * mlp + train_attn * attention) + train_unembed * (
        hidden + size.vocab_size
    )
    return lora_rank * per_rank
