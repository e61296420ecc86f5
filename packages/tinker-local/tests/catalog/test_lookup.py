"""Finding models by name. No test reaches an index or a hub."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from catalog_files import put_wheel_on_the_index, write_folder, write_hub_snapshot

from tinker_local.catalog import (
    CatalogError,
    available,
    resolve,
    tokenizer_folder,
    wheel_model,
)

pytestmark = pytest.mark.usefixtures("machine")


def test_the_path_of_a_folder_is_its_name(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(machine / "mine")
    monkeypatch.chdir(machine)
    assert resolve(str(folder)) == folder
    assert resolve("mine") == folder
    assert tokenizer_folder("mine") == folder


def test_a_folder_without_weights_is_refused_by_the_files_it_lacks(machine: Path) -> None:
    folder = write_folder(machine / "mine")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CatalogError, match=r"mine is not a model folder: .* model\.safetensors"):
        resolve(str(folder))


def test_an_empty_name_is_not_the_current_folder(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_folder(machine / "mine"))
    with pytest.raises(CatalogError, match="unknown model ''"):
        resolve("")


@pytest.mark.parametrize("name", ["nobody/nothing", "a/b/c", "a\0b", "local/tin", "x" * 300])
def test_the_error_of_an_unknown_name_lists_the_available_models(name: str) -> None:
    with pytest.raises(CatalogError) as caught:
        resolve(name)
    assert repr(name) in str(caught.value)
    assert "hub" in str(caught.value)
    assert "local/tiny" in str(caught.value)
    assert "HuggingFaceTB/SmolLM2-135M-Instruct" in str(caught.value)


def test_looking_for_a_tokenizer_fetches_smollm2_and_nothing_else(machine: Path) -> None:
    assert tokenizer_folder("nobody/nothing") is None
    assert tokenizer_folder("smollm2-135m-instruct") is None  # it cannot be had
    assert not (machine / "home" / "models").exists()
    put_wheel_on_the_index(machine)
    folder = tokenizer_folder("smollm2-135m-instruct")
    assert folder == resolve("smollm2-135m-instruct")


def test_available_lists_package_cache_and_hub(installed: Path) -> None:
    converted = resolve("smollm2-135m-instruct")
    snapshot = write_hub_snapshot("somebody/Model")
    tiny, smollm2, cached = available()
    assert (tiny.name, tiny.licence) == ("local/tiny", "apache-2.0")
    assert (smollm2.name, smollm2.folder) == ("HuggingFaceTB/SmolLM2-135M-Instruct", converted)
    assert (smollm2.parameters, smollm2.licence) == (3 * 4 + 4, "apache-2.0")
    assert "llm-small==0.3" in smollm2.source
    assert (cached.name, cached.folder) == ("somebody/Model", snapshot)
    assert (cached.parameters, cached.licence) == (6, "mit")
    assert cached.size == sum(path.stat().st_size for path in snapshot.iterdir())


def test_finding_models_imports_neither_torch_nor_transformers(installed: Path) -> None:
    script = f"""
        import sys
        sys.path.insert(0, {str(installed)!r})
        from tinker_local import catalog
        from tinker_local.catalog import wheel_model
        wheel_model.SMOLLM2 = wheel_model.{wheel_model.SMOLLM2!r}
        assert catalog.tokenizer_folder("smollm2-135m-instruct") is not None
        assert len(catalog.available()) == 2
        print({{"torch", "transformers"}} & set(sys.modules))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    assert subprocess.check_output(command, text=True) == "set()\n"
