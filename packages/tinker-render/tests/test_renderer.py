"""Prompts, supervised examples and their weights."""

import copy
import pickle

import numpy as np
import pytest

from tinker_core import DataError, Message
from tinker_render import NoBridge, TrainOnWhat, get_renderer

MESSAGES = [
    {"role": "system", "content": "Be kind.", "trainable": False},
    {"role": "user", "content": "one", "trainable": True},
    {"role": "assistant", "content": "two", "trainable": False},
    {"role": "user", "content": "three", "trainable": False},
    {"role": "assistant", "content": "four", "trainable": True},
    {"role": "tool", "content": "five", "trainable": False},
    {"role": "assistant", "content": "six", "trainable": True},
]

PLAIN = [{key: m[key] for key in ("role", "content")} for m in MESSAGES]


@pytest.fixture
def renderer(chatml_tokenizer):
    return get_renderer("chatml", chatml_tokenizer)


def trained_text(renderer, messages, what):
    model_input, weights = renderer.build_supervised_example(messages, what)
    assert weights.dtype == np.float32
    assert weights.shape == (model_input.length,)
    assert weights[-1] == 1
    tokens = [t for t, w in zip(model_input.to_ints(), weights, strict=True) if w]
    return renderer.tokenizer.decode(tokens)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("last_assistant_message", "six<|im_end|>"),
        ("last_assistant_turn", "four<|im_end|>six<|im_end|>"),
        ("all_assistant_messages", "two<|im_end|>four<|im_end|>six<|im_end|>"),
        ("all_user_and_system_messages", "Be kind.<|im_end|>one<|im_end|>three<|im_end|>"),
        ("customized", "one<|im_end|>four<|im_end|>six<|im_end|>"),
        (
            "all_messages",
            "Be kind.<|im_end|>one<|im_end|>two<|im_end|>three<|im_end|>four<|im_end|>"
            "five<|im_end|>six<|im_end|>",
        ),
    ],
)
def test_what_is_trained_on_is_what_was_asked_for(renderer, what, expected):
    messages = MESSAGES if what == "customized" else PLAIN
    assert trained_text(renderer, messages, TrainOnWhat(what)) == expected


def test_all_tokens_are_all_tokens(renderer):
    for messages in (PLAIN, PLAIN[1:]):
        _, weights = renderer.build_supervised_example(messages, TrainOnWhat.ALL_TOKENS)
        assert weights.all()


def test_all_assistant_messages_are_the_default(renderer):
    tokens, weights = renderer.build_supervised_example(PLAIN)
    other, same = renderer.build_supervised_example(PLAIN, TrainOnWhat.ALL_ASSISTANT_MESSAGES)
    assert (tokens, weights.tolist()) == (other, same.tolist())


def test_a_supervised_example_is_the_prompt_and_what_the_model_would_emit(renderer):
    prompt = renderer.build_generation_prompt(PLAIN[:-1]).to_ints()
    last = TrainOnWhat.LAST_ASSISTANT_MESSAGE
    model_input, weights = renderer.build_supervised_example(PLAIN, last)
    assert model_input.to_ints()[: len(prompt)] == prompt
    assert weights.tolist() == [0] * len(prompt) + [1] * (model_input.length - len(prompt))
    assert model_input.to_ints()[-1] == renderer.get_stop_sequences()[0]


def test_the_boundary_of_the_prompt_holds_where_the_answer_begins_with_a_newline(renderer):
    messages = [MESSAGES[1], {"role": "assistant", "content": "\n\nyes"}]
    prompt = renderer.build_generation_prompt(messages[:1]).to_ints()
    assert renderer.build_supervised_example(messages)[0].to_ints()[: len(prompt)] == prompt


def test_values_and_dictionaries_render_alike(renderer):
    values = [Message(role=m["role"], content=m["content"]) for m in MESSAGES]
    assert renderer.render(values).tokens.tolist() == renderer.render(MESSAGES).tokens.tolist()


def test_every_token_knows_its_message(renderer):
    rendered = renderer.render(MESSAGES)
    for i, message in enumerate(MESSAGES):
        tokens = rendered.tokens[rendered.message == i]
        text = f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n"
        assert renderer.tokenizer.decode(tokens) == text
    assert set(rendered.message[rendered.sampled]) == {2, 4, 6}
    assert rendered.content[rendered.sampled].all()


def test_a_default_system_prompt_belongs_to_no_message(renderer):
    rendered = renderer.render(MESSAGES[1:2])
    assert "SmolLM" in renderer.tokenizer.decode(rendered.tokens[rendered.message == -1])


def test_a_token_over_header_and_content_counts_as_content(renderer):
    rendered = renderer.render([{"role": "system", "content": "\nHi"}])
    content = renderer.tokenizer.decode(rendered.tokens[rendered.content])
    assert content == "\n\nHi<|im_end|>"  # the vocabulary has a token for two newlines


def test_a_prefill_goes_behind_the_header(renderer):
    prompt = renderer.build_generation_prompt(MESSAGES[:2], prefill="\nWell,").to_ints()
    bare = renderer.build_generation_prompt(MESSAGES[:2]).to_ints()
    assert prompt[: len(bare)] == bare
    assert renderer.tokenizer.decode(prompt[len(bare) :]) == "\nWell,"


def test_a_user_can_be_the_one_to_speak(renderer):
    prompt = renderer.build_generation_prompt(MESSAGES[:3], role="user").to_ints()
    assert renderer.tokenizer.decode(prompt).endswith("<|im_start|>user\n")


@pytest.mark.parametrize("what", ["last_assistant_message", "last_assistant_turn"])
def test_a_conversation_without_an_assistant_cannot_be_trained_on(renderer, what):
    with pytest.raises(DataError, match=f"no message to train on with {what}"):
        renderer.build_supervised_example(MESSAGES[:2], what)


def test_customized_wants_to_be_told_about_every_message(renderer):
    messages = [MESSAGES[0], {"role": "user", "content": "one"}]
    with pytest.raises(DataError, match=r"messages\[1\].trainable"):
        renderer.build_supervised_example(messages, TrainOnWhat.CUSTOMIZED)


def test_a_bad_message_is_named(renderer):
    with pytest.raises(DataError, match=r"messages\[1\].role: unknown role 'robot'"):
        renderer.render([MESSAGES[0], {"role": "robot", "content": "x"}])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))])
def test_a_copy_renders_alike(renderer, copied):
    other = copied(renderer)
    assert other.render(MESSAGES).tokens.tolist() == renderer.render(MESSAGES).tokens.tolist()
    assert other.name == "chatml"


def test_a_bridge_keeps_the_tokens_that_were_sampled(renderer):
    stop = renderer.get_stop_sequences()[0]
    sampled = [renderer.tokenizer.encode(letter)[0] for letter in "the"] + [stop]
    bridge = renderer.bridge(MESSAGES[1:2], sampled, MESSAGES[3:4])
    assert renderer.tokenizer.decode(bridge) == (
        "\n<|im_start|>user\nthree<|im_end|>\n<|im_start|>assistant\n"
    )


def test_there_is_no_bridge_behind_a_reply_that_did_not_end(renderer):
    tokens = renderer.tokenizer.encode("the")
    assert renderer.bridge(MESSAGES[1:2], tokens, MESSAGES[3:4]) == NoBridge(
        "the reply is CutShort"
    )


def test_there_is_no_bridge_where_reasoning_is_dropped(renderer_of):
    renderer = renderer_of("qwen3")
    sampled = renderer.tokenizer.encode("<think>\nhm\n</think>\n\n4<|im_end|>")
    bridge = renderer.bridge(MESSAGES[1:2], sampled, MESSAGES[3:4])
    assert isinstance(bridge, NoBridge)
    answer = [{"role": "tool", "content": "sunny"}]
    assert isinstance(renderer.bridge(MESSAGES[1:2], sampled, answer), list)


def test_there_is_no_bridge_where_the_model_named_who_speaks_and_another_does(renderer_of):
    renderer = renderer_of("role_colon")
    sampled = renderer.tokenizer.encode(" four\n\nUser:", add_special_tokens=False)
    assert isinstance(renderer.bridge(MESSAGES[1:2], sampled, MESSAGES[3:4]), list)
    assert isinstance(renderer.bridge(MESSAGES[1:2], sampled, MESSAGES[:1]), NoBridge)


def test_a_bridge_looks_only_at_the_messages_that_may_be_written_otherwise(renderer_of):
    for name in ("qwen3_instruct", "qwen3"):
        renderer = renderer_of(name)
        sampled = renderer.tokenizer.encode("<think>\nhm\n</think>\n\n4<|im_end|>")
        sampled = sampled if name == "qwen3" else renderer.tokenizer.encode("4<|im_end|>")
        before = [*[{"role": "nobody"}] * 3, *MESSAGES[1:2]]
        answer = [{"role": "tool", "content": "sunny"}]
        assert renderer.bridge(before, sampled, answer) == renderer.bridge(
            MESSAGES[1:2], sampled, answer
        )
