"""On-policy distillation: the student samples, and a teacher gives the logprob of each token.

The advantage of a sampled token gets -coefficient * (log student - log teacher), so that the policy
gradient descends the reverse KL(student || teacher) on the states that the student visits (Agarwal
et al., 2024; Gu et al., 2024). The environments need no reward.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Self, TypeVar

import numpy as np
import tinker
from attrs import evolve, field, frozen, validators
from numpy.typing import NDArray

from tinker_core import ConfigError, DataError
from tinker_core.validators import positive
from tinker_render import Renderer
from tinker_rl.trajectory import ALL, TrajectoryGroup
from tinker_rl.update.advantage_transform import Transformed, logprobs_under, mean_log_ratio
from tinker_rl.update.kl import kl_advantages
from tinker_rl.update.training_sequence import Floats, TrainingSequence, add_to_advantages
from tinker_train import gather

T = TypeVar("T", bound=np.generic)
_PROBE = (
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": "It is 4."},
    {"role": "user", "content": "And 3 + 3?"},
)


@frozen(kw_only=True)
class TeacherConfig:
    """A teacher and the groups that it teaches."""

    model: str = field(validator=validators.min_len(1))
    """Name of the base model, as the engine knows it."""
    checkpoint: str | None = None
    """Sampler checkpoint (`tinker://` path) of that model; absent: the base model."""
    renderer: str | None = None
    """Name of the renderer; absent: the recommended one of the model. It must render like the
    student's."""
    system: str | None = None
    """A system prompt that the teacher sees and the student does not."""
    tag: str = ALL
    """Tag of the groups to teach; `all` means all groups without a teacher of their own."""


@frozen(kw_only=True)
class Distillation:
    """Learn from teachers, token by token."""

    teachers: tuple[TeacherConfig, ...] = field(validator=validators.min_len(1))
    coefficient: float = field(default=1.0, validator=positive)
    """Units of reward that a nat is worth."""
    discount: float = field(default=0.0, validator=[validators.ge(0.0), validators.le(1.0)])
    """Discount, for each token, of the terms of later tokens; 0 leaves each token its own."""

    @teachers.validator
    def _one_for_each_tag(self, _: object, teachers: tuple[TeacherConfig, ...]) -> None:
        tags = [teacher.tag for teacher in teachers]
        if len(set(tags)) != len(tags):
            raise ConfigError(f"two teachers have the same tag: {tags}")


@frozen
class PromptSwap:
    """Replaces the beginning of a sequence for the teacher."""

    of_student: tuple[int, ...] = ()
    of_teacher: tuple[int, ...] = ()

    @classmethod
    def by_system_prompt(cls, renderer: Renderer, system: str) -> Self:
        """Replace the beginning of a conversation by one with this system prompt."""
        without = renderer.build_generation_prompt(_PROBE).to_ints()
        told = renderer.build_generation_prompt(
            [{"role": "system", "content": system}, *_PROBE]
        ).to_ints()
        common = 0
        while common < min(len(without), len(told)) and without[-1 - common] == told[-1 - common]:
            common += 1
        return cls(tuple(without[: len(without) - common]), tuple(told[: len(told) - common]))

    def seen_by_teacher(self, sequence: TrainingSequence) -> TrainingSequence:
        """The sequence that the teacher sees. Raises DataError if it begins with other tokens."""
        count = len(self.of_student)
        begins = sequence.tokens[:count].tolist()
        if begins != list(self.of_student) or sequence.sampled[:count].any():
            raise DataError(
                "a teacher with a system prompt needs conversations without one, but this sequence "
                f"begins with the tokens {begins}, not {list(self.of_student)}"
            )
        added = len(self.of_teacher)

        def shifted(values_T: NDArray[T]) -> NDArray[T]:
            return np.concatenate([np.zeros(added, values_T.dtype), values_T[count:]])

        tokens = np.concatenate([np.array(self.of_teacher, np.int64), sequence.tokens[count:]])
        return evolve(
            sequence,
            tokens=tokens,
            sampled=shifted(sequence.sampled),
            logprobs=shifted(sequence.logprobs),
            advantages=shifted(sequence.advantages),
            images=tuple(evolve(i, start=i.start + added - count) for i in sequence.images),
        )


@frozen
class Teacher:
    """A teacher on the engine."""

    client: tinker.SamplingClient
    swap: PromptSwap = field(factory=PromptSwap)

    async def logprobs(self, sequence: TrainingSequence) -> Floats:
        """Logprobs of the S sampled tokens, shape (S,)."""
        return await logprobs_under(self.client, self.swap.seen_by_teacher(sequence))


@frozen(kw_only=True)
class PullToTeachers:
    """The `AdvantageTransform` of on-policy distillation: each group has the teacher of its tag."""

    by_tag: Mapping[str, Teacher]
    coefficient: float = 1.0
    discount: float = 0.0

    async def __call__(
        self, sequences: Sequence[TrainingSequence], groups_P: Sequence[TrajectoryGroup]
    ) -> Transformed:
        """Add the teachers' terms. Raises DataError for a group without exactly one teacher."""
        tags = [self._tag(groups_P[sequence.group]) for sequence in sequences]
        teacher_D = await gather(
            self.by_tag[tag].logprobs(sequence)
            for tag, sequence in zip(tags, sequences, strict=True)
        )
        taught, by_tag = [], defaultdict[str, list[int]](list)
        for i, (sequence, teacher_S) in enumerate(zip(sequences, teacher_D, strict=True)):
            student_S = sequence.sampled_logprobs
            terms_S = kl_advantages(student_S, teacher_S, self.coefficient, self.discount)
            taught.append(add_to_advantages(sequence, terms_S))
            by_tag[tags[i]].append(i)
        metrics = {
            f"teacher_kl/{tag}": mean_log_ratio(
                [sequences[i] for i in at], [teacher_D[i] for i in at]
            )
            for tag, at in by_tag.items()
        }
        return taught, {"teacher_kl": mean_log_ratio(sequences, teacher_D), **metrics}

    def _tag(self, group: TrajectoryGroup) -> str:
        found = [tag for tag in group.tags if tag in self.by_tag]
        if len(found) > 1 or (not found and ALL not in self.by_tag):
            raise DataError(
                f"the group with the tags {list(group.tags)} has {len(found)} teachers of "
                f"{sorted(self.by_tag)}: expected one"
            )
        return found[0] if found else ALL


def check_same_format(student: Renderer, teacher: Renderer) -> None:
    """Raise ConfigError if the renderers write the same conversation in different tokens."""
    ours, theirs = (r.build_generation_prompt(_PROBE).to_ints() for r in (student, teacher))
    if ours != theirs or student.get_stop_sequences() != teacher.get_stop_sequences():
        raise ConfigError(
            f"the teacher's renderer {teacher.name!r} writes a conversation in other tokens than "
            f"the student's {student.name!r}: choose a renderer for both, or another teacher"
        )
