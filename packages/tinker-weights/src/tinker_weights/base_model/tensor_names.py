"""From the path of a module to the tensor that holds its weight.

An adapter names modules as transformers or the hosted service does in memory. Files spell some
parts differently: `language_model.model.layers` and `model.language_model.layers` are the same
layers, and so are `block_sparse_moe` and `mlp`. Both sides are brought to one spelling and then
compared. Where two tensors have that spelling, neither is guessed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from tinker_core import ConfigError

_WRAPPERS = re.compile(
    r"^(?:(?:model|language_model|transformer|text_model|gpt_neox|backbone|decoder|llm)\.)+"
)
"""Names of the modules that wrap a language model's layers, without towers for images and sound."""

_SYNONYMS = {
    **{"attn": "self_attn", "attention": "self_attn"},
    **{"block_sparse_moe": "mlp", "feed_forward": "mlp", "ffn": "mlp", "moe": "mlp"},
    **{"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj", "wgate": "gate_proj"},
    **{"wq_a": "q_a_proj", "wq_b": "q_b_proj", "wkv": "kv_proj"},
    **{"wo_a": "o_a_proj", "wo_b": "o_b_proj", "share_expert": "shared_experts"},
}
"""Names of one part of a layer."""

_UNEMBEDDINGS = ("lm_head", "embed_out", "unembed_tokens", "unembed", "output_projection", "head")
_EMBEDDINGS = (
    *("embed_tokens", "wte", "word_embeddings", "embed_in", "embeddings", "embedding"),
    *("tok_embeddings", "embed", "embeddings.word_embeddings"),
)
UNEMBEDDING = "lm_head"

FUSED_PARTS: dict[str, tuple[str, ...]] = {
    "qkv_proj": ("q_proj", "k_proj", "v_proj"),
    "gate_up_proj": ("gate_proj", "up_proj"),
    "gqkv_proj": ("gate_proj", "q_proj", "k_proj", "v_proj"),
    "in_proj_qkv": ("in_proj_q", "in_proj_k", "in_proj_v"),  # Qwen3.5's linear attention
    "in_proj": ("gate_proj", "x_proj"),  # Mamba; what follows in the tensor is not trained
}
"""Layers that are one tensor, concatenated along the outputs, and the parts in their order."""

CONV1D = ("gpt2", "openai-gpt", "imagegpt", "decision_transformer")
"""Models whose layers store (inputs, outputs), as transformers' Conv1D does."""

ALTERNATING = ("gpt_oss",)
"""Models in whose experts the rows of gate and up alternate; elsewhere gate is the first half."""


def without_wrappers(path: str) -> str:
    """The path inside of the language model."""
    return _WRAPPERS.sub("", path)


def canonical(path: str) -> str:
    """One spelling for a module's path, or for a tensor's name."""
    inner = without_wrappers(path)
    module, _, leaf = inner.rpartition(".")
    if inner in _UNEMBEDDINGS:
        return UNEMBEDDING
    if module in _UNEMBEDDINGS and leaf in ("weight", "bias"):
        return f"{UNEMBEDDING}.{leaf}"
    return ".".join(_SYNONYMS.get(part, part) for part in inner.split("."))


def is_unembedding(module: str) -> bool:
    """True if a module maps hidden states to logits."""
    return canonical(module) == UNEMBEDDING


class TensorNames:
    """The names of a model's tensors, found by what they are called elsewhere."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._spelt: defaultdict[str, list[str]] = defaultdict(list)
        for name in sorted(self._names):
            self._spelt[canonical(name)].append(name)

    def find(self, name: str) -> str | None:
        """The tensor of that name or spelling; ConfigError where two have the spelling."""
        if name in self._names:
            return name
        found = self._spelt.get(canonical(name), [])
        if len(found) > 1:
            raise ConfigError(f"{name} could be {' or '.join(found)} in the base model")
        return found[0] if found else None

    def first(self, *names: str) -> str | None:
        """The first of these that there is."""
        return next((found for name in names if (found := self.find(name)) is not None), None)

    def has_layer(self, module: str) -> bool:
        """True if there is a weight of that layer: alone, as a part of one, or in parts."""
        if self.find(f"{module}.weight") or is_unembedding(module):
            return True
        parent, _, name = module.rpartition(".")
        wholes = [whole for whole, parts in FUSED_PARTS.items() if name in parts]
        parts = FUSED_PARTS.get(name, ())
        return self.first(*(f"{parent}.{each}.weight" for each in (*wholes, *parts))) is not None

    def modules(self, name: str) -> list[str]:
        """The paths of all modules whose last part is `name`, but for experts."""
        ends = f".{name}.weight"
        paths = [each.removesuffix(".weight") for each in self._names if f".{each}".endswith(ends)]
        return [path for path in paths if ".experts." not in path]

    def embedding(self) -> str | None:
        """The tensor of the input embedding."""
        return self.first(*(f"{name}.weight" for name in _EMBEDDINGS))
