"""A sample: one reply with its grade, and one line of `samples.jsonl`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from attrs import asdict, field, frozen, validators

from tinker_core import CutShort, Malformed, Message, Outcome
from tinker_evals.dataset.item import Item
from tinker_evals.graders.grade import Grade

Status = Literal["answered", "truncated", "malformed", "refused", "unparsed"]
STATUSES: tuple[str, ...] = get_args(Status)

_REFUSAL = re.compile(
    r"\b(?:i(?:['\u2019]m| am) (?:sorry|unable|not able)|i apologi[sz]e|as an ai\b"
    r"|i (?:can(?:not|['\u2019]t| not)|won['\u2019]t|will not)"
    r" (?:help|assist|answer|provide|comply|do))",
    re.IGNORECASE,
)
_OPENING = 200
"""Characters at the beginning of a reply that are searched for a refusal."""


@frozen(kw_only=True)
class Sample:
    """One reply with its grade. A failure of the engine or the grader is not a sample."""

    item: str
    sample: int
    """Number of the reply among those to the item, from 0."""
    status: Status = field(validator=validators.in_(STATUSES))
    scores: Mapping[str, float]
    """Scores by name; the first is the task's headline score."""
    prompt: Any
    """A text, or messages in the OpenAI chat format."""
    reply: str
    thinking: str = ""
    target: Any = None
    answers: Mapping[str, str | None] = field(factory=dict)
    comment: str = ""
    tokens: int = 0
    """Sampled tokens."""
    cluster: str | None = None
    group: str | None = None

    @property
    def score(self) -> float:
        """The headline score."""
        return next(iter(self.scores.values()))

    def row(self) -> dict[str, Any]:
        """The line of the file as plain data."""
        return asdict(self, recurse=False)


def make_sample(
    item: Item, number: int, outcome: Outcome, grade: Grade, prompt: Any, tokens: int
) -> Sample:
    """The sample of a graded reply."""
    message = outcome.message
    return Sample(
        item=item.id,
        sample=number,
        status=_status(outcome, grade),
        scores=dict(grade.scores),
        prompt=prompt,
        reply="\n".join([message.text, *_calls(message)]).strip()
        if message.tool_calls
        else message.text,
        thinking=message.thinking,
        target=item.target,
        answers=dict(grade.answers),
        comment=grade.comment or (outcome.reason if isinstance(outcome, Malformed) else ""),
        tokens=tokens,
        cluster=item.cluster,
        group=item.group,
    )


def _calls(message: Message) -> list[str]:
    return [f"{call.name}({call.arguments})" for call in message.tool_calls]


def _status(outcome: Outcome, grade: Grade) -> Status:
    """Truncated and malformed replies keep their grade; the status counts them separately."""
    if isinstance(outcome, CutShort):
        return "truncated"
    if isinstance(outcome, Malformed):
        return "malformed"
    if not any(grade.scores.values()) and _REFUSAL.search(outcome.message.text[:_OPENING]):
        return "refused"
    return "answered" if grade.answered else "unparsed"
