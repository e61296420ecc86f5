"""Models from the Hugging Face hub and its cache."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from tinker_local.catalog.model_folder import missing_files
from tinker_local.errors import CatalogError

_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.tiktoken", "*.txt", "README.md"]
_COPIES = ["*/*", "consolidated*"]
"""The same weights again, in other formats."""

_log = logging.getLogger(__name__)


def find_cached(name: str) -> Path | None:
    """The folder of a model in the cache of the hub, if it is complete."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(name, "config.json")
    except HFValidationError:  # the hub allows no such name
        return None
    folder = Path(config).parent if isinstance(config, str) else None
    return folder if folder is not None and not missing_files(folder) else None


def cached_models() -> Iterator[tuple[str, Path]]:
    """The complete models in the cache of the hub, by name."""
    from huggingface_hub import constants

    for repository in sorted(Path(constants.HF_HUB_CACHE).glob("models--*--*")):
        name = repository.name.removeprefix("models--").replace("--", "/", 1)
        folder = find_cached(name)
        if folder is not None:
            yield name, folder


def download(name: str) -> Path:
    """The folder of a model, downloaded if need be. Raises `CatalogError`."""
    from huggingface_hub import constants, snapshot_download

    if not constants.HF_HUB_OFFLINE:
        _log.info("downloading %s from the Hugging Face hub", name)
    try:
        fetched = snapshot_download(name, allow_patterns=_FILES, ignore_patterns=_COPIES)
    except Exception as error:  # the errors of the HTTP library beneath change with its versions
        reason = " ".join(str(error).split())
        raise CatalogError(f"the Hugging Face hub: {reason}") from error
    folder = Path(fetched)
    if missing := missing_files(folder):
        raise CatalogError(f"the Hugging Face hub: {name} has no {', '.join(missing)}")
    return folder
