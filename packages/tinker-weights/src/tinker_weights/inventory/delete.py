"""`delete` and `ttl`: checkpoints go now, or after a time; none that a run needs, unless told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import tinker
import tyro

from tinker_core import CheckpointError, ConfigError
from tinker_core.engine.errors import engine_errors
from tinker_weights.checkpoint.path import SCHEME, parse_path
from tinker_weights.checkpoint.run_directory import read_run
from tinker_weights.inventory.engine import all_checkpoints, open_engine
from tinker_weights.inventory.needs import needs, read_runs

Ask = Callable[[str], bool]
"""Asks the user a question; False: no."""

_SHORTEST = timedelta(hours=1)
_LONGEST = timedelta(days=3650)


def delete(
    sources: Sequence[str],
    *,
    runs: str | Path = ".",
    force: bool = False,
    ask: Annotated[Ask | None, tyro.conf.Suppress] = None,
) -> tuple[str, ...]:
    """Delete checkpoints at the engine, and return their paths.

    One that a run needs is deleted with `force` only, or when `ask` says yes: CheckpointError.
    Nothing is deleted unless everything may be.

    Args:
        sources: tinker:// paths, and folders of runs for all of their checkpoints.
        runs: A folder with runs, which may need the checkpoints.
        force: Delete also what a run needs.
        ask: Called with a question about each of these.
    """
    with open_engine() as rest:
        paths = _agreed(rest, sources, Path(runs).expanduser(), force=force, ask=ask)
        for path in paths:
            with engine_errors(f"deletion of {path}"):
                rest.delete_checkpoint_from_tinker_path(path).result()
    return paths


def ttl(
    lifetime: int | Literal["never"],
    sources: Sequence[str],
    *,
    runs: str | Path = ".",
    force: bool = False,
    ask: Annotated[Ask | None, tyro.conf.Suppress] = None,
) -> tuple[str, ...]:
    """Set how long checkpoints live from now, and return their paths.

    A lifetime deletes: one that a run needs gets it with `force` only, or when `ask` says yes.

    Args:
        lifetime: In seconds, from an hour to ten years; never: they do not expire.
        sources: tinker:// paths, and folders of runs for all of their checkpoints.
        runs: A folder with runs, which may need the checkpoints.
        force: Limit also what a run needs.
        ask: Called with a question about each of these.
    """
    seconds = None if lifetime == "never" else lifetime
    if seconds is not None and not _SHORTEST <= timedelta(seconds=seconds) <= _LONGEST:
        raise ConfigError(f"a lifetime of {seconds} seconds: expected 3600 (an hour) to 10 years")
    with open_engine() as rest:
        folder = Path(runs).expanduser()
        paths = _agreed(rest, sources, folder, force=force or seconds is None, ask=ask)
        for path in paths:
            with engine_errors(f"the lifetime of {path}"):
                rest.set_checkpoint_ttl_from_tinker_path(path, seconds).result()
    return paths


def _agreed(
    rest: tinker.RestClient, sources: Sequence[str], runs: Path, *, force: bool, ask: Ask | None
) -> tuple[str, ...]:
    """The paths that are there, if all may go."""
    if not sources:
        raise ConfigError("name at least one checkpoint, or the folder of a run")
    checkpoints = all_checkpoints(rest)
    there = {checkpoint.path for checkpoint in checkpoints}
    paths = [path for source in sources for path in _paths(source, there)]
    reasons = needs(read_runs(runs, checkpoints), checkpoints)
    for path in paths:
        needed = reasons.get(path)
        if force or not needed:
            continue
        if ask is None or not ask(f"{path} is needed: {'; '.join(needed)}. Go on?"):
            raise CheckpointError(
                f"{path} is needed: {'; '.join(needed)}. Nothing was changed; --force does it"
            )
    return tuple(dict.fromkeys(paths))


def _paths(source: str, there: set[str]) -> list[str]:
    if source.startswith(SCHEME):
        parse_path(source)
        if source not in there:
            raise CheckpointError(f"the engine has no checkpoint {source}")
        return [source]
    run = read_run(Path(source).expanduser())
    return [path for each in run.checkpoints for path in each.paths if path in there]
