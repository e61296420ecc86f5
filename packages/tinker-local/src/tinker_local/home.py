"""The folder of everything that the engine keeps: checkpoints, snapshots, models, logs."""

from __future__ import annotations

import os
from pathlib import Path


def home_folder() -> Path:
    """`$TINKER_LOCAL_HOME`, or `~/.tinker-local` when that is unset."""
    return Path(os.environ.get("TINKER_LOCAL_HOME") or Path.home() / ".tinker-local")
