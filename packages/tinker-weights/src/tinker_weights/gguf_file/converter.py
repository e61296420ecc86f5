"""llama.cpp's converter: found where the user has it, or unpacked from a package on the index."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tinker_core import ConfigError
from tinker_weights.atomic_folder import new_folder
from tinker_weights.download.unpack import unpack

logger = logging.getLogger(__name__)

SCRIPT = "convert_hf_to_gguf.py"
_PACKAGE, _VERSION = "llama-cpp-python", "0.3.36"
_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
"""Of the source distribution, which carries llama.cpp."""
_NEEDED = ("torch", "transformers", "sentencepiece")


def find_converter(given: str | Path | None = None) -> Path:
    """The path of convert_hf_to_gguf.py.

    A checkout of llama.cpp that was named (`given`, or $LLAMA_CPP), else the copy that comes with
    the source of llama-cpp-python, fetched once. Raises ConfigError.
    """
    named = given or os.environ.get("LLAMA_CPP")
    if named:
        path = Path(named).expanduser()
        script = path if path.is_file() else path / SCRIPT
        if not script.is_file():
            raise ConfigError(f"{path} is no checkout of llama.cpp: it has no {SCRIPT}")
        return script
    script = _cache() / SCRIPT
    if not script.is_file():
        _fetch()
    return script


def convert(model: Path, file: Path, outtype: str, converter: Path) -> None:
    """Run the converter. Raises ConfigError with its reason."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"llama.cpp's converter needs {', '.join(missing)}: pip install 'tinker-weights[gguf]'"
        )
    command = [sys.executable, str(converter), str(model), "--outfile", str(file)]
    done = subprocess.run(
        [*command, "--outtype", outtype], capture_output=True, text=True, errors="replace"
    )
    if done.returncode != 0 or not file.is_file():
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"it ended with status {done.returncode}"
        raise ConfigError(f"llama.cpp's converter cannot convert {model}: {reason:.400}")


def _cache() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "tinker-weights" / f"llama.cpp-of-{_PACKAGE}-{_VERSION}"


def _fetch() -> None:
    requirement = f"{_PACKAGE}=={_VERSION}"
    logger.info("fetching the source of %s, which carries llama.cpp's converter", requirement)
    with tempfile.TemporaryDirectory(prefix="tinker-weights-") as scratch:
        arguments = ["pip", "download", "--no-deps", "--no-binary", _PACKAGE, requirement]
        command = [sys.executable, "-m", *arguments, "--dest", scratch]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
            raise ConfigError(
                f"`{' '.join(arguments)}` failed ({reason:.200}): name a checkout of llama.cpp "
                "with --converter"
            )
        (archive,) = Path(scratch).glob("*.tar.gz")
        with archive.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != _SHA256:
            raise ConfigError(f"{archive.name} has sha256 {digest}, expected {_SHA256}")
        unpack(archive, Path(scratch) / "unpacked", keep=_is_of_converter)
        (source,) = Path(scratch).glob("unpacked/*/vendor/llama.cpp")
        with new_folder(_cache(), overwrite=True) as folder:
            for child in source.iterdir():
                child.rename(folder / child.name)


def _is_of_converter(name: str) -> bool:
    _, found, inner = name.partition("/vendor/llama.cpp/")
    return bool(found) and inner.startswith((SCRIPT, "conversion/", "gguf-py/gguf/", "LICENSE"))
