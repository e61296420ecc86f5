"""Prompts from a file, answered for a teacher: distillation without writing code."""

from __future__ import annotations

from pathlib import Path

from attrs import field, frozen, validators

from tinker_data import RawRow, fingerprints, open_file
from tinker_render import Renderer
from tinker_rl.data.dataset import GroupBatches, RLData, RowGroups
from tinker_rl.data.rows import open_rows, shuffled, text_of
from tinker_rl.envs.prompt_env import PromptGroupBuilder


@frozen(kw_only=True)
class PromptFile:
    """An `RLDatasetBuilder` of rows like {"question": "What is 2+2?"}, without a reward."""

    path: Path
    """A .jsonl file, read from disk row by row; or .jsonl.gz, .jsonl.zst, .parquet, read into
    memory."""
    question: str = "question"
    """Field of the question."""
    system: str | None = None
    """System prompt of each question. The teacher sees it too."""
    group_size: int = field(default=4, validator=validators.ge(1))
    """Answers to each question."""
    groups_per_batch: int = field(default=16, validator=validators.ge(1))
    """Questions in a batch."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """The rows in an order drawn by the seed. Raises DataError with file, row and field."""
        prefix = [] if self.system is None else [{"role": "system", "content": self.system}]

        def make(row: RawRow) -> PromptGroupBuilder:
            question = text_of(row, self.question)
            return PromptGroupBuilder(
                conversation=[*prefix, {"role": "user", "content": question}],
                renderer=renderer,
                num_envs=self.group_size,
            )

        rows = open_rows(self.path, lambda row: text_of(row, self.question))
        groups = RowGroups(rows.__getitem__, shuffled(len(rows), seed), make)
        return RLData(
            train=GroupBatches(groups, self.groups_per_batch),
            fingerprints=fingerprints(open_file(self.path)),
        )
