"""Row formats of well-known preference data sets, parsed to pairs.

hh_rlhf       Anthropic/hh-rlhf                               both sides one text, turns by "Human:"
helpsteer2    nvidia/HelpSteer2, data_dir "preference"        two responses, strength -3 to 3
helpsteer3    nvidia/HelpSteer3, name "preference"            two responses, preference -3 to 3
ultrafeedback HuggingFaceH4/ultrafeedback_binarized           both sides messages with the prompt
tulu3         allenai/llama-3.1-tulu-3-8b-preference-mixture  the same
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from tinker_core import DataError
from tinker_data import PreferencePair, RawRow, read_pair
from tinker_data.rows import as_mapping

_HH_TURN = re.compile(r"\n\n(Human|Assistant):")
_HH_ROLES = {"Human": "user", "Assistant": "assistant"}
_HELPSTEER2_TURN = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")


def read_hh_rlhf(row: RawRow) -> PreferencePair:
    """A row of Bai et al. 2022 (arXiv:2204.05862); raises DataError with the row's place."""

    def convert(value: Mapping[str, Any]) -> dict[str, Any]:
        return {side: _hh_messages(value.get(side), side) for side in ("chosen", "rejected")}

    return _read(row, convert)


def read_helpsteer2(row: RawRow) -> PreferencePair:
    """A row of Wang et al. 2024 (arXiv:2410.01257); DataError also if neither is preferred."""

    def convert(value: Mapping[str, Any]) -> dict[str, Any]:
        sides = _by_preference(value, "preference_strength", ("response_1", "response_2"))
        return {"prompt": _helpsteer2_messages(value.get("prompt")), **sides}

    return _read(row, convert)


def read_helpsteer3(row: RawRow) -> PreferencePair:
    """A row of Wang et al. 2025 (arXiv:2505.11475); DataError also if neither is preferred."""

    def convert(value: Mapping[str, Any]) -> dict[str, Any]:
        sides = _by_preference(value, "overall_preference", ("response1", "response2"))
        return {"prompt": value.get("context"), **sides}

    return _read(row, convert)


Source = Literal["hh_rlhf", "helpsteer2", "helpsteer3", "ultrafeedback", "tulu3"]

READERS: dict[Source, Callable[[RawRow], PreferencePair]] = {
    "hh_rlhf": read_hh_rlhf,
    "helpsteer2": read_helpsteer2,
    "helpsteer3": read_helpsteer3,
    "ultrafeedback": read_pair,
    "tulu3": read_pair,
}
"""Readers of a row, by the name of the data set."""


def _read(row: RawRow, convert: Callable[[Mapping[str, Any]], dict[str, Any]]) -> PreferencePair:
    try:
        value = convert(as_mapping(row))
    except DataError as error:
        raise row.place.error(error) from error
    return read_pair(RawRow(content=value, place=row.place))


def _hh_messages(text: object, side: str) -> list[dict[str, str]]:
    if not isinstance(text, str):
        raise DataError(f"must be a string, not {text!r:.80}", field=side)
    before, *turns = _HH_TURN.split(text)
    if before.strip() or not turns:
        raise DataError("does not begin with a turn 'Human:' or 'Assistant:'", field=side)
    roles_and_texts = zip(turns[::2], turns[1::2], strict=True)
    return [{"role": _HH_ROLES[role], "content": said.strip()} for role, said in roles_and_texts]


def _helpsteer2_messages(text: object) -> list[dict[str, str]]:
    """The messages in the prompt's text, which marks the turns of a longer conversation."""
    if not isinstance(text, str):
        raise DataError(f"must be a string, not {text!r:.80}", field="prompt")
    first, *turns = _HELPSTEER2_TURN.split(text)
    rest = zip(turns[::2], turns[1::2], strict=True)
    return [
        {"role": "user", "content": first},
        *({"role": role.lower(), "content": said} for role, said in rest),
    ]


def _by_preference(
    value: Mapping[str, Any], key: str, responses: tuple[str, str]
) -> dict[str, Any]:
    """Both sides: a negative number prefers the first response, a positive one the second."""
    preference = value.get(key)
    if not isinstance(preference, int | float) or isinstance(preference, bool):
        raise DataError(f"must be a number, not {preference!r:.80}", field=key)
    if preference == 0:
        raise DataError("neither response is preferred", field=key)
    first, second = (value.get(name) for name in responses)
    return {
        "chosen": first if preference < 0 else second,
        "rejected": second if preference < 0 else first,
    }
