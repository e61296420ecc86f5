"""The tables count apart what went wrong."""

import asyncio
from collections.abc import Callable

from rich.console import Console

from tinker_evals import Model, Sampling, Settings, run_task
from tinker_evals.reporting.tables import score_table
from tinker_evals.tasks import TASKS

Make = Callable[..., Model]


def test_the_table_counts_apart_what_went_wrong(scripted: Make) -> None:
    settings = Settings(sampling=Sampling(max_tokens=64))
    refuses = scripted("I'm sorry, I can't help.")
    result = asyncio.run(run_task(TASKS["sums"], refuses, settings))
    console = Console(record=True, width=120)
    console.print(score_table([("sums", result.summary, 0)]))
    assert "100 refused" in console.export_text()
