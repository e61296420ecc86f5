"""On-policy distillation: the student samples, a teacher says of each token how likely it was.

The advantage of a sampled token gets -coefficient * (log student - log teacher), so that the policy
gradient goes down the reverse KL(student || teacher), on the states that the student itself gets
into (Agarwal et al., 2024; Gu et al., 2024). The environments may have no reward of their own.
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
from tinker_render import Renderer
from tinker_rl.trajectory import ALL, TrajectoryGroup
from tinker_rl.update.kl import kl_advantages
from tinker_rl.update.kl_penalty import mean_gap, sampled_logprobs
from tinker_rl.update.optimizer_step import Shaped
from tinker_rl.update.training_sequence import Floats, TokenLedger, add_to_advantages
from tinker_train import gather

T = TypeVar("T", bound=np.generic)
_PROBE = (
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": "It is 4."},
    {"role": "user", "content": "And 3 + 3?"},
)


@frozen(kw_only=True)
class TeacherConfig:
    """Who teaches which groups."""

    model: str = field(validator=validators.min_len(1))
    """Name of the base model, as the engine knows it."""
    checkpoint: str | None = None
    """A sampler checkpoint of it (`tinker://` path)."""
    renderer: str | None = None
    """How it sees chats, which must be as the student does; the model's own way unless given."""
    system: str | None = None
    """A system prompt that the teacher sees, and the student does not."""
    tag: str = ALL
    """The teacher of the groups with this tag; `all`: of all that no other teacher has."""


@frozen(kw_only=True)
class Distillation:
    """Learn from teachers, token by token."""

    teachers: tuple[TeacherConfig, ...] = field(validator=validators.min_len(1))
    coefficient: float = field(default=1.0, validator=validators.gt(0.0))
    """How many units of reward a nat is worth."""
    discount: float = field(default=0.0, validator=[validators.ge(0.0), validators.le(1.0)])
    """How much a token answers for those after it."""

    @teachers.validator
    def _one_for_each_tag(self, _: object, teachers: tuple[TeacherConfig, ...]) -> None:
        tags = [teacher.tag for teacher in teachers]
        if len(set(tags)) != len(tags):
            raise ConfigError(f"two teachers have the same tag: {tags}")


@frozen
class PromptSwap:
    """What the teacher sees at the beginning of a sequence in the place of what the student saw."""

    of_student: tuple[int, ...] = ()
    of_teacher: tuple[int, ...] = ()

    @classmethod
    def by_system_prompt(cls, renderer: Renderer, system: str) -> Self:
        """The beginning of a conversation with the system prompt, for the one without."""
        plain = renderer.build_generation_prompt(_PROBE).to_ints()
        told = renderer.build_generation_prompt(
            [{"role": "system", "content": system}, *_PROBE]
        ).to_ints()
        common = 0
        while common < min(len(plain), len(told)) and plain[-1 - common] == told[-1 - common]:
            common += 1
        return cls(tuple(plain[: len(plain) - common]), tuple(told[: len(told) - common]))

    def seen_by_teacher(self, ledger: TokenLedger) -> TokenLedger:
        """The sequence as the teacher sees it; raises DataError where it begins otherwise."""
        count = len(self.of_student)
        if ledger.tokens[:count].tolist() != list(self.of_student) or ledger.sampled[:count].any():
            raise DataError(
                "a teacher's system prompt is for conversations without one of their own"
            )
        added = len(self.of_teacher)

        def shifted(values_T: NDArray[T]) -> NDArray[T]:
            return np.concatenate([np.zeros(added, values_T.dtype), values_T[count:]])

        tokens = np.concatenate([np.array(self.of_teacher, np.int64), ledger.tokens[count:]])
        return evolve(
            ledger,
            tokens=tokens,
            sampled=shifted(ledger.sampled),
            logprobs=shifted(ledger.logprobs),
            advantages=shifted(ledger.advantages),
            images=tuple(evolve(i, start=i.start + added - count) for i in ledger.images),
        )


@frozen
class Teacher:
    """A teacher to ask."""

    client: tinker.SamplingClient
    swap: PromptSwap = field(factory=PromptSwap)

    async def logprobs(self, ledger: TokenLedger) -> Floats:
        """Of the sampled tokens, under the teacher."""
        return await sampled_logprobs(self.client, self.swap.seen_by_teacher(ledger))


@frozen(kw_only=True)
class Teachers:
    """A `Shaper` that pulls each group towards the teacher of its tag."""

    by_tag: Mapping[str, Teacher]
    coefficient: float = 1.0
    discount: float = 0.0

    async def __call__(
        self, ledgers: Sequence[TokenLedger], groups_P: Sequence[TrajectoryGroup]
    ) -> Shaped:
        """Add what the teachers say; raises DataError for a group that has not just one teacher."""
        tags = [self._tag(groups_P[ledger.group]) for ledger in ledgers]
        teacher_D = await gather(
            self.by_tag[tag].logprobs(ledger) for tag, ledger in zip(tags, ledgers, strict=True)
        )
        shaped, by_tag = [], defaultdict[str, list[int]](list)
        for i, (ledger, teacher_S) in enumerate(zip(ledgers, teacher_D, strict=True)):
            student_S = ledger.sampled_logprobs
            more_S = kl_advantages(student_S, teacher_S, self.coefficient, self.discount)
            shaped.append(add_to_advantages(ledger, more_S))
            by_tag[tags[i]].append(i)
        metrics = {
            f"teacher_kl/{tag}": mean_gap([ledgers[i] for i in at], [teacher_D[i] for i in at])
            for tag, at in by_tag.items()
        }
        return shaped, {"teacher_kl": mean_gap(ledgers, teacher_D), **metrics}

    def _tag(self, group: TrajectoryGroup) -> str:
        found = [tag for tag in group.tags if tag in self.by_tag]
        if len(found) > 1 or (not found and ALL not in self.by_tag):
            raise DataError(
                f"a group with the tags {list(group.tags)} has {len(found)} teachers of "
                f"{sorted(self.by_tag)}: it must have one"
            )
        return found[0] if found else ALL


def check_same_format(student: Renderer, teacher: Renderer) -> None:
    """Raise ConfigError where the teacher would be asked about tokens in a foreign format."""
    ours, theirs = (r.build_generation_prompt(_PROBE).to_ints() for r in (student, teacher))
    if ours != theirs or student.get_stop_sequences() != teacher.get_stop_sequences():
        raise ConfigError(
            f"the teacher's renderer {teacher.name!r} writes a conversation in other tokens than "
            f"the student's {student.name!r}: name a renderer that suits both, or another teacher"
        )
