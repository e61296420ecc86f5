"""A model's tokenizer by the model's name."""

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
"""Group of callables that take a model's name and return the folder of its tokenizer, or None."""

LOCAL = "local/"
"""Names that begin so belong to installed packages; no hub has them."""


def get_tokenizer(model_name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model: a folder, a model that an installed package holds, or the hub's.

    What follows a colon in the name says how the model is served and is left out. The same name
    gives the same object. Raises TokenizerError, which says where it looked.
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
            f"no tokenizer for {name!r} in {', '.join(tried)}: is tinker-local there?"
        )
    here = folder is not None or not hub_answers()  # what the hub gave before may be in its cache
    try:
        return AutoTokenizer.from_pretrained(str(folder or name), local_files_only=here)
    except (OSError, ValueError) as error:
        where = f"in {folder}" if folder else f"in {', '.join(tried)}, and on the Hugging Face hub"
        raise TokenizerError(f"no tokenizer for {name!r} {where}: {error}") from error
