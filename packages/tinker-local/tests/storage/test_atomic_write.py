"""Folders and files that are written whole or not at all."""

from __future__ import annotations

import pytest

from tinker_local.storage import atomic_write


def write(folder, text):
    atomic_write.write_folder(folder, lambda target: (target / "file").write_text(text))


@pytest.fixture
def folder(tmp_path):
    """A folder that exists already."""
    write(tmp_path / "parent" / "one", "old")
    return tmp_path / "parent" / "one"


@pytest.mark.parametrize("step", ["fill", "sync"])
def test_a_write_that_fails_leaves_the_old_folder_and_nothing_else(folder, monkeypatch, step):
    def full(*_):
        raise OSError(28, "No space left on device")

    if step == "sync":
        monkeypatch.setattr(atomic_write, "_sync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic_write.write_folder(folder, full if step == "fill" else lambda target: None)
    assert (folder / "file").read_text() == "old"
    assert [child.name for child in folder.parent.iterdir()] == ["one"]


def test_a_folder_is_replaced_as_a_whole(folder):
    (folder / "more").touch()
    write(folder, "new")
    assert [file.name for file in folder.iterdir()] == ["file"]
    assert (folder / "file").read_text() == "new"
    assert [child.name for child in folder.parent.iterdir()] == ["one"]


def test_a_file_that_cannot_be_synced_is_not_replaced(tmp_path, monkeypatch):
    atomic_write.write_file(tmp_path / "file", b"old")

    def fail(path):
        raise OSError("no sync")

    monkeypatch.setattr(atomic_write, "_sync", fail)
    with pytest.raises(OSError, match="no sync"):
        atomic_write.write_file(tmp_path / "file", b"new")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_a_crash_between_the_two_renames_is_repaired(folder, monkeypatch):
    folder.rename(folder.with_name(f"{atomic_write.REPLACED}one"))
    atomic_write.clean_up(folder.parent)
    assert not folder.exists(), "another server may be between its renames at this moment"
    monkeypatch.setattr(atomic_write, "RENAME_S", -1.0)
    atomic_write.clean_up(folder.parent)
    assert (folder / "file").read_text() == "old"


def test_the_leftovers_of_a_crash_are_removed_once_they_are_old(folder, monkeypatch):
    for prefix in (atomic_write.NEW, atomic_write.DELETED):
        (folder.parent / f"{prefix}x").mkdir()
    atomic_write.clean_up(folder.parent)
    assert len(list(folder.parent.iterdir())) == 3, "a young one may be in use"
    monkeypatch.setattr(atomic_write, "WRITE_S", -1.0)
    atomic_write.clean_up(folder.parent)
    assert [child.name for child in folder.parent.iterdir()] == ["one"]
