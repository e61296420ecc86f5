"""Finding a base model: a folder, the Hugging Face cache or hub, or a local engine's cache."""

from __future__ import annotations

import logging
from importlib.metadata import entry_points
from pathlib import Path

from tinker_core import ConfigError

logger = logging.getLogger(__name__)

INDEX = "model.safetensors.index.json"
"""Names the file of each tensor, where there is more than one file."""

_TOKENIZERS = "tinker.tokenizers"
"""Entry points that map a model's name to the folder of its tokenizer. An engine that holds the
whole model there names the same folder."""
_FILES = [
    *("*.json", "*.safetensors", "*.jinja", "*.model", "*.tiktoken", "*.txt", "*.py"),
    *("LICENSE*", "NOTICE*", "README.md"),
]
_COPIES = ["original/*", "metal/*", "onnx/*", "consolidated*"]
"""The same weights again, in other formats."""


def find_base_model(name: str, *, weights: bool = True) -> Path:
    """The folder of a model by its name; fetched from the hub where it is nowhere else.

    With `weights=False` the small files suffice. Raises ConfigError, which says what was tried.
    """
    folder = Path(name).expanduser()
    if is_model(folder, weights=weights):
        return folder
    if folder.is_dir():
        raise ConfigError(f"{folder} holds no model: {_missing(folder)} is not there")
    for entry_point in entry_points(group=_TOKENIZERS):
        found = entry_point.load()(name)
        if found is not None and is_model(found, weights=weights):
            return Path(found)
    return _from_hub(name, weights=weights)


def is_model(folder: Path, *, weights: bool = True) -> bool:
    """True if a folder holds a config.json and, if asked for, weights in safetensors files."""
    return (folder / "config.json").is_file() and (not weights or has_weights(folder))


def has_weights(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("model.safetensors", INDEX))


def _missing(folder: Path) -> str:
    return "config.json" if not (folder / "config.json").is_file() else "model.safetensors"


def _from_hub(name: str, *, weights: bool) -> Path:
    from huggingface_hub import snapshot_download

    files = (
        [*_FILES] if weights else [pattern for pattern in _FILES if "safetensors" not in pattern]
    )
    try:
        folder = Path(snapshot_download(name, allow_patterns=files, ignore_patterns=_COPIES))
    except Exception as error:  # the HTTP library beneath, and so its errors, changes with versions
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"base model {name!r} is not a folder, not in the Hugging Face cache, and cannot be "
            f"fetched from the hub: {reason:.300}. Name its folder with --base"
        ) from error
    if not is_model(folder, weights=weights):
        raise ConfigError(
            f"the hub's {name} has no {_missing(folder)}; only safetensors checkpoints can be read"
        )
    return folder
