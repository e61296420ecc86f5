"""Preferences as values: a pair of responses to one prompt, or one response and what it was worth.

A pair is one object from the row to the loss: it cannot be torn, turned round by a shuffle, or lose
one of its sides.

The rows of pairs are those of `tinker_data.read_pair`; a judged response is

    {"prompt": text or messages, "completion": ..., "label": true or false}
"""

from __future__ import annotations

from attrs import field, frozen

from tinker_core import DataError, as_conversation
from tinker_data import Place, PreferencePair, RawRow, check_pair, check_roles, read_pair
from tinker_data.layouts.fields import Messages, side_of
from tinker_data.rows import NOWHERE, as_mapping

__all__ = [
    "JudgedResponse",
    "Messages",
    "check_pair",
    "check_roles",
    "judge_both",
    "read_judged",
    "read_pair",
]


@frozen(kw_only=True)
class JudgedResponse:
    """A response to a prompt, and whether it is one to wish for.

    Raises DataError where the roles do not alternate.
    """

    prompt: Messages = field(converter=as_conversation)
    response: Messages = field(converter=as_conversation)
    desirable: bool
    place: Place = field(default=NOWHERE, eq=False)

    def __attrs_post_init__(self) -> None:
        check_roles(self.prompt, self.response, "response")


def read_judged(row: RawRow) -> JudgedResponse:
    """The judged response in a row; raises DataError with the row's place."""
    value = as_mapping(row)
    try:
        if not isinstance(value.get("label"), bool):
            raise DataError(f"must be true or false, not {value.get('label')!r:.80}", field="label")
        return JudgedResponse(
            prompt=side_of(value, "prompt", role="user"),
            response=side_of(value, "completion", role="assistant"),
            desirable=value["label"],
            place=row.place,
        )
    except DataError as error:
        raise row.place.error(error) from error


def judge_both(pair: PreferencePair) -> tuple[JudgedResponse, JudgedResponse]:
    """The chosen response as desirable, the rejected one as undesirable."""
    good, bad = (
        JudgedResponse(prompt=pair.prompt, response=side, desirable=good, place=pair.place)
        for side, good in ((pair.chosen, True), (pair.rejected, False))
    )
    return good, bad
