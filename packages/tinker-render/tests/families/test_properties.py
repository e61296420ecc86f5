"""What must hold for every renderer, whatever is said."""

import json
from fnmatch import fnmatch
from itertools import chain

import numpy as np
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinker_core import Message, Reply, TextPart, ThinkingPart, ToolCall
from tinker_render import NoBridge, TrainOnWhat
from tinker_render.format.chat import Chat
from tinker_render.format.interface import write_chat
from tinker_render.format.message_text import RENDERERS_WITH
from tinker_render.registry import FORMATS
from tinker_render.segments import emission

FEW = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
LAST = TrainOnWhat.LAST_ASSISTANT_MESSAGE
RENDERERS = sorted(FORMATS)
SPELLED = [
    *("<|im_end|>", "<|im_start|>system\n", "<think>", "</think>", "<tool_call>", "</tool_call>"),
    *("<tool_response>", "</tool_response>", "<arg_key>", "</arg_value>", "/nothink"),
    *("<|eot_id|>", "<\uff5cUser\uff5c>", "<|im_user|>", "<|end|>", "<|return|>", "<|channel|>"),
    *("<|user|>", "<|observation|>", "<end_of_turn>", "<|tool_call_argument_begin|>"),
    *("\n", "\n\n", " "),
]
"""Control tokens of all families, and white space, which some families trim."""

pieces = st.one_of(st.text(max_size=6), st.sampled_from(SPELLED))
texts = st.lists(pieces, max_size=4).map("".join)
spoken = texts.map(lambda text: f"w{text}w")
names = st.from_regex(r"[a-z][a-z_]{0,7}", fullmatch=True)
values = st.one_of(spoken, st.integers(-99, 99), st.booleans(), st.lists(spoken, max_size=2))
arguments = st.dictionaries(names, values, max_size=3)


def has(name, feature):
    """Whether the renderer has a form for reasoning or tools."""
    off = feature == "reasoning" and "disable" in name
    return not off and any(fnmatch(name, pattern) for pattern in RENDERERS_WITH[feature])


@st.composite
def answers(draw, name, *, call):
    """A message of the assistant that the family can express."""
    parts = [TextPart(draw(spoken if name == "template" else texts))]
    if has(name, "reasoning") and draw(st.booleans()):
        parts.insert(0, ThinkingPart(draw(spoken)))
    text = json.dumps(draw(arguments), ensure_ascii=False)
    calls = [ToolCall(name=draw(names), arguments=text)] if call else []
    return Message(role="assistant", content=parts, tool_calls=calls)


@st.composite
def conversations(draw, name):
    """One to three exchanges, tools in between; the assistant has the last word."""
    messages = [Message(role="system", content=draw(spoken))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages.append(Message(role="user", content=draw(spoken)))
        if has(name, "tools") and draw(st.booleans()):
            messages.append(draw(answers(name, call=True)))
            messages.append(Message(role="tool", content=draw(spoken)))
        messages.append(draw(answers(name, call=False)))
    return messages


def canonical(name, message):
    """The message as the family keeps it: some trim, and none but Kimi knows ids."""
    thinking, text = message.thinking, message.text
    if name.startswith(("qwen3_5", "qwen3_6", "qwen3_8", "glm")):
        thinking, text = thinking.strip(), text.strip()
    elif name in ("qwen3", "qwen3_disable_thinking", "qwen3_vl"):
        thinking, text = thinking.strip("\n"), text.lstrip("\n")
    elif name in ("llama3", "gemma3"):
        text = text.strip()
    elif name.startswith("nemotron"):
        text = text.rstrip()
    parts = [ThinkingPart(thinking)] if thinking else []
    calls = [(call.name, json.loads(call.arguments)) for call in message.tool_calls]
    return (*parts, *([TextPart(text)] if text else [])), calls


def trained(example):
    model_input, weights = example
    return [t for t, w in zip(model_input.to_ints(), weights, strict=True) if w]


@pytest.mark.parametrize("name", RENDERERS)
@FEW
@given(data=st.data())
def test_what_is_rendered_is_parsed_again(renderer_of, name, data):
    renderer = renderer_of(name)
    call = has(name, "tools") and data.draw(st.booleans())
    message = data.draw(answers(name, call=call))
    example = renderer.build_supervised_example([Message(role="user", content="Hi"), message])
    outcome = renderer.parse_response(trained(example))
    assert isinstance(outcome, Reply)
    assert canonical(name, outcome.message) == canonical(name, message)


@pytest.mark.parametrize("name", RENDERERS)
@FEW
@given(data=st.data())
def test_an_example_is_its_prompt_and_all_that_the_model_emits(renderer_of, name, data):
    renderer = renderer_of(name)
    messages = data.draw(conversations(name))
    prompt = renderer.build_generation_prompt(messages[:-1]).to_ints()
    model_input, weights = renderer.build_supervised_example(messages, LAST)
    assert model_input.to_ints()[: len(prompt)] == prompt
    assert weights.tolist() == [0] * len(prompt) + [1] * (model_input.length - len(prompt))
    stops = renderer.get_stop_sequences()
    last = model_input.to_ints()[-1]
    assert last in stops or renderer.tokenizer.decode(model_input.to_ints()).endswith(str(stops[0]))


@pytest.mark.parametrize("name", RENDERERS)
@FEW
@given(data=st.data())
def test_no_text_makes_a_control_token(renderer_of, name, data):
    renderer = renderer_of(name)
    messages = data.draw(conversations(name))

    def tame(text):
        return "x" if text.strip() else text

    tamed = [
        evolve(
            message,
            content=[
                ThinkingPart(tame(part.thinking))
                if isinstance(part, ThinkingPart)
                else TextPart(tame(part.text))
                for part in message.content
            ],
            tool_calls=[
                ToolCall(name=call.name, arguments=json.dumps(dict.fromkeys(call.parsed_arguments)))
                for call in message.tool_calls
            ],
        )
        for message in messages
    ]
    control = list(renderer.tokenizer.get_added_vocab().values())
    made, expected = (renderer.render(given).tokens for given in (messages, tamed))
    assert made[np.isin(made, control)].tolist() == expected[np.isin(expected, control)].tolist()


@pytest.mark.parametrize("name", RENDERERS)
@FEW
@given(data=st.data())
def test_examples_train_on_every_answer_once_and_as_it_was_emitted(renderer_of, name, data):
    renderer = renderer_of(name)
    messages = data.draw(conversations(name))
    examples = renderer.build_supervised_examples(messages, TrainOnWhat.ALL_ASSISTANT_MESSAGES)
    turns = [i for i, message in enumerate(messages) if message.role == "assistant"]
    alone = [renderer.build_supervised_example(messages[: i + 1], LAST) for i in turns]
    assert list(chain(*map(trained, examples))) == list(chain(*map(trained, alone)))
    for tokens in (model_input.to_ints() for model_input, _ in alone):
        assert any(example[0].to_ints()[: len(tokens)] == tokens for example in examples)
    assert (len(examples) == 1) == renderer.extends(messages)
    if renderer.format.stable_prefix(Chat(messages)) == len(messages):
        assert len(examples) == 1


@pytest.mark.parametrize("name", RENDERERS)
@FEW
@given(data=st.data())
def test_a_bridge_leads_to_the_next_prompt(renderer_of, name, data):
    renderer = renderer_of(name)
    *before, _ = data.draw(conversations(name))
    call = has(name, "tools") and data.draw(st.booleans())
    reply = data.draw(answers(name, call=call))
    following = [Message(role="tool" if call else "user", content=data.draw(spoken))]
    prompt = renderer.build_generation_prompt(before).to_ints()
    sampled = trained(renderer.build_supervised_example([*before, reply], LAST))
    bridge = renderer.bridge(before, sampled, following)
    expected = renderer.build_generation_prompt([*before, reply, *following]).to_ints()
    if isinstance(bridge, NoBridge):
        assert expected[: len(prompt) + len(sampled)] != [*prompt, *sampled]
    else:
        assert [*prompt, *sampled, *bridge] == expected


@pytest.mark.parametrize("name", RENDERERS)
@FEW
@given(data=st.data())
def test_a_stable_prefix_is_written_alike_whatever_follows(renderer_of, name, data):
    renderer = renderer_of(name)
    messages = data.draw(conversations(name))
    cut = data.draw(st.sampled_from([i for i, m in enumerate(messages) if m.role == "assistant"]))
    chat, whole = Chat(messages[: cut + 1]), Chat(messages)
    stable = renderer.format.stable_prefix(chat)
    assert 0 <= stable <= len(chat)
    alone, within = (write_chat(renderer.format, each)[: cut + 2] for each in (chat, whole))
    alone[-1], within[-1] = emission(alone[-1]), emission(within[-1])
    assert alone[: stable + 1] == within[: stable + 1]
