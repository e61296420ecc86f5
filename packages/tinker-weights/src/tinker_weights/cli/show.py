"""The output of the commands."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import singledispatch
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tinker_weights.download.download import Downloaded
from tinker_weights.export.export_adapter import ExportedAdapter
from tinker_weights.gguf_file.gguf import GgufFile
from tinker_weights.inventory.engine import EngineCheckpoint
from tinker_weights.inventory.info import CheckpointInfo
from tinker_weights.inventory.list import Listing
from tinker_weights.merge.merge import MergedModel
from tinker_weights.publish.publish import Published


@singledispatch
def show(result: object) -> int:
    """Print the result of a command; its exit status."""
    raise TypeError(f"no way to print {type(result).__name__}")


@show.register
def _(result: Downloaded) -> int:
    step = "" if result.step is None else f" (step {result.step})"
    print(f"{result.folder}: {result.origin}{step}")
    return 0


@show.register
def _(result: MergedModel) -> int:
    notes = [f"{result.modules} modules merged", result.dtype]
    if result.untied:
        notes.append("unembedding untied from the input embedding")
    if result.dequantised:
        notes.append("dequantised")
    print(f"{result.folder}: {', '.join(notes)}")
    return 0


@show.register
def _(result: ExportedAdapter) -> int:
    print(f"{result.folder}: {result.modules} modules, rank {result.rank}, for {result.target}")
    return 0


@show.register
def _(result: GgufFile) -> int:
    print(f"{result.file}: {result.outtype}, {size(result.size)}")
    return 0


@show.register
def _(result: Published) -> int:
    if result.url is not None:
        print(result.url)
        return 0
    print(f"{result.folder} is ready and not uploaded ({result.reason}). To upload it:")
    print(result.command)
    return 0


@show.register
def _(result: Path) -> int:
    print(result)
    return 0


@show.register
def _(result: tuple) -> int:  # type: ignore[type-arg]  # singledispatch takes no generic type
    for line in result:
        print(line)
    return 0


@show.register
def _(result: Listing) -> int:
    table = Table("checkpoint", "size", "age", "expires", "needed for")
    for row in result.checkpoints:
        found = row.checkpoint
        needed = "\n".join(row.needed_for)
        table.add_row(found.path, size(found.size), _age(found.time), _expiry(found), needed)
    console = _console()
    console.print(table)
    console.print(
        f"{len(result.checkpoints)} checkpoints, {size(result.size)}; "
        f"{size(result.unneeded_size)} of it is needed by no run"
    )
    for path, reason in result.missing:
        console.print(f"missing: {path}, {reason}", markup=False)
    return 0


@show.register
def _(result: CheckpointInfo) -> int:
    found = result.checkpoint
    rows = {
        "path": found.path,
        "base model": result.base_model,
        "LoRA": f"rank {result.rank} on {', '.join(result.trained)}",
        "size": size(found.size),
        "created": found.time.isoformat(timespec="seconds"),
        "expires": _expiry(found),
        "public": "yes" if found.public else "no",
        "folder": found.folder,
        **{f"metadata: {key}": value for key, value in found.metadata.items()},
        "needed for": "; ".join(result.needed_for) or "nothing that is known here",
    }
    width = max(len(key) for key in rows)
    for key, value in rows.items():
        if value is not None:
            print(f"{key:{width}}  {value}")
    return 0


def size(count: int | None) -> str:
    """Bytes for people."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def show_progress(name: str, have: int, total: int) -> None:
    """Keep one line of a terminal up to date."""
    if sys.stderr.isatty():
        end = "\n" if have >= total else ""
        share = 100 * have // max(total, 1)
        print(f"\r{name}: {share} % of {size(total)}", end=end, file=sys.stderr, flush=True)


def confirm(question: str) -> bool:
    """Ask at a terminal; without one the answer is no."""
    if not sys.stdin.isatty():
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _age(time: datetime) -> str:
    return _duration((datetime.now(UTC) - time).total_seconds())


def _expiry(checkpoint: EngineCheckpoint) -> str:
    if checkpoint.expires is None:
        return "never"
    return f"in {_duration((checkpoint.expires - datetime.now(UTC)).total_seconds())}"


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _console() -> Console:
    """The console at the width of the terminal, or 200 columns in a file or a pipe."""
    console = Console(soft_wrap=True, highlight=False)
    return console if console.is_terminal else Console(soft_wrap=True, highlight=False, width=200)
