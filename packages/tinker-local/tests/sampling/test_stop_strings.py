"""Stop strings in a stream of bytes, one byte a token."""

from __future__ import annotations

import pytest

from tinker_local.sampling.stop_strings import StopStrings


def decode(tokens: list[int]) -> str:
    return bytes(tokens).decode("utf-8", errors="replace")


def tokens_until_stop(text: bytes, *strings: str) -> int | None:
    watch = StopStrings(strings, decode)
    for i, token in enumerate(text):
        if watch.completed_by(token):
            return i + 1
    return None


@pytest.mark.parametrize(
    ("text", "strings", "at"),
    [
        ("one two three", ("two",), "one two"),
        ("one two three", ("three", "wo th"), "one two th"),
        ("aab", ("ab",), "aab"),
        ("abab", ("abab",), "abab"),
        ("x\n\ny", ("\n\n",), "x\n\n"),
        ("naïve café", ("é",), "naïve café"),
        ("日本語。次", ("。",), "日本語。"),
        ("😀😁 end", ("😁 ",), "😀😁 "),
        ("nothing here", ("there",), None),
    ],
)
def test_it_stops_at_the_byte_that_completes_the_string(text, strings, at):
    assert tokens_until_stop(text.encode(), *strings) == (None if at is None else len(at.encode()))


def test_bytes_that_are_no_character_do_not_hide_what_follows():
    assert tokens_until_stop(b"\xff\xfe" * 30 + b"stop!", "stop") == 64


def test_half_a_character_is_not_taken_for_another():
    # The first two bytes of a three-byte character, then a letter.
    assert tokens_until_stop("é".encode()[:1] + b"ab", "ab") == 3


def test_text_is_looked_at_in_a_window():
    seen = []

    def counting(tokens: list[int]) -> str:
        seen.append(len(tokens))
        return decode(tokens)

    watch = StopStrings(("stop",), counting)
    assert not any(watch.completed_by(token) for token in b"a long text " * 50)
    assert max(seen) < 20
