"""Commands that the command lines of all algorithms share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from attrs import frozen


@frozen(kw_only=True)
class Resume:
    """Continue a run that was interrupted."""

    run: tyro.conf.Positional[Path]
    """Run directory."""
    changed_data: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Continue although the data changed since the run began."""
