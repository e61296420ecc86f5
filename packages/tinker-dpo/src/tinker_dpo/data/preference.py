"""Preferences as values: pairs of responses, and single responses that are judged.

A pair stays one object from the row to the loss, so no shuffle can separate or swap its sides. The
rows of pairs are those of `tinker_data.read_pair`; the row of a judged response is

    {"prompt": text or messages, "completion": ..., "label": true or false}
"""

from __future__ import annotations

from attrs import field, frozen

from tinker_core import Comparison, DataError, as_conversation
from tinker_data import Place, PreferencePair, RawRow, check_roles, read_pair
from tinker_data.layouts.fields import Messages, messages_of
from tinker_data.rows import NOWHERE, as_mapping


@frozen(kw_only=True)
class JudgedResponse:
    """A response to a prompt, judged as desirable or not.

    Raises DataError if the roles do not alternate.
    """

    prompt: Messages = field(converter=as_conversation)
    response: Messages = field(converter=as_conversation)
    desirable: bool
    place: Place = field(default=NOWHERE, eq=False)

    def __attrs_post_init__(self) -> None:
        check_roles(self.prompt, self.response, "response")


Preference = PreferencePair | JudgedResponse


def read_preference(row: RawRow) -> Preference:
    """A judged response if the row has a label, else a pair; raises DataError with its place."""
    return read_judged(row) if "label" in as_mapping(row) else read_pair(row)


def read_judged(row: RawRow) -> JudgedResponse:
    """The judged response in a row; raises DataError with the row's place."""
    value = as_mapping(row)
    try:
        if not isinstance(value.get("label"), bool):
            raise DataError(f"must be true or false, not {value.get('label')!r:.80}", field="label")
        return JudgedResponse(
            prompt=messages_of(value, "prompt", role="user"),
            response=messages_of(value, "completion", role="assistant"),
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


def comparison_of(pair: PreferencePair) -> Comparison:
    """The comparison of a pair, with the chosen response first."""
    return Comparison(prompt=pair.prompt, first=pair.chosen, second=pair.rejected)
