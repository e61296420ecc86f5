"""Load a tokenizer by the name of its model."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from tinker_core import TokenizerError
from tinker_render.tokenizer.hub import hub_answers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ENTRY_POINTS = "tinker.tokenizers"
"""Entry-point group of callables: model name -> folder of its tokenizer, or None."""

LOCAL = "local/"
"""Prefix of models in installed packages; they are not looked up on the hub."""


def get_tokenizer(model_name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model in a folder, in an installed package, or on the Hugging Face hub.

    A suffix behind a colon names a variant of serving and is ignored. The same name returns the
    same object. Raises TokenizerError with the places that were searched.
    """
    return _load(_without_suffix(model_name))


def _without_suffix(model_name: str) -> str:
    return model_name if Path(model_name).is_dir() else model_name.split(":")[0]


@lru_cache(maxsize=16)
def _load(name: str) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    tried = [f"a folder {name!r}"]
    folder = Path(name) if Path(name).is_dir() else None
    for entry_point in [] if folder else entry_points(group=ENTRY_POINTS):
        tried.append(f"the package behind {entry_point.value!r}")
        found = entry_point.load()(name)
        folder = None if found is None else Path(found)
        if folder is not None:
            break
    if folder is None and name.startswith(LOCAL):
        raise TokenizerError(
            f"no tokenizer for {name!r} in {', '.join(tried)}: is tinker-local installed?"
        )
    here = folder is not None or not hub_answers()  # then its cache is read
    try:
        return AutoTokenizer.from_pretrained(str(folder or name), local_files_only=here)
    except (OSError, ValueError) as error:
        where = f"in {folder}" if folder else f"in {', '.join(tried)}, and on the Hugging Face hub"
        raise TokenizerError(f"no tokenizer for {name!r} {where}: {error}") from error
