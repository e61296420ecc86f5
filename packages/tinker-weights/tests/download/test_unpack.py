"""Archives, honest and hostile."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinker_core import CheckpointError
from tinker_weights.download.safe_name import inside
from tinker_weights.download.unpack import is_archive, unpack

CONTENT = b"some weights"


def tar_entry(name, kind=tarfile.REGTYPE, content=CONTENT, **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(content) if kind == tarfile.REGTYPE else 0
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def make_tar(file: Path, *entries, mode="w") -> Path:
    with tarfile.open(file, mode) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content) if info.size else None)
    return file


def make_zip(file: Path, *entries) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return file


@pytest.mark.parametrize("suffix", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_honest_tar_archive_is_unpacked(tmp_path, suffix):
    archive = make_tar(
        tmp_path / "a.tar",
        tar_entry("./adapter", tarfile.DIRTYPE),
        tar_entry("./adapter/adapter_model.safetensors"),
        tar_entry("adapter/adapter_config.json", content=b"{}"),
        mode=suffix,
    )
    assert is_archive(archive)
    files = unpack(archive, tmp_path / "out")
    assert {file.relative_to(tmp_path / "out").as_posix(): file.read_bytes() for file in files} == {
        "adapter/adapter_model.safetensors": CONTENT,
        "adapter/adapter_config.json": b"{}",
    }


def test_an_honest_zip_archive_is_unpacked(tmp_path):
    archive = make_zip(tmp_path / "a.zip", ("a/b.txt", CONTENT, 0), ("a/", b"", 0))
    assert is_archive(archive)
    (file,) = unpack(archive, tmp_path / "out")
    assert file == tmp_path / "out" / "a" / "b.txt"
    assert file.read_bytes() == CONTENT


def test_a_file_gets_no_owner_and_no_mode_from_the_archive(tmp_path):
    entry = tar_entry("run.sh", mode=0o6777, uid=4242, uname="somebody")
    (file,) = unpack(make_tar(tmp_path / "a.tar", entry), tmp_path / "out")
    assert not file.stat().st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR)
    assert file.stat().st_uid == os.getuid()


HOSTILE_TARS = {
    "a path that leads out": [tar_entry("../outside")],
    "a path that leads out later": [tar_entry("a/../../outside")],
    "an absolute path": [tar_entry("/tmp/outside")],
    "an absolute path of Windows": [tar_entry("C:\\outside")],
    "a path with a drive": [tar_entry("C:outside")],
    "a path with backslashes": [tar_entry("..\\outside")],
    "a network path of Windows": [tar_entry("\\\\server\\share")],
    "a stream of NTFS": [tar_entry("file.txt:stream")],
    "a name of control characters": [tar_entry("a\x1b[2Jb")],
    "a device of Windows": [tar_entry("folder/NUL.txt")],
    "a name that ends in a dot": [tar_entry("folder./file")],
    "a name that is too long": [tar_entry("x" * 300)],
    "a symbolic link out": [tar_entry("link", tarfile.SYMTYPE, linkname="/etc/passwd")],
    "a symbolic link inside": [tar_entry("a"), tar_entry("b", tarfile.SYMTYPE, linkname="a")],
    "a link and a file behind it": [
        tar_entry("link", tarfile.SYMTYPE, linkname="/tmp"), tar_entry("link/outside"),
    ],
    "a hard link": [tar_entry("a"), tar_entry("b", tarfile.LNKTYPE, linkname="a")],
    "a hard link out": [tar_entry("b", tarfile.LNKTYPE, linkname="/etc/passwd")],
    "a character device": [tar_entry("null", tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "a block device": [tar_entry("disk", tarfile.BLKTYPE, devmajor=8)],
    "a pipe": [tar_entry("pipe", tarfile.FIFOTYPE)],
    "one name twice": [tar_entry("a"), tar_entry("a", content=b"other")],
    "one name twice on a Mac": [tar_entry("Adapter"), tar_entry("adapter")],
    "one name twice, spelt otherwise": [tar_entry("a"), tar_entry("./a")],
    "a file where a folder is": [tar_entry("a/b"), tar_entry("a")],
    "a folder where a file is": [tar_entry("a"), tar_entry("a/b")],
}  # fmt: skip


@pytest.mark.parametrize("entries", HOSTILE_TARS.values(), ids=HOSTILE_TARS)
def test_a_hostile_tar_archive_is_refused_and_leaves_nothing(tmp_path, entries):
    archive = make_tar(tmp_path / "a.tar", tar_entry("first"), *entries)
    with pytest.raises(CheckpointError, match=r"a\.tar"):
        unpack(archive, tmp_path / "deep" / "out")
    assert not list((tmp_path / "deep").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "deep"]


HOSTILE_ZIPS = {
    "a path that leads out": ("../outside", CONTENT, 0),
    "an absolute path": ("/tmp/outside", CONTENT, 0),
    "a path with backslashes": ("..\\outside", CONTENT, 0),
    "a path with a drive": ("C:/outside", CONTENT, 0),
    "a symbolic link": ("link", b"/etc/passwd", stat.S_IFLNK | 0o777),
    "a device": ("null", b"", stat.S_IFCHR | 0o666),
    "a pipe": ("pipe", b"", stat.S_IFIFO | 0o666),
}


@pytest.mark.parametrize("entry", HOSTILE_ZIPS.values(), ids=HOSTILE_ZIPS)
def test_a_hostile_zip_archive_is_refused_and_leaves_nothing(tmp_path, entry):
    archive = make_zip(tmp_path / "a.zip", ("first", CONTENT, 0), entry)
    with pytest.raises(CheckpointError, match=r"a\.zip"):
        unpack(archive, tmp_path / "deep" / "out")
    assert not list((tmp_path / "deep").iterdir())


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path):
    entries = [tar_entry(f"{n}", content=b"0" * 100) for n in range(9)]
    archive = make_tar(tmp_path / "a.tar", *entries)
    with pytest.raises(CheckpointError, match="too much room"):
        unpack(archive, tmp_path / "out", max_bytes=850)
    assert len(unpack(archive, tmp_path / "out", max_bytes=900)) == 9


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"0" * 10_000_000)
    assert (tmp_path / "bomb.zip").stat().st_size < 20_000
    with pytest.raises(CheckpointError, match="too much room"):
        unpack(tmp_path / "bomb.zip", tmp_path / "out", max_bytes=1_000_000)


def test_a_zip_archive_that_lies_about_a_size_is_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", ("a", b"0" * 1000, 0))
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(CheckpointError, match=r"a\.zip"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.95])
def test_a_torn_archive_is_refused(tmp_path, keep):
    tar = make_tar(tmp_path / "whole.tar", tar_entry("a", content=os.urandom(50_000)))
    whole = gzip.compress(tar.read_bytes())
    (tmp_path / "torn.tar.gz").write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(CheckpointError, match=r"torn\.tar\.gz"):
        unpack(tmp_path / "torn.tar.gz", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_archive_is_not_taken_for_one(tmp_path):
    (tmp_path / "notes.txt").write_text("no archive")
    assert not is_archive(tmp_path / "notes.txt")
    assert not is_archive(tmp_path)
    assert not is_archive(tmp_path / "missing")


@given(name=st.text(max_size=40))
def test_no_name_leads_out_of_the_folder(name):
    folder = Path("/some/folder")
    try:
        target = inside(folder, name)
    except CheckpointError:
        return
    assert Path(os.path.normpath(target)).is_relative_to(folder)
    assert Path(os.path.normpath(target)) != folder
