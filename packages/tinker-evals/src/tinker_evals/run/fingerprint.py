"""What a score depends on, as JSON data: two runs compare when these are alike."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

from attrs import asdict

from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Source
from tinker_evals.model.model import Model
from tinker_evals.run.prompts import Prompter
from tinker_evals.run.settings import Sampling
from tinker_evals.tasks.task import AnyTask, RankingTask


def describe(
    task: AnyTask, model: Model, sampling: Sampling, probe: Item, source: Source
) -> dict[str, Any]:
    """Task, data, prompt, renderer, grader and sampling.

    `probe` is the item whose prompt stands for all: the first of the data, whatever is asked.
    """
    common = {
        "task": task.name,
        "task_version": task.version,
        "data": str(source),
        "model": model.name,
        "tinker_evals": version("tinker-evals"),
    }
    if isinstance(task, RankingTask):
        return {**common, "method": "log-likelihood", "prompt": _hashed(probe.prompt)}
    prompt = Prompter.of(task, model.renderer, sampling).prompt(probe)
    asked = {**asdict(sampling), "max_tokens": sampling.max_tokens or task.max_tokens}
    return {
        **common,
        "method": "sampling",
        "renderer": model.renderer.name,
        "grader": f"{task.grader.name} {task.grader.version}",
        "sampling": {**asked, "stop": prompt.stop},
        "prompt": _hashed(prompt.shown),
        "prompt_tokens": _hashed(prompt.model_input.to_ints()),
    }


def _hashed(value: Any) -> dict[str, Any]:
    """A value of the probe, and a short name for it."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return {"first": value, "sha256": hashlib.sha256(text.encode()).hexdigest()[:16]}


NOT_COMPARED = ("tinker_evals",)
"""A newer version of this package may go on with an older one's answers: tasks and graders have
versions of their own."""
