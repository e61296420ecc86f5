"""The config.json of a merged model: the base model's, with what the merge changed."""

from __future__ import annotations

import copy
from typing import Any

from tinker_weights.base_model.model import TEXT_CONFIGS, BaseModel


def merged_config(base: BaseModel, *, unties: bool, dtype: str) -> dict[str, Any]:
    """`dtype` is the type of the weights; `unties` says that the unembedding is a tensor now."""
    config = copy.deepcopy(dict(base.config))
    nested = [value for value in config.values() if isinstance(value, dict)]
    if unties:
        for owner in (config, *(config.get(key) for key in TEXT_CONFIGS)):
            if isinstance(owner, dict):
                owner["tie_word_embeddings"] = False
    for owner in (config, *nested):
        owner.pop("quantization_config", None)
        owner.pop("compression_config", None)
        for key in ("dtype", "torch_dtype"):
            if key in owner:
                owner[key] = dtype
    if "torch_dtype" not in config:
        config["dtype"] = dtype
    return config
