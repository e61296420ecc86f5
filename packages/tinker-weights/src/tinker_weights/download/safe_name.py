"""Names of files that come from outside."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from tinker_core import CheckpointError

_RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{name}{n}" for name in ("com", "lpt") for n in "123456789"),
}
"""Devices on Windows, whatever their suffix."""
_MAX_LENGTH = 255


def inside(folder: Path, name: str) -> Path:
    """The path of a file of that name in the folder.

    Raises CheckpointError for a name that could lead out of it or means something else than a file
    on some system.
    """
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    problem = None
    if not parts:
        problem = "is empty"
    elif path.is_absolute() or windows.drive or windows.root:
        problem = "is an absolute path"
    elif ".." in parts:
        problem = "leads out of the folder"
    elif "\\" in name or ":" in name or any(ord(letter) < 32 for letter in name):
        problem = "has a character that no file name should have"
    elif any(part.split(".")[0].lower() in _RESERVED or part[-1] in " ." for part in parts):
        problem = "means something else on Windows"
    elif any(len(part.encode()) > _MAX_LENGTH for part in parts):
        problem = "is too long"
    if problem is not None:
        raise CheckpointError(f"refused to write {name!r:.120}: the name {problem}")
    return folder.joinpath(*parts)
