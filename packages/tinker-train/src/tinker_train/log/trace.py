"""Trace spans: durations by task, in a file for Perfetto and as sums for metrics.

    with tracing(run.directory.trace_file) as tracer:
        with scope("render"):
            ...
        tracer.take_seconds()  # {"render": 0.012}

Spans of concurrent asyncio tasks overlap; each task is a row of its own in Perfetto. Outside
`tracing`, a scope has no effect.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from attrs import define, field

from tinker_train.files import atomic_write, read_rows

_FLUSH_AT = 256


@define
class Tracer:
    """Collects spans and appends them to a file in blocks."""

    file: Path
    _spans: list[dict[str, Any]] = field(factory=list)
    _seconds: dict[str, float] = field(factory=dict)

    def add(self, name: str, start: float, seconds: float, about: dict[str, Any]) -> None:
        """Add a span that has ended; `start` is in seconds since 1970."""
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds
        span = {"name": name, "start": start, "seconds": seconds, "task": _task_name()}
        self._spans.append({**span, "about": about} if about else span)
        if len(self._spans) >= _FLUSH_AT:
            self.flush()

    def take_seconds(self) -> dict[str, float]:
        """Seconds by name since the last call; a nested span counts for its parents too."""
        taken, self._seconds = self._seconds, {}
        return taken

    def flush(self) -> None:
        """Append the collected spans to the file."""
        with self.file.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(span, default=str) + "\n" for span in self._spans)
        self._spans = []


_CURRENT: ContextVar[Tracer | None] = ContextVar("tracer", default=None)


@contextmanager
def tracing(file: Path) -> Iterator[Tracer]:
    """Trace the block and the tasks that it starts to the file."""
    tracer = Tracer(file)
    token = _CURRENT.set(tracer)
    try:
        yield tracer
    finally:
        _CURRENT.reset(token)
        tracer.flush()


@contextmanager
def scope(name: str, **about: Any) -> Iterator[None]:
    """A span of that name around the block; `about` are its arguments in Perfetto."""
    tracer = _CURRENT.get()
    if tracer is None:
        yield
        return
    start, began = time.time(), time.perf_counter()
    try:
        yield
    finally:
        tracer.add(name, start, time.perf_counter() - began, about)


@contextmanager
def timed(name: str, metrics: MutableMapping[str, float]) -> Iterator[None]:
    """Add the seconds of the block to the metric `time/<name>`."""
    began = time.perf_counter()
    try:
        yield
    finally:
        key = f"time/{name}"
        metrics[key] = metrics.get(key, 0.0) + time.perf_counter() - began


def write_perfetto(trace: Path, to: Path) -> None:
    """Convert a trace.jsonl to a JSON file that ui.perfetto.dev opens."""
    spans = read_rows(trace)
    rows = {name: i for i, name in enumerate(sorted({span["task"] for span in spans}))}
    process = os.getpid()
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "thread_name", "pid": process, "tid": row, "args": {"name": name}}
        for name, row in rows.items()
    ]
    events += [
        {
            "ph": "X",
            "name": span["name"],
            "pid": process,
            "tid": rows[span["task"]],
            "ts": span["start"] * 1e6,
            "dur": span["seconds"] * 1e6,
            "args": span.get("about", {}),
        }
        for span in spans
    ]
    atomic_write(to, json.dumps({"traceEvents": events}))


def _task_name() -> str:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return "main" if task is None else task.get_name()
