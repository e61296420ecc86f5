"""The console of a run: messages, and progress with loss, speed and time left.

A terminal shows a progress bar. Other outputs and the log file get a line at the first step, at the
last, and every ten seconds between.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from attrs import define, field
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 10.0


@define
class RunConsole:
    """Prints to the terminal and to the log file of the run."""

    console: Console = field(factory=lambda: Console(soft_wrap=True, highlight=False))
    log_file: Path | None = None
    _bar: Progress | None = None
    _task: TaskID | None = None
    _total: int | None = None
    _first: int = 0
    _began: float = 0.0
    _last_line: float = 0.0

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, markup=False)
        self._write(text)

    def begin(self, *, total_steps: int | None, done: int = 0) -> None:
        """Start the progress, with `done` of `total_steps` steps done."""
        self._total, self._first = total_steps, done
        self._began, self._last_line = time.monotonic(), float("-inf")
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("step {task.completed:.0f}/{task.total:.0f}")
                if total_steps is not None
                else TextColumn("step {task.completed:.0f}"),
                BarColumn(),
                TextColumn("{task.description}"),
                TimeRemainingColumn(compact=True),
                console=self.console,
            )
            self._task = self._bar.add_task("", total=total_steps, completed=done)
            self._bar.start()

    def step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Show the progress and the metrics of a step."""
        text = _summary(metrics)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=step, description=text)
        now = time.monotonic()
        if step != self._total and now - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        total = "" if self._total is None else f"/{self._total}"
        line = f"step {step}{total}  {text}{self._left(step, now)}"
        if self._bar is None:
            self.console.print(line, markup=False)
        self._write(line)

    def end(self) -> None:
        """Remove the progress bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None

    def _left(self, step: int, now: float) -> str:
        done = step - self._first
        if self._total is None or done <= 0 or step >= self._total:
            return ""
        seconds = round((now - self._began) / done * (self._total - step))
        return f"  {seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d} left"

    def _write(self, text: str) -> None:
        if self.log_file is not None:
            with self.log_file.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def _summary(metrics: Mapping[str, float]) -> str:
    shown = [
        f"{name.removeprefix('train/')} {metrics[name]:.4f}"
        for name in ("train/nll", "train/reward", "train/loss", "test/nll")
        if name in metrics
    ]
    if "tokens_per_second" in metrics:
        shown.append(f"{metrics['tokens_per_second']:.0f} tokens/s")
    return "  ".join(shown)
