"""`tinker-evals list`."""

from __future__ import annotations

from attrs import frozen

from tinker_evals.tasks import TASKS
from tinker_evals.tasks.open_questions import JUDGED


@frozen(kw_only=True)
class List:
    """List the tasks."""

    def __call__(self) -> None:
        """Print one line per task."""
        summaries = {name: task.summary for name, task in TASKS.items()}
        for name, summary in {**summaries, **JUDGED}.items():
            print(f"{name:15}{summary}")
