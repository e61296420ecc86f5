"""Stop strings in a text of one byte a token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinker_local import catalog
from tinker_local.model.tokenizer import load_tokenizer
from tinker_local.sampling.detokenizer import Detokenizer
from tinker_local.sampling.stop_strings import StopStringMatcher, TextBeforeStop

TINY = load_tokenizer(catalog.resolve("local/tiny"))


def detokenizer() -> Detokenizer:
    return Detokenizer(TINY, skip_special_tokens=False)


def byte_tokens(text: bytes) -> list[int]:
    return [3 + byte for byte in text]


def tokens_until_stop(text: bytes, *strings: str) -> int | None:
    matcher = StopStringMatcher(strings, detokenizer())
    for i, token in enumerate(byte_tokens(text)):
        if matcher.completed_by(token):
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


@given(st.text("aé", max_size=30), st.lists(st.text("aé", min_size=1, max_size=4), min_size=1))
def test_it_stops_where_a_search_in_the_whole_text_would(text, strings):
    prefixes = (text[:n] for n in range(len(text) + 1))
    first = next((p for p in prefixes if any(s in p for s in strings)), None)
    expected = None if first is None else len(first.encode())
    assert tokens_until_stop(text.encode(), *strings) == expected


def test_bytes_that_are_no_character_do_not_hide_what_follows():
    assert tokens_until_stop(b"\xff\xfe" * 30 + b"stop!", "stop") == 64


def test_half_a_character_is_not_taken_for_another():
    # The first byte of a two-byte character, then letters.
    assert tokens_until_stop("é".encode()[:1] + b"ab", "ab") == 3


def test_a_token_that_completes_a_string_and_begins_a_character_stops():
    class TwoBytes:
        """A tokenizer whose only token is a letter and the first byte of another character."""

        def decode(self, tokens, skip_special_tokens):
            return b"".join(b"p\xc3" for _ in tokens).decode(errors="replace")

    detok = detokenizer()
    detok._backend = TwoBytes()
    detok._stream = type("", (), {"step": lambda self, backend, token: None})()
    assert StopStringMatcher(("p",), detok).completed_by(0)


def test_the_text_that_is_kept_is_short():
    matcher = StopStringMatcher(("stop",), detokenizer())
    assert not any(matcher.completed_by(token) for token in byte_tokens(b"a long text " * 50))
    assert len(matcher._tail) < 20


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_a_text_ends_before_the_first_stop_string(text, strings):
    before = TextBeforeStop(detokenizer(), tuple(strings))
    parts = []
    for token in byte_tokens(text.encode()):
        if not before.stopped:  # the sampler stops there
            parts.append(before.push(token))
    whole = "".join([*parts, before.finish()])
    prefixes = [text[:n] for n in range(len(text) + 1)]
    first = next((p for p in prefixes if any(string in p for string in strings)), None)
    if first is None:
        assert whole == text
    else:
        assert whole == first[: min(first.find(string) for string in strings if string in first)]
    assert before.stopped == (first is not None)


@given(st.lists(st.integers(0, 258), max_size=40))
def test_a_text_of_any_tokens_ends_before_the_first_stop_string(tokens):
    strings = ("a", "bc")
    before = TextBeforeStop(detokenizer(), strings)
    text = "".join(before.push(token) for token in tokens) + before.finish()
    decoded = TINY.decode(tokens, clean_up_tokenization_spaces=False)
    starts = [decoded.find(string) for string in strings if string in decoded]
    expected = decoded[: min(starts)] if starts else decoded
    assert text.replace("�", "") == expected.replace("�", "")
    assert before.stopped == bool(starts)


def test_text_that_may_begin_a_stop_string_is_held_until_it_is_decided():
    before = TextBeforeStop(detokenizer(), ("stop",))
    assert [before.push(token) for token in byte_tokens(b"sto sto")] == [
        "", "", "", "sto ", "", "", "",
    ]  # fmt: skip
    assert before.finish() == "sto"
