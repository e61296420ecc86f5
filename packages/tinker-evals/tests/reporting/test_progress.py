"""The progress line shows the running score."""

import asyncio
from collections.abc import Callable

from rich.console import Console

from tinker_evals import Model, Settings, run_task
from tinker_evals.reporting.progress import ProgressLine
from tinker_evals.tasks import TASKS

Make = Callable[..., Model]


def test_progress_shows_the_running_score_with_its_interval(scripted: Make) -> None:
    console = Console(record=True, width=120, force_terminal=False)
    show = ProgressLine("sums", console)
    asyncio.run(run_task(TASKS["sums"], scripted("9"), Settings(limit=20), watch=show))
    (line,) = console.export_text().splitlines()
    assert line.startswith("sums  20/20  strict 0.")
    assert "[" in line
