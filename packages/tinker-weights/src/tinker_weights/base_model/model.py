"""A Hugging Face model folder: its config.json and its tensors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tinker_core import DataError
from tinker_weights.base_model.find import INDEX, find_base_model
from tinker_weights.quantisation.formats import plain_tensors, quantisation_config
from tinker_weights.tensor_file.dtypes import FLOATS
from tinker_weights.tensor_file.reader import StoredTensor, Tensor, read_tensors

TEXT_CONFIGS = ("text_config", "llm_config", "thinker_config")
"""Keys of the language model's part in a config that describes more than text."""


@frozen(kw_only=True)
class BaseModel:
    """A model on disk. Nothing of its weights is in memory."""

    folder: Path
    config: Mapping[str, Any]
    stored: Mapping[str, StoredTensor] = field(repr=False)
    """The tensors in the files, by name."""
    tensors: Mapping[str, Tensor] = field(repr=False)
    """The plain weights that the files stand for: the same, or dequantised."""

    @property
    def model_type(self) -> str:
        return str(self.config.get("model_type", ""))

    @property
    def text_config(self) -> Mapping[str, Any]:
        """The part of the config that describes the language model."""
        for key in TEXT_CONFIGS:
            if isinstance(nested := self.config.get(key), dict):
                return nested
        return self.config

    @property
    def architecture(self) -> str:
        """The name of the transformers class, such as LlamaForCausalLM."""
        named = self.config.get("architectures") or [self.model_type]
        return str(named[0])

    @property
    def is_quantised(self) -> bool:
        return quantisation_config(self.config) is not None

    def main_dtype(self) -> str:
        """The floating-point type of most bytes, as a safetensors header spells it."""
        sizes: dict[str, int] = {}
        for tensor in self.tensors.values():
            if tensor.dtype in FLOATS:
                sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + math.prod(tensor.shape)
        if not sizes:
            raise DataError("holds no floating-point tensor", file=self.folder)
        return max(sizes, key=sizes.__getitem__)


def open_base_model(name: str) -> BaseModel:
    """Open a model by its name or folder. Raises ConfigError or DataError."""
    folder = find_base_model(name)
    config = read_config(folder)
    stored: dict[str, StoredTensor] = {}
    for file in weight_files(folder):
        if not (folder / file).is_file():
            raise DataError(f"{file} is not there", file=folder)
        stored |= read_tensors(folder / file)
    return BaseModel(
        folder=folder, config=config, stored=stored, tensors=plain_tensors(config, stored)
    )


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a model folder. Raises DataError."""
    return _read_json(folder / "config.json")


def weight_files(folder: Path) -> list[str]:
    """The names of the files that hold a model's weights. Raises DataError."""
    if not (folder / INDEX).is_file():
        return ["model.safetensors"]
    files = sorted(set(_read_json(folder / INDEX).get("weight_map", {}).values()))
    if not files:
        raise DataError("names no file", file=folder / INDEX)
    return files


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {error}", file=file) from error
    if not isinstance(value, dict):
        raise DataError("is not a JSON object", file=file)
    return value
