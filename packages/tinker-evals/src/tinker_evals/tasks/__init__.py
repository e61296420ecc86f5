"""The tasks that come with the package: one module per benchmark, and `TASKS` by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from tinker_core import ConfigError
from tinker_core.suggestion import known_names
from tinker_evals.tasks.bbh import bbh
from tinker_evals.tasks.bfcl import bfcl
from tinker_evals.tasks.code import humaneval, mbpp
from tinker_evals.tasks.gsm8k import gsm8k
from tinker_evals.tasks.ifeval import ifeval
from tinker_evals.tasks.log_likelihood import arc_challenge, arc_easy, hellaswag
from tinker_evals.tasks.mathematics import aime_2024, aime_2025, aime_2026, math500
from tinker_evals.tasks.multiple_choice import ceval, gpqa, mmlu_pro, mmlu_redux, supergpqa
from tinker_evals.tasks.reasoning_gym import reasoning_gym
from tinker_evals.tasks.sums import sums
from tinker_evals.tasks.task import AnyTask, RankingTask, Task

TASKS: Mapping[str, AnyTask] = {
    task.name: task
    for task in (
        *(sums, gsm8k, math500, aime_2024, aime_2025, aime_2026),
        *(mmlu_pro, mmlu_redux, gpqa, supergpqa, ceval, bbh, reasoning_gym),
        *(ifeval, humaneval, mbpp, bfcl),
        *(arc_easy, arc_challenge, hellaswag),
    )
}


def get_task(name: str) -> AnyTask:
    """A task of this package by name, or a user's own as `module:attribute`. Raises ConfigError."""
    if name in TASKS:
        return TASKS[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ConfigError(f"unknown task {name!r}; {known_names(name, TASKS)}")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"no task {name!r}: {error}") from error
    if not isinstance(found, Task | RankingTask):
        raise ConfigError(f"{name} is not a task but {type(found).__name__}")
    return found
