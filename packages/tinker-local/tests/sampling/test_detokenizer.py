"""Incremental detokenization; the oracle is the tokenizer's own decode."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import sentencepiece_tokenizer

from tinker_local import catalog
from tinker_local.errors import RequestError
from tinker_local.model.tokenizer import load_tokenizer
from tinker_local.sampling.detokenizer import Detokenizer

TINY = load_tokenizer(catalog.resolve("local/tiny"))
FIRST_BYTE = 3  # tokens 0 to 2 are control tokens, token 3 + b is the byte b


def detokenizer(*, skip: bool = True) -> Detokenizer:
    return Detokenizer(TINY, skip_special_tokens=skip)


def byte_tokens(text: bytes) -> list[int]:
    return [FIRST_BYTE + byte for byte in text]


@given(st.text(max_size=40))
def test_the_parts_are_the_text_and_never_a_broken_character(text):
    detok = detokenizer()
    parts = [detok.push(token) for token in byte_tokens(text.encode())]
    assert "".join([*parts, detok.flush()]) == text
    if "�" not in text:
        assert not any("�" in part for part in parts)


@given(st.lists(st.integers(0, 258), max_size=40), st.booleans())
def test_any_tokens_come_out_sooner_or_later(tokens, skip):
    detok = detokenizer(skip=skip)
    text = "".join(detok.push(token) for token in tokens) + detok.flush()
    decoded = TINY.decode(tokens, skip_special_tokens=skip, clean_up_tokenization_spaces=False)
    assert text.replace("�", "") == decoded.replace("�", "")


def test_an_incomplete_character_holds_up_the_text_for_eight_tokens_only():
    detok = detokenizer()
    first_half = byte_tokens("é".encode())[:1]
    assert [bool(detok.push(token)) for token in first_half * 8] == [False] * 7 + [True]


def test_pending_text_shows_what_is_not_released():
    detok = detokenizer()
    assert detok.pending_text() == ""
    assert detok.push(byte_tokens("é".encode())[0]) == ""
    assert detok.pending_text() == "�"
    assert detok.push(byte_tokens("é".encode())[1]) == "é"
    assert detok.pending_text() == ""


def test_control_tokens_are_text_only_where_they_are_asked_for():
    end = TINY.convert_tokens_to_ids("<|im_end|>")
    assert detokenizer(skip=True).push(end) == ""
    assert detokenizer(skip=False).push(end) == "<|im_end|>"


def test_spaces_between_words_are_kept():
    detok = Detokenizer(sentencepiece_tokenizer(strip=True), skip_special_tokens=True)
    assert [detok.push(token) for token in (1, 1, 2, 3, 1)] == ["say", " say", "", "é", " say"]


@given(st.lists(st.sampled_from([1, 2, 3]), max_size=30))
def test_any_tokens_of_a_sentencepiece_vocabulary_come_out(tokens):
    detok = Detokenizer(sentencepiece_tokenizer(strip=False), skip_special_tokens=True)
    text = "".join(detok.push(token) for token in tokens) + detok.flush()
    assert text.count(" say") == tokens.count(1)
    # A decoder that sees all bytes at once takes "é" and a broken byte for three broken bytes.
    assert set(text.replace(" say", "")) <= {"é", "�"}


def test_a_tokenizer_of_another_library_is_refused_by_name():
    class OwnTokenizer:
        pass

    with pytest.raises(RequestError, match="OwnTokenizer is not of the tokenizers library"):
        Detokenizer(OwnTokenizer(), skip_special_tokens=True)
