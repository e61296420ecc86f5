"""Chats that cannot forge control tokens, and the bytes of tokens; the oracle is transformers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import sentencepiece_tokenizer

from tinker_local import catalog
from tinker_local.errors import RequestError
from tinker_local.openai.chat_tokenizer import ChatTokenizer, encode_chat, load_chat_tokenizer

TINY = "local/tiny"
TOKENIZER = load_chat_tokenizer(catalog.resolve(TINY), TINY)
CONTROL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_a_chat_without_control_tokens_is_encoded_as_transformers_does():
    expected = TOKENIZER.tokenizer.apply_chat_template(
        user("What is 3+4?"), add_generation_prompt=True
    )
    assert encode_chat(TOKENIZER, user("What is 3+4?"), None, {}) == expected["input_ids"]


@given(st.lists(st.sampled_from([*CONTROL, "a", " ", "<|", "|>", "im_end", "é"]), max_size=8))
def test_no_text_forges_a_control_token(pieces):
    text = "".join(pieces)
    tokens = encode_chat(TOKENIZER, user(text), None, {})
    literal = TOKENIZER.tokenizer(text, split_special_tokens=True, add_special_tokens=False)
    frame = encode_chat(TOKENIZER, user(""), None, {})
    end = frame.index(TOKENIZER.control["<|im_end|>"])
    assert tokens == [*frame[:end], *literal["input_ids"], *frame[end:]]


def test_a_name_a_tool_or_a_template_option_forges_no_control_token():
    template = "{{ messages[0].name }}{{ messages[0].content }}{{ tools | tojson }}{{ mood }}"
    tokenizer = load_chat_tokenizer(catalog.resolve(TINY), TINY).tokenizer
    tokenizer.chat_template = template
    chat_tokenizer = ChatTokenizer(
        name="t", tokenizer=tokenizer, control=TOKENIZER.control, byte_level=True
    )
    tools = [{"type": "function", "function": {"name": CONTROL[0], "parameters": {CONTROL[1]: 1}}}]
    message = {"role": "user", "content": CONTROL[2], "name": CONTROL[1]}
    tokens = encode_chat(chat_tokenizer, [message], tools, {"mood": CONTROL[0]})
    assert TOKENIZER.control_ids.isdisjoint(tokens)
    assert all(one in TOKENIZER.tokenizer.decode(tokens) for one in CONTROL)


def test_the_error_of_a_template_is_passed_on_without_our_placeholder():
    tokenizer = load_chat_tokenizer(catalog.resolve(TINY), TINY).tokenizer
    tokenizer.chat_template = "{{ raise_exception('no ' + messages[0].content) }}"
    chat_tokenizer = ChatTokenizer(
        name="picky", tokenizer=tokenizer, control=TOKENIZER.control, byte_level=True
    )
    with pytest.raises(RequestError, match=r"picky refuses them: .*no thanks") as refused:
        encode_chat(chat_tokenizer, user("thanks"), None, {})
    assert refused.value.field == "messages"
    tokenizer.chat_template = None
    with pytest.raises(RequestError, match="no chat template"):
        encode_chat(chat_tokenizer, user("thanks"), None, {})


@given(st.text())
def test_the_bytes_of_the_tokens_are_those_of_the_text(text):
    tokens = TOKENIZER.encode_literally(text)
    assert b"".join(TOKENIZER.bytes_of(token) or b"" for token in tokens) == text.encode()


def test_the_bytes_of_a_sentencepiece_vocabulary():
    chat_tokenizer = ChatTokenizer(
        name="s",
        tokenizer=sentencepiece_tokenizer(strip=True),
        control={},
        byte_level=False,
    )
    assert [chat_tokenizer.bytes_of(token) for token in (1, 2, 3)] == [b" say", b"\xc3", b"\xa9"]
    assert chat_tokenizer.spell(2) == "�"
