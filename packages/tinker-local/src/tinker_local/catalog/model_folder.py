"""The files of a model's folder: weights, their size, the licence."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path

from safetensors import safe_open


def missing_files(folder: Path) -> list[str]:
    """The files that the folder would need to be a model. The folder need not exist."""
    needed = ["config.json", *weight_files(folder)]
    # os.path, because Path.is_file raises where a name is too long for the file system.
    return [name for name in needed if not os.path.isfile(folder / name)]


def weight_files(folder: Path) -> list[str]:
    """The names of the files of the weights."""
    index = folder / "model.safetensors.index.json"
    if not os.path.isfile(index):
        return ["model.safetensors"]
    return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))


def disk_size(folder: Path) -> int:
    """The bytes of its files."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def num_parameters(folder: Path) -> int:
    """The number of weights."""
    return sum(_num_elements(folder / file) for file in weight_files(folder))


def _num_elements(weights: Path) -> int:
    with safe_open(weights, framework="numpy") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118


def licence(folder: Path) -> str | None:
    """The `license` in the front matter of the model card; None where there is none."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    stated = re.search(r"\A---\n(?:(?!---).*\n)*?license: *(\S+)", card.read_text(encoding="utf-8"))
    return stated[1] if stated else None
