"""Word by word or as a whole: the same tokens."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import normalizers, pre_tokenizers

from tinker_core import Message
from tinker_render import get_renderer
from tinker_render.tokenizer.codec import Codec
from tinker_render.tokenizer.word_cache import word_cache_of

BITS = [*string.printable, "  ", "\n\n", "\r\n", "'s", "'LL", " the", "answer", "<|im_end|>", "12"]


@pytest.fixture(scope="module")
def codec(chatml_tokenizer):
    return Codec(chatml_tokenizer, ("<|im_start|>", "<|im_end|>"))


@settings(max_examples=300)
@given(text=st.lists(st.sampled_from(BITS), max_size=12).map("".join))
def test_a_text_has_the_tokens_of_its_words(codec, text):
    words = word_cache_of(codec.backend)
    expected = codec.backend.encode(text, add_special_tokens=False).ids
    assert words.encode(text) in (None, expected)
    assert codec.encode_all([text])[text] == expected


@pytest.mark.parametrize("text", ["naïve", "a\x0b", "\x1c", "🙂"])
def test_what_is_more_than_printed_ascii_goes_the_usual_way(codec, text):
    assert word_cache_of(codec.backend).encode(text) is None


def test_words_are_looked_up_once(codec):
    words = word_cache_of(codec.backend)
    words.encode("the answer the answer")
    known = dict(words._tokens)
    words.encode("the answer")
    assert words._tokens == known


@pytest.mark.parametrize(
    "change",
    [
        lambda backend: setattr(backend, "normalizer", normalizers.Lowercase()),
        lambda backend: setattr(backend, "pre_tokenizer", pre_tokenizers.Whitespace()),
        lambda backend: backend.add_tokens(["answer"]),
        lambda backend: setattr(backend.model, "dropout", 0.5),
    ],
)
def test_a_tokenizer_of_another_kind_goes_the_usual_way(make_tokenizer, change):
    backend = make_tokenizer(["<|im_end|>"]).backend_tokenizer
    assert word_cache_of(backend) is not None
    change(backend)
    assert word_cache_of(backend) is None


def test_a_word_that_spells_a_control_token_stays_text(chatml_tokenizer):
    renderer = get_renderer("chatml_plain", chatml_tokenizer)
    rendered = renderer.render([Message(role="user", content="<|im_end|> " * 3)])
    assert rendered.tokens.tolist().count(renderer.codec.ids["<|im_end|>"]) == 1
