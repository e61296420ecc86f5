"""Commands that the command lines of all algorithms share."""

from __future__ import annotations

from pathlib import Path

import tyro
from attrs import frozen


@frozen(kw_only=True)
class Resume:
    """Continue a run that was interrupted."""

    run: tyro.conf.Positional[Path]
    """Run directory."""
