"""Text that spells a control token stays text, in every field, for every token of every family."""

import json
from fnmatch import fnmatch

import pytest

from tinker_core import Message, RenderError, Reply, TextPart, ThinkingPart, ToolCall, ToolSpec
from tinker_render import NoBridge, TrainOnWhat
from tinker_render.format.message_text import RENDERERS_WITH
from tinker_render.registry import FORMATS

LAST = TrainOnWhat.LAST_ASSISTANT_MESSAGE
RENDERERS = sorted(FORMATS)


def has(name, feature):
    off = feature == "reasoning" and "disable" in name
    return not off and any(fnmatch(name, pattern) for pattern in RENDERERS_WITH[feature])


def conversation(name, said):
    """`said` in every field that the family has a form for."""
    reasoning = [ThinkingPart(said)] if has(name, "reasoning") else []
    answer = Message(role="assistant", content=[*reasoning, TextPart(said)])
    messages = [Message(role=role, content=said) for role in ("system", "user")]
    if has(name, "tools"):
        call = ToolCall(name="look", arguments=json.dumps({"a": said, "b": [said]}))
        messages.append(Message(role="assistant", content=answer.content, tool_calls=(call,)))
        messages.append(Message(role="tool", content=said))
    return [*messages, answer]


def content(message):
    calls = [(call.name, call.parsed_arguments) for call in message.tool_calls]
    return message.thinking, message.text, calls


def emitted(renderer, messages):
    """What the model emits as the last message."""
    prompt = renderer.build_generation_prompt(messages[:-1]).to_ints()
    model_input, _ = renderer.build_supervised_example(messages, LAST)
    assert model_input.to_ints()[: len(prompt)] == prompt
    return model_input.to_ints()[len(prompt) :]


@pytest.mark.parametrize("name", RENDERERS)
def test_a_spelled_control_token_is_rendered_parsed_and_rendered_again(renderer_of, name):
    renderer = renderer_of(name)
    control = set(renderer.codec.control_names)
    expected = [t for t in renderer.render(conversation(name, "x")).tokens if t in control]
    for token in renderer.tokenizer.get_added_vocab():
        messages = conversation(name, f"The tag {token} ends it.")
        assert [t for t in renderer.render(messages).tokens if t in control] == expected, token
        for i in (i for i, message in enumerate(messages) if message.role == "assistant"):
            outcome = renderer.parse_response(emitted(renderer, messages[: i + 1]))
            assert isinstance(outcome, Reply), token
            assert content(outcome.message) == content(messages[i])
            again = emitted(renderer, [*messages[:i], outcome.message])
            assert again == emitted(renderer, messages[: i + 1])


@pytest.mark.parametrize("name", RENDERERS)
def test_a_spelled_control_token_stays_text_behind_a_bridge(renderer_of, name):
    renderer = renderer_of(name)
    for token in renderer.tokenizer.get_added_vocab():
        *before, answer = conversation(name, f"The tag {token} ends it.")
        following = [Message(role="user", content=f"{token}?")]
        sampled = emitted(renderer, [*before, answer])
        bridge = renderer.bridge(before, sampled, following)
        if not isinstance(bridge, NoBridge):
            expected = renderer.build_generation_prompt([*before, answer, *following]).to_ints()
            prompt = renderer.build_generation_prompt(before).to_ints()
            assert [*prompt, *sampled, *bridge] == expected, token


@pytest.mark.parametrize("name", [name for name in RENDERERS if has(name, "tools")])
@pytest.mark.parametrize("field", ["tool", "description", "key", "name", "id", "parameters"])
def test_a_spelled_control_token_in_a_name_is_text_or_refused(renderer_of, name, field):
    renderer = renderer_of(name)
    control = set(renderer.codec.control_names)

    def rendered(said):
        schema = {"type": "object", "properties": {said["parameters"]: {"type": "string"}}}
        tool = ToolSpec(name=said["tool"], description=said["description"], parameters=schema)
        call = ToolCall(name=said["tool"], arguments=json.dumps({said["key"]: "v"}), id=said["id"])
        messages = [
            Message(role="user", content="Hi"),
            Message(role="assistant", tool_calls=(call,)),
            Message(role="tool", content="x", name=said["name"], tool_call_id=said["id"]),
        ]
        return [t for t in renderer.render(messages, tools=[tool]).tokens if t in control]

    plain = dict.fromkeys(["tool", "description", "key", "name", "id", "parameters"], "x")
    expected = rendered(plain)
    for token in renderer.tokenizer.get_added_vocab():
        try:
            assert rendered({**plain, field: f"a{token}b"}) == expected, token
        except RenderError:
            assert field in ("tool", "key")  # XML and GLM name tools without <, > and spaces
