"""The error for a message that a format has no form for says what has one."""

from fnmatch import fnmatch

import pytest

from tinker_core import RenderError, strip_reasoning
from tinker_core.messages import Message, ThinkingPart
from tinker_render.format.message_text import RENDERERS_WITH
from tinker_render.registry import FORMATS

ASKED = {"role": "user", "content": "Hi"}
REASONED = {"role": "assistant", "content": "4", "reasoning_content": "2+2"}
TOOL = {"name": "f", "description": "", "parameters": {"type": "object", "properties": {}}}


def accepts(render):
    try:
        render()
    except RenderError as error:
        return error.lacks
    return True


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("feature", ["reasoning", "tools"])
def test_the_renderers_that_the_error_names_are_those_that_have_a_form(renderer_of, name, feature):
    renderer = renderer_of(name)
    if feature == "reasoning":
        found = accepts(lambda: renderer.build_supervised_example([ASKED, REASONED]))
    else:
        found = accepts(lambda: renderer.build_generation_prompt([ASKED], tools=[TOOL]))
    named = any(fnmatch(name, pattern) for pattern in RENDERERS_WITH[feature])
    off = feature == "reasoning" and "disable" in name
    if name != "template":  # it depends on the template
        assert found in ((True,) if named and not off else (feature,))


def test_every_pattern_names_a_renderer():
    for patterns in RENDERERS_WITH.values():
        for pattern in patterns:
            assert any(fnmatch(name, pattern) for name in FORMATS), pattern


def test_the_error_says_what_to_do(renderer_of):
    with pytest.raises(RenderError) as caught:
        renderer_of("chatml").render([ASKED, REASONED])
    assert caught.value.lacks == "reasoning"
    message = str(caught.value)
    assert message.startswith("messages[1] (assistant): chatml has no form for reasoning")
    assert "qwen3" in message
    assert "strip_reasoning" in message
    with pytest.raises(RenderError, match=r"no form for tools.*qwen3") as caught:
        renderer_of("llama3").render([ASKED], tools=[TOOL])
    assert caught.value.lacks == "tools"


def test_what_the_error_advises_helps(renderer_of):
    messages = [
        Message(role="user", content="Hi"),
        Message(role="assistant", content=[ThinkingPart("hm")]),
    ]
    assert len(renderer_of("chatml").render(strip_reasoning(messages)).tokens)
