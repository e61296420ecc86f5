"""Finding where a local engine stored a checkpoint."""

from pathlib import Path

import pytest

from tinker_core.engine.local_checkpoints import local_folder


def install(folder: Path, name: str, body: str) -> None:
    """A distribution with an entry point, as pip leaves it."""
    package = folder / f"{name}-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text(f"Name: {name}\nVersion: 1\n")
    (package / "entry_points.txt").write_text(f"[tinker.checkpoints]\n{name} = {name}:find\n")
    (folder / f"{name}.py").write_text(
        f"from pathlib import Path\n\ndef find(path):\n    return {body}\n"
    )


def test_the_first_engine_that_has_a_checkpoint_names_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "engine_without", "None")
    install(tmp_path, "engine_with", "Path('/there') if path == 'tinker://r/weights/1' else None")
    monkeypatch.syspath_prepend(tmp_path)
    assert local_folder("tinker://r/weights/1") == Path("/there")
    assert local_folder("tinker://r/weights/2") is None
