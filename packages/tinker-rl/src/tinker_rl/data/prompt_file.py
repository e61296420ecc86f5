"""Prompts from a JSONL file, to be answered for a teacher: distillation without writing code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from attrs import field, frozen, validators

from tinker_render import Renderer
from tinker_rl.data.dataset import GroupBatches, RLData
from tinker_rl.data.problem_file import rows_of, text_of
from tinker_rl.envs.prompt_env import PromptGroupBuilder


@frozen(kw_only=True)
class PromptFile:
    """An `RLDatasetBuilder` of rows like {"question": "What is 2+2?"}, which earn nothing."""

    path: Path
    """JSONL, also .gz or .zst; the field may have another name."""
    question: str = "question"
    """The field of what is asked."""
    system: str | None = None
    """A system prompt before each question, which the teacher sees too."""
    group_size: int = field(default=4, validator=validators.ge(1))
    """Answers to each question."""
    groups_per_batch: int = field(default=16, validator=validators.ge(1))
    """Questions in a batch."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """The rows in an order drawn by the seed; raises DataError that names file and row."""
        asked = [text_of(row, self.question) for row in rows_of(self.path)]
        order = np.random.default_rng([seed, len(asked)]).permutation(len(asked)).tolist()
        prefix = [] if self.system is None else [{"role": "system", "content": self.system}]
        groups = [
            PromptGroupBuilder(
                conversation=[*prefix, {"role": "user", "content": asked[i]}],
                renderer=renderer,
                num_envs=self.group_size,
            )
            for i in order
        ]
        return RLData(train=GroupBatches(groups, self.groups_per_batch))
