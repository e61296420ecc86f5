"""Preference pairs: a prompt and two responses, of which the first is preferred.

    explicit prompt    {"prompt": text or messages, "chosen": ..., "rejected": ...}
    implicit prompt    {"chosen": messages, "rejected": messages}, both with the prompt in front

A side is text, one message or messages. Sides that begin with the prompt are recognised by their
first message, which is not an assistant message. Then the prompt is what both begin with, and a
`prompt` beside them must be it, or the text of one of its messages.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from tinker_core import DataError, Message, Role, as_conversation
from tinker_data.layouts.fields import Messages, known_fields, messages_of
from tinker_data.rows import NOWHERE, Place, RawRow, as_mapping

KEYS = ("prompt", "chosen", "rejected")
SCORES = ("score_chosen", "score_rejected")
"""Keys without effect in a pair: it says which side is preferred, not by how much."""

_MAY_FOLLOW: dict[Role, tuple[Role, ...]] = {
    "user": ("assistant",),
    "assistant": ("user", "tool"),
    "tool": ("assistant", "tool"),
}


@frozen(kw_only=True)
class PreferencePair:
    """Two responses to a prompt, the first of which is preferred."""

    prompt: tuple[Message, ...] = field(converter=as_conversation)
    chosen: tuple[Message, ...] = field(converter=as_conversation)
    """The preferred response: the messages behind the prompt."""
    rejected: tuple[Message, ...] = field(converter=as_conversation)
    """The other response: the messages behind the prompt."""
    place: Place = field(default=NOWHERE, eq=False)


def check_pair(pair: PreferencePair) -> None:
    """Raise DataError for equal sides, and for roles that do not alternate."""
    if pair.chosen == pair.rejected:
        raise DataError("both sides are the same: there is nothing to prefer", field="chosen")
    check_roles(pair.prompt, pair.chosen, "chosen")
    check_roles(pair.prompt, pair.rejected, "rejected")


def check_roles(prompt: Sequence[Message], response: Sequence[Message], side: str) -> None:
    """Raise DataError unless user and assistant alternate and an assistant message is last."""
    before: Role | None = None
    for i, message in enumerate((*prompt, *response)):
        in_prompt = i < len(prompt)
        where = f"prompt[{i}]" if in_prompt else f"{side}[{i - len(prompt)}]"
        if in_prompt and before is None and message.role in ("system", "developer"):
            continue
        allowed = _MAY_FOLLOW.get(before, ()) if before else ("user",)
        if message.role not in allowed:
            raise DataError(
                f"roles do not alternate: {message.role} after {before or 'the beginning'}, "
                f"where {' or '.join(allowed)} can come",
                field=f"{where}.role",
            )
        before = message.role
    if prompt[-1].role not in ("user", "tool"):
        raise DataError(f"ends with {prompt[-1].role}, not user or tool", field="prompt")
    if response[-1].role != "assistant":
        raise DataError(f"ends with {response[-1].role}, not assistant", field=side)


def read_pair(row: RawRow, *, ignored_keys: Collection[str] = ()) -> PreferencePair:
    """The pair in a row; raises DataError with the place for one that cannot be used."""
    value = as_mapping(row)
    with row.place.errors():
        prompt, chosen, rejected = _sides(known_fields(value, KEYS, (*SCORES, *ignored_keys)))
        pair = PreferencePair(prompt=prompt, chosen=chosen, rejected=rejected, place=row.place)
        check_pair(pair)
    return pair


def _sides(value: Mapping[str, Any]) -> tuple[Messages, Messages, Messages]:
    chosen = messages_of(value, "chosen", role="assistant")
    rejected = messages_of(value, "rejected", role="assistant")
    whole = [side[0].role != "assistant" for side in (chosen, rejected)]
    if whole[0] != whole[1]:
        raise DataError("one side has the prompt in front of it, the other has not", field="chosen")
    if not whole[0]:
        return messages_of(value, "prompt", role="user"), chosen, rejected
    if chosen == rejected:
        raise DataError("both sides are the same: there is nothing to prefer", field="chosen")
    common = _length_in_common(chosen, rejected)
    if common == 0:
        raise DataError("the sides have no common prompt: they differ from the first message on")
    for name, side in (("chosen", chosen), ("rejected", rejected)):
        if len(side) == common:
            raise DataError("no response is left after the common prompt", field=name)
    if value.get("prompt") is not None:
        _check_prompt(messages_of(value, "prompt", role="user"), chosen[:common])
    return chosen[:common], chosen[common:], rejected[common:]


def _check_prompt(given: Messages, common: Messages) -> None:
    """Raise DataError unless the prompt is the common one, or a text in it."""
    texts = [message.text.strip() for message in common]
    if given != common and not (len(given) == 1 and given[0].text.strip() in texts):
        raise DataError(
            "differs from the messages that both sides begin with; ignored_keys ignores it",
            field="prompt",
        )


def _length_in_common(a: Messages, b: Messages) -> int:
    """The number of equal messages at the beginning of both."""
    shorter = min(len(a), len(b))
    return next((i for i in range(shorter) if a[i] != b[i]), shorter)
