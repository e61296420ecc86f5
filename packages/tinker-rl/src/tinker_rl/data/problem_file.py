"""Problems from a file, with answers that are checked: RL without writing code."""

from __future__ import annotations

from functools import partial
from math import inf
from pathlib import Path

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from tinker_core import DataError
from tinker_data import RawRow, fingerprints, open_file
from tinker_render import Renderer
from tinker_rl.data.answer_match import Check, find_check, number, reference_number
from tinker_rl.data.dataset import GroupBatches, RLData, RowGroups
from tinker_rl.data.rows import open_rows, shuffled, text_of
from tinker_rl.envs.message_env import Messages
from tinker_rl.envs.problem_env import ProblemEnv, ProblemGroupBuilder


@frozen(kw_only=True)
class ProblemFile:
    """An `RLDatasetBuilder` of rows like {"question": "2+2=", "answer": "4"}."""

    path: Path
    """A .jsonl file, read from disk row by row; or .jsonl.gz, .jsonl.zst, .parquet, read into
    memory."""
    question: str = "question"
    """Field of the question."""
    answer: str = "answer"
    """Field of the reference answer."""
    check: str = "number"
    """`exact`, `number`, `contains`, or a function `module:function` of the answer and the
    reference, which runs in processes of its own."""
    check_seconds: float = field(default=5.0, validator=[validators.gt(0.0), validators.lt(inf)])
    """Limit of one call of a function `module:function`. An answer that exceeds it is wrong."""
    system: str | None = None
    """System prompt of each question."""
    group_size: int = field(default=8, validator=validators.ge(1))
    """Attempts at each problem."""
    groups_per_batch: int = field(default=8, validator=validators.ge(1))
    """Problems in a batch."""
    test_rows: int = field(default=0, validator=validators.ge(0))
    """Rows, drawn by the run's seed, that are held out as the test set, with one attempt each."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """The rows in an order drawn by the seed. Raises DataError with file, row and field."""
        check = find_check(self.check, seconds=self.check_seconds)
        rows = open_rows(self.path, partial(self._problem, check))
        if self.test_rows >= len(rows):
            raise DataError(
                f"test_rows is {self.test_rows}, but there are only {len(rows)} rows",
                file=self.path,
            )
        prefix = [] if self.system is None else [{"role": "system", "content": self.system}]
        order = shuffled(len(rows), seed)

        def groups(which: NDArray[np.int64], size: int) -> RowGroups[RawRow]:
            def make(row: RawRow) -> ProblemGroupBuilder:
                problem = self._problem(check, row)
                return ProblemGroupBuilder(
                    env_thunk=lambda: _CheckedEnv(renderer, prefix, problem), num_envs=size
                )

            return RowGroups(rows.__getitem__, which, make)

        test = groups(order[: self.test_rows], 1)
        train = groups(order[self.test_rows :], self.group_size)
        return RLData(
            train=GroupBatches(train, self.groups_per_batch),
            test=GroupBatches(test, self.groups_per_batch) if self.test_rows else None,
            fingerprints=fingerprints(open_file(self.path)),
        )

    def _problem(self, check: Check, row: RawRow) -> _Problem:
        question, reference = text_of(row, self.question), text_of(row, self.answer)
        if check is number and reference_number(reference) is None:
            problem = f"the check `number` needs one number, not {reference!r:.80}"
            raise row.place.error(DataError(problem, field=self.answer))
        return _Problem(question=question, reference=reference, check=check)


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
