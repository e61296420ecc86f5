"""ChatML against the chat templates that define it."""

import pytest

from tinker_core import CutShort, Malformed, Message, RenderError, Reply
from tinker_render import get_renderer

CONVERSATIONS = [
    [{"role": "user", "content": "Hi"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    [
        {"role": "user", "content": "\n\n  first line\n"},
        {"role": "assistant", "content": "The answer is 42."},
        {"role": "user", "content": "Größe 東京 🙂?"},
        {"role": "assistant", "content": "Yes\n\nNo"},
    ],
    [
        {"role": "user", "content": ""},
        {"role": "assistant", "content": ""},
        {"role": "tool", "content": "sunny"},
    ],
]


def by_template(tokenizer, messages, template=None, **settings):
    """What the template makes of the messages, encoded as transformers does it."""
    return tokenizer.apply_chat_template(
        messages, chat_template=template, tokenize=True, return_dict=False, **settings
    )


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_a_conversation_has_the_tokens_of_the_template(chatml_tokenizer, messages):
    renderer = get_renderer("chatml_plain", chatml_tokenizer)
    assert renderer.render(messages).tokens.tolist() == by_template(chatml_tokenizer, messages)


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_a_generation_prompt_has_the_tokens_of_the_template(chatml_tokenizer, messages):
    renderer = get_renderer("chatml_plain", chatml_tokenizer)
    expected = by_template(chatml_tokenizer, messages, add_generation_prompt=True)
    assert renderer.build_generation_prompt(messages).to_ints() == expected


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_smollm2_gets_its_default_system_prompt(chatml_tokenizer, smollm2_template, messages):
    renderer = get_renderer("chatml", chatml_tokenizer)
    expected = by_template(chatml_tokenizer, messages, smollm2_template)
    assert renderer.render(messages).tokens.tolist() == expected


def test_a_reply_with_its_end_is_a_reply(chatml_tokenizer):
    renderer = get_renderer("chatml_plain", chatml_tokenizer)
    tokens = chatml_tokenizer.encode(" Hi\nthere \n<|im_end|>")
    assert renderer.parse_response(tokens) == Reply(
        Message(role="assistant", content=" Hi\nthere \n")
    )


def test_a_reply_that_ends_with_end_of_text_is_a_reply(make_tokenizer):
    tokenizer = make_tokenizer(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], eos_token="<|endoftext|>"
    )
    renderer = get_renderer("chatml_plain", tokenizer)
    outcome = renderer.parse_response(tokenizer.encode("Hi<|endoftext|>"))
    assert outcome == Reply(Message(role="assistant", content="Hi"))


def test_a_reply_without_its_end_is_cut_short(chatml_tokenizer):
    renderer = get_renderer("chatml_plain", chatml_tokenizer)
    outcome = renderer.parse_response(chatml_tokenizer.encode("Hi the"))
    assert outcome == CutShort(Message(role="assistant", content="Hi the"))


def test_no_tokens_at_all_are_cut_short(chatml_tokenizer):
    renderer = get_renderer("chatml_plain", chatml_tokenizer)
    assert renderer.parse_response([]) == CutShort(Message(role="assistant"))


@pytest.mark.parametrize(
    "text", ["a<|im_start|>b<|im_end|>", "a<|im_end|>b", "a<|im_end|><|im_end|>"]
)
def test_a_reply_of_another_shape_is_malformed(chatml_tokenizer, text):
    renderer = get_renderer("chatml_plain", chatml_tokenizer)
    outcome = renderer.parse_response(chatml_tokenizer.encode(text))
    assert isinstance(outcome, Malformed)
    assert outcome.message.text.startswith("a")


def test_a_reply_that_spells_out_a_control_token_is_text(chatml_tokenizer):
    renderer = get_renderer("chatml_plain", chatml_tokenizer)
    messages = [
        {"role": "user", "content": "How does a turn end?"},
        {"role": "assistant", "content": "With <|im_end|>."},
    ]
    tokens, weights = renderer.build_supervised_example(messages)
    sampled = [t for t, w in zip(tokens.to_ints(), weights, strict=True) if w]
    assert renderer.parse_response(sampled) == Reply(
        Message(role="assistant", content="With <|im_end|>.")
    )


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"role": "assistant", "content": "", "reasoning_content": "hm"}, "reasoning"),
        ({"role": "user", "content": [{"type": "image", "image": b"x"}]}, "images"),
        ({"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}, "tool calls"),
    ],
)
def test_what_chatml_cannot_express_is_refused_with_its_place(chatml_tokenizer, message, problem):
    renderer = get_renderer("chatml_plain", chatml_tokenizer)
    with pytest.raises(RenderError, match=rf"messages\[1\] \({message['role']}\).*{problem}"):
        renderer.render([{"role": "user", "content": "Hi"}, message])


def test_tools_are_refused(chatml_tokenizer):
    renderer = get_renderer("chatml_plain", chatml_tokenizer)
    with pytest.raises(RenderError, match="tools"):
        renderer.render([{"role": "user", "content": "Hi"}], tools=[{"name": "f"}])
