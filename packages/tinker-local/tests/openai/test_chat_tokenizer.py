"""Chats and tokens: what cannot be forged, what bytes a token is; the oracle is transformers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from tinker_local import catalog
from tinker_local.errors import RequestError
from tinker_local.openai.chat_tokenizer import Codec, encode_chat, load_codec
from tinker_local.sampling.detokenizer import TextStream

TINY = "local/tiny"
CODEC = load_codec(catalog.resolve(TINY), TINY)
CONTROL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_an_honest_chat_is_what_transformers_makes_of_it():
    expected = CODEC.tokenizer.apply_chat_template(user("What is 3+4?"), add_generation_prompt=True)
    assert encode_chat(CODEC, user("What is 3+4?"), None, {}) == expected["input_ids"]


@given(st.lists(st.sampled_from([*CONTROL, "a", " ", "<|", "|>", "im_end", "é"]), max_size=8))
def test_no_text_forges_a_control_token(pieces):
    text = "".join(pieces)
    tokens = encode_chat(CODEC, user(text), None, {})
    literal = CODEC.tokenizer(text, split_special_tokens=True, add_special_tokens=False)
    frame = encode_chat(CODEC, user(""), None, {})
    end = frame.index(CODEC.control["<|im_end|>"])
    assert tokens == [*frame[:end], *literal["input_ids"], *frame[end:]]


def test_a_name_a_tool_and_a_template_option_forge_nothing_either():
    template = "{{ messages[0].name }}{{ messages[0].content }}{{ tools | tojson }}{{ mood }}"
    tokenizer = load_codec(catalog.resolve(TINY), TINY).tokenizer
    tokenizer.chat_template = template
    codec = Codec(name="t", tokenizer=tokenizer, control=CODEC.control, byte_level=True)
    tools = [{"type": "function", "function": {"name": CONTROL[0], "parameters": {CONTROL[1]: 1}}}]
    message = {"role": "user", "content": CONTROL[2], "name": CONTROL[1]}
    tokens = encode_chat(codec, [message], tools, {"mood": CONTROL[0]})
    assert CODEC.control_ids.isdisjoint(tokens)
    assert all(one in CODEC.tokenizer.decode(tokens) for one in CONTROL)


def test_a_template_that_refuses_says_why_and_not_our_word():
    tokenizer = load_codec(catalog.resolve(TINY), TINY).tokenizer
    tokenizer.chat_template = "{{ raise_exception('no ' + messages[0].content) }}"
    codec = Codec(name="picky", tokenizer=tokenizer, control=CODEC.control, byte_level=True)
    with pytest.raises(RequestError, match=r"picky refuses them: .*no thanks") as refused:
        encode_chat(codec, user("thanks"), None, {})
    assert refused.value.field == "messages"
    tokenizer.chat_template = None
    with pytest.raises(RequestError, match="no chat template"):
        encode_chat(codec, user("thanks"), None, {})


@given(st.text())
def test_the_bytes_of_the_tokens_are_those_of_the_text(text):
    tokens = CODEC.encode_literally(text)
    assert b"".join(CODEC.bytes_of(token) or b"" for token in tokens) == text.encode()


@pytest.fixture
def sentencepiece():
    """A vocabulary in which spaces begin words, and a text loses its first."""
    words = {"<unk>": 0, "▁say": 1, "<0xC3>": 2, "<0xA9>": 3}
    backend = Tokenizer(models.BPE(vocab=words, merges=[], byte_fallback=True))
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1),
        ]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    return Codec(name="s", tokenizer=tokenizer, control={}, byte_level=False)


def test_the_bytes_of_a_sentencepiece_vocabulary(sentencepiece):
    assert [sentencepiece.bytes_of(token) for token in (1, 2, 3)] == [b" say", b"\xc3", b"\xa9"]
    assert sentencepiece.spell(2) == "�"


def test_a_stream_keeps_the_spaces_between_words(sentencepiece):
    stream = TextStream(sentencepiece.decode)
    assert [stream.push(token) for token in (1, 1, 2, 3, 1)] == ["say", " say", "", "é", " say"]


@given(st.text(max_size=40))
def test_a_stream_is_the_text_and_never_a_broken_character(text):
    stream = TextStream(CODEC.decode)
    pieces = [stream.push(token) for token in CODEC.encode_literally(text)]
    assert "".join([*pieces, stream.finish()]) == text
    if "�" not in text:
        assert not any("�" in piece for piece in pieces)


@given(st.lists(st.integers(0, 258), max_size=40), st.booleans())
def test_any_bytes_come_out_of_a_stream_sooner_or_later(tokens, with_stops):
    stream = TextStream(CODEC.decode, ("a", "bc") if with_stops else ())
    text = "".join(stream.push(token) for token in tokens) + stream.finish()
    decoded = CODEC.decode(tokens)
    ends = [decoded.find(stop) for stop in stream.stops if stop in decoded]
    wanted = decoded[: min(ends)] if ends else decoded
    assert text.replace("�", "") == wanted.replace("�", "")
    assert stream.stopped == bool(ends)


def test_a_character_that_never_ends_holds_up_the_text_for_eight_tokens_only():
    stream = TextStream(CODEC.decode)
    broken = CODEC.encode_literally("é")[:1]
    assert [bool(stream.push(token)) for token in broken * 8] == [False] * 7 + [True]


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_a_stream_ends_before_the_first_stop_string(text, stops):
    stream = TextStream(CODEC.decode, tuple(stops))
    pieces = []
    for token in CODEC.encode_literally(text):
        if not stream.stopped:  # the sampler ends there
            pieces.append(stream.push(token))
    whole = "".join([*pieces, stream.finish()])
    prefixes = [text[:n] for n in range(len(text) + 1)]
    first = next((p for p in prefixes if any(stop in p for stop in stops)), None)
    if first is None:
        assert whole == text
    else:
        assert whole == first[: min(first.find(stop) for stop in stops if stop in first)]
    assert stream.stopped == (first is not None)
