"""The HTML report: scores with their intervals, every reply, and the differences of two runs.

One file that opens from disk. The data lies in it as JSON, and its script shows it as text, never
as markup.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from attrs import asdict

from tinker_evals.reporting.compare import TaskRun, compare_task_runs, read_task_run
from tinker_evals.run.result import finite
from tinker_evals.run.sample import Sample
from tinker_evals.run.sample_store import RESULT, read_json, task_folders
from tinker_evals.run.summary import by_item, summarize
from tinker_train.files import atomic_write

MAX_ITEMS = 2_000
"""Items of a task whose replies are in the page; the page states the total."""


def write_eval_report(runs: Sequence[Path], file: Path, *, max_items: int = MAX_ITEMS) -> Path:
    """Write the page of one run, or of several side by side. Returns the file's path.

    A run is a task's folder, or a folder of such folders. Raises RunDirectoryError for a run
    without samples.
    """
    found = [task_folders(run) for run in runs]
    names = list(dict.fromkeys(name for folders in found for name in folders))
    data = {
        "runs": [str(run) for run in runs],
        "tasks": [
            _task(name, [folders.get(name) for folders in found], max_items) for name in names
        ],
    }
    text = json.dumps(finite(data), ensure_ascii=False).replace("<", "\\u003c")
    page = (files("tinker_evals.reporting") / "report.html").read_text(encoding="utf-8")
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(file, page.replace("{{data}}", text))
    return file


def _task(name: str, folders: Sequence[Path | None], max_items: int) -> dict[str, Any]:
    sides = [None if folder is None else read_task_run(folder) for folder in folders]
    present = [side for side in sides if side is not None]
    replies = [{} if side is None else by_item(side.samples) for side in sides]
    ids = list(dict.fromkeys(item for grouped in replies for item in grouped))
    samples = {item: next(side[item][0] for side in replies if item in side) for item in ids}
    return {
        "name": name,
        "runs": [None if side is None else _run(side) for side in sides],
        "comparison": _comparison(present) if len(present) == 2 else None,
        "count": len(ids),
        "items": [
            {
                "id": item,
                "group": samples[item].group,
                "prompt": samples[item].prompt,
                "target": samples[item].target,
                "replies": [[_reply(s) for s in side.get(item, ())] for side in replies],
            }
            for item in ids[:max_items]
        ],
    }


def _run(side: TaskRun) -> dict[str, Any]:
    result = side.folder / RESULT
    errored = read_json(result).get("errored", {}) if result.exists() else None
    return {
        "model": side.model,
        "summary": asdict(summarize(side.samples)),
        "errored": errored,
    }


def _comparison(sides: Sequence[TaskRun]) -> dict[str, Any]:
    compared = compare_task_runs(sides[0], sides[1])
    return {
        "score": compared.score,
        **asdict(compared.comparison),
        "unpaired": compared.unpaired,
        "differs": list(compared.differs),
    }


def _reply(sample: Sample) -> dict[str, Any]:
    return {
        "status": sample.status,
        "scores": dict(sample.scores),
        "answers": dict(sample.answers),
        "reply": sample.reply,
        "thinking": sample.thinking,
        "comment": sample.comment,
        "tokens": sample.tokens,
    }
