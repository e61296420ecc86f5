"""A page that shows runs: scores with their intervals, every reply, and where two runs differ.

One HTML file that opens from disk: the data lies in it as JSON, and the page's script puts it on
the screen as text, never as markup.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from attrs import asdict

from tinker_evals.reporting.compare import Side, compare_sides, read_side
from tinker_evals.run.result import by_item, finite, summarize
from tinker_evals.run.sample import Sample
from tinker_evals.run.sample_store import RESULT, read_json, task_folders
from tinker_train.files import atomic_write

MAX_ITEMS = 2_000
"""Problems of a task whose replies are in the page; how many there are stands there too."""


def write_report(runs: Sequence[Path], file: Path, *, max_items: int = MAX_ITEMS) -> Path:
    """Write the page of one run, or of several side by side; the file's path.

    A run is a task's folder, or a folder of such folders. Raises RunDirectoryError where one holds
    no answers.
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
    sides = [None if folder is None else read_side(folder) for folder in folders]
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


def _run(side: Side) -> dict[str, Any]:
    result = side.folder / RESULT
    errored = read_json(result).get("errored", {}) if result.exists() else None
    return {
        "model": side.model,
        "summary": asdict(summarize(side.samples)),
        "errored": errored,
        "setup": dict(side.setup),
    }


def _comparison(sides: Sequence[Side]) -> dict[str, Any]:
    compared = compare_sides(sides[0], sides[1])
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
