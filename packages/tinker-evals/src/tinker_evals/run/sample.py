"""One reply and what it was worth; one line of `samples.jsonl`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from attrs import asdict, field, frozen, validators

from tinker_core import CutShort, Malformed, Message, Outcome, RunDirectoryError
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
"""Characters of a reply in which a refusal is looked for."""


@frozen(kw_only=True)
class Sample:
    """A reply and its grade. Errors are none of these: they are not stored as answers."""

    item: str
    sample: int
    """Which of the problem's replies it is, from 0."""
    status: Status = field(validator=validators.in_(STATUSES))
    scores: Mapping[str, float]
    """The first is the one that the task is known by."""
    prompt: Any
    """The text, or the messages in the OpenAI chat format."""
    reply: str
    thinking: str = ""
    target: Any = None
    answers: Mapping[str, str | None] = field(factory=dict)
    comment: str = ""
    tokens: int = 0
    """Sampled."""
    cluster: str | None = None
    group: str | None = None

    @property
    def score(self) -> float:
        """The score that the task is known by."""
        return next(iter(self.scores.values()))

    def row(self) -> dict[str, Any]:
        """As it stands in the file."""
        return asdict(self, recurse=False)


def read_sample(row: Mapping[str, Any], where: str) -> Sample:
    """The sample of a row; raises RunDirectoryError that says where it was."""
    try:
        return Sample(**row)
    except (TypeError, ValueError) as error:
        raise RunDirectoryError(f"{where}: not a sample: {error}") from error


def make_sample(
    item: Item, number: int, outcome: Outcome, grade: Grade, prompt: Any, tokens: int
) -> Sample:
    """Put a graded reply on record."""
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
    """A truncated or malformed reply is graded as it stands, and counted apart all the same."""
    if isinstance(outcome, CutShort):
        return "truncated"
    if isinstance(outcome, Malformed):
        return "malformed"
    if not any(grade.scores.values()) and _REFUSAL.search(outcome.message.text[:_OPENING]):
        return "refused"
    return "answered" if grade.answered else "unparsed"
