"""The mirror of a run directory."""

import threading
from pathlib import Path

import fsspec
import pytest

from tinker_core import ConfigError, RunDirectoryError
from tinker_train.run.mirror import Mirror, fetch_run, mirroring, open_filesystem


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "run"
    (folder / "transcripts").mkdir(parents=True)
    for name in ("config.json", "metrics.jsonl", "checkpoints.jsonl", "transcripts/train-1.jsonl"):
        (folder / name).write_text(f"{name}, as it was\n")
    (folder / ".lock").write_text("")
    return folder


@pytest.fixture(params=["folder", "file", "memory"])
def url(request, tmp_path):
    kinds = {
        "folder": str(tmp_path / "far" / "a"),
        "file": (tmp_path / "far" / "a").as_uri(),
        "memory": f"memory://{tmp_path.name}/a",
    }
    yield kinds[request.param]
    fsspec.filesystem("memory").store.clear()


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != ".lock")
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_a_run_that_is_fetched_from_its_mirror_is_the_run(run_dir, url, tmp_path):
    with mirroring(run_dir, url, pytest.fail):
        (run_dir / "metrics.jsonl").write_text("more\n")
        (run_dir / "report.html").write_text("<html>")
    assert contents(fetch_run(url, tmp_path / "fetched")) == contents(run_dir)


def test_a_fetched_run_replaces_no_other(run_dir, url, tmp_path):
    Mirror(run_dir, url, pytest.fail).copy()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("{}")
    with pytest.raises(RunDirectoryError, match="already holds a run"):
        fetch_run(url, tmp_path / "other")


def test_files_are_copied_while_the_run_goes_on(run_dir, url):
    filesystem, root = open_filesystem(url)
    (run_dir / "metrics.jsonl").write_text("row\n")
    with mirroring(run_dir, url, pytest.fail, seconds=0.01):
        (run_dir / "late.jsonl").write_text("late\n")
        while not filesystem.exists(f"{root}/late.jsonl"):
            pass
    assert filesystem.cat_file(f"{root}/late.jsonl") == b"late\n"


def test_only_files_that_changed_are_copied_again(run_dir, url, monkeypatch):
    mirror = Mirror(run_dir, url, pytest.fail)
    mirror.copy()
    written = []
    monkeypatch.setattr(
        "tinker_train.run.mirror._replace", lambda filesystem, path, content: written.append(path)
    )
    mirror.copy()
    assert written == []
    (run_dir / "metrics.jsonl").write_text("another row\n")
    mirror.copy()
    assert [path.rpartition("/")[2] for path in written] == ["metrics.jsonl"]


def test_a_mirror_never_has_a_checkpoint_without_its_metrics(run_dir, url, monkeypatch):
    """The run saves a checkpoint while the other files are copied: it waits for the next copy."""
    from tinker_train.run import mirror as module

    replace = module._replace

    def saved_meanwhile(filesystem, path, content):
        (run_dir / "checkpoints.jsonl").write_text("a later checkpoint\n")
        replace(filesystem, path, content)

    monkeypatch.setattr(module, "_replace", saved_meanwhile)
    Mirror(run_dir, url, pytest.fail).copy()
    filesystem, root = open_filesystem(url)
    assert filesystem.cat_file(f"{root}/checkpoints.jsonl") == b"checkpoints.jsonl, as it was\n"


def test_a_mirror_that_fails_is_said_once_and_the_run_goes_on(run_dir, tmp_path):
    (tmp_path / "far").write_text("a file in the place of the folder")
    said = []
    mirror = Mirror(run_dir, str(tmp_path / "far" / "a"), said.append)
    mirror.copy()
    mirror.copy()
    assert len(said) == 1
    assert "cannot be written, the run goes on" in said[0]
    (tmp_path / "far").unlink()
    mirror.copy()
    assert contents(tmp_path / "far" / "a") == contents(run_dir)


def test_the_end_of_a_run_does_not_wait_for_a_mirror_that_hangs(run_dir, monkeypatch):
    hang, said = threading.Event(), []
    monkeypatch.setattr("tinker_train.run.mirror._FINISH_S", 0.01)
    monkeypatch.setattr(Mirror, "copy", lambda self: hang.wait())
    with mirroring(run_dir, "memory://a", said.append):
        pass
    hang.set()
    assert said == ["warning: the mirror memory://a does not answer and lacks the last changes"]


def test_a_url_that_cannot_be_used_is_told_before_the_run(tmp_path):
    with pytest.raises(ConfigError, match="mirror ftpz://host/a: Protocol not known: ftpz"):
        open_filesystem("ftpz://host/a")
    with pytest.raises(RunDirectoryError, match=r"holds no run: there is no config\.json"):
        fetch_run(str(tmp_path / "empty"), tmp_path / "fetched")
