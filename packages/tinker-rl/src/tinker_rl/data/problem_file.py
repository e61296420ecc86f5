"""Problems from a JSONL file, checked by their answers: RL without writing code."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from attrs import field, frozen, validators

from tinker_core import ConfigError, DataError
from tinker_data import JsonlStream, RawRow
from tinker_data.rows import as_mapping
from tinker_render import Renderer
from tinker_rl.data.dataset import GroupBatches, RLData
from tinker_rl.envs.env import EnvGroupBuilder
from tinker_rl.envs.message_env import Messages
from tinker_rl.envs.problem_env import ProblemEnv, ProblemGroupBuilder

Check = Callable[[str, str], bool]
"""Whether an answer (first) is right, given the reference (second)."""
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def exact(answer: str, reference: str) -> bool:
    """The same text, but for white space around it."""
    return answer.strip() == reference.strip()


def number(answer: str, reference: str) -> bool:
    """The last number in the answer is the last one in the reference; commas do not count."""
    found, wanted = (_NUMBER.findall(text) for text in (answer, reference))
    return bool(found and wanted) and _value(found[-1]) == _value(wanted[-1])


def contains(answer: str, reference: str) -> bool:
    """The reference occurs in the answer."""
    return reference.strip() in answer


_CHECKS: dict[str, Check] = {"exact": exact, "number": number, "contains": contains}


@frozen(kw_only=True)
class ProblemFile:
    """An `RLDatasetBuilder` of rows like {"question": "2+2=", "answer": "4"}."""

    path: Path
    """JSONL, also .gz or .zst; the fields may have other names."""
    question: str = "question"
    """The field of what is asked."""
    answer: str = "answer"
    """The field of the reference answer."""
    check: str = "number"
    """`exact`, `number`, `contains`, or a function of your own as `module:function`, which is given
    the answer and the reference."""
    system: str | None = None
    """A system prompt before each question."""
    group_size: int = field(default=8, validator=validators.ge(1))
    """Attempts at each problem."""
    groups_per_batch: int = field(default=8, validator=validators.ge(1))
    """Problems in a batch."""
    test_rows: int = field(default=0, validator=validators.ge(0))
    """Rows, drawn by the run's seed, that are held out to test on, one attempt each."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """The rows in an order drawn by the seed; raises DataError that names file and row."""
        rows = self._rows()
        check = find_check(self.check)
        if self.test_rows >= len(rows):
            raise DataError(
                f"{len(rows)} rows cannot have {self.test_rows} to test on", file=self.path
            )
        prefix = [] if self.system is None else [{"role": "system", "content": self.system}]
        order = np.random.default_rng([seed, len(rows)]).permutation(len(rows)).tolist()

        def groups(which: Sequence[int], size: int) -> list[EnvGroupBuilder]:
            return [_group(renderer, prefix, *rows[i], check, size) for i in which]

        test = groups(order[: self.test_rows], 1)
        train = groups(order[self.test_rows :], self.group_size)
        return RLData(
            train=GroupBatches(train, self.groups_per_batch),
            test=GroupBatches(test, self.groups_per_batch) if test else None,
        )

    def _rows(self) -> list[tuple[str, str]]:
        rows = rows_of(self.path)
        return [(text_of(row, self.question), text_of(row, self.answer)) for row in rows]


def rows_of(path: Path) -> list[RawRow]:
    """The rows of a JSONL file; raises DataError where there is none."""
    rows = list(JsonlStream(path).read())
    if not rows:
        raise DataError("holds no row", file=path)
    return rows


def text_of(row: RawRow, name: str) -> str:
    """A field's text, or its number as text; raises DataError with the place for anything else."""
    value = as_mapping(row).get(name)
    if not isinstance(value, str | int | float):
        raise row.place.error(DataError(f"must be text, not {value!r:.80}", field=name))
    return str(value)


def find_check(name: str) -> Check:
    """The check of that name, or the user's own; raises ConfigError for none."""
    if name in _CHECKS:
        return _CHECKS[name]
    module, _, attribute = name.partition(":")
    try:
        found: Check = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"no check {name!r}; there are {sorted(_CHECKS)}, or module:function ({error})"
        ) from error
    return found


@frozen(kw_only=True)
class _Problem:
    question: str
    reference: str
    check: Check


class _CheckedEnv(ProblemEnv):
    def __init__(self, renderer: Renderer, prefix: Messages, problem: _Problem) -> None:
        super().__init__(renderer, prefix, format_coefficient=0.0)
        self.problem = problem

    def get_question(self) -> str:
        return self.problem.question

    def check_answer(self, answer: str) -> bool:
        return self.problem.check(answer, self.problem.reference)

    def check_format(self, answer: str) -> bool:
        return True

    def get_reference_answer(self) -> str:
        return self.problem.reference


def _group(
    renderer: Renderer, prefix: Messages, question: str, reference: str, check: Check, size: int
) -> ProblemGroupBuilder:
    problem = _Problem(question=question, reference=reference, check=check)
    return ProblemGroupBuilder(
        env_thunk=lambda: _CheckedEnv(renderer, prefix, problem), num_envs=size
    )


def _value(text: str) -> float:
    return float(text.replace(",", ""))
