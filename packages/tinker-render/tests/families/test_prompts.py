"""A prompt is the beginning of the example: for every message, every role and every mode."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinker_core import DataError, Message, RenderError, TextPart, ThinkingPart, ToolCall
from tinker_render import TrainOnWhat
from tinker_render.format.chat import Chat
from tinker_render.format.interface import write_chat
from tinker_render.registry import FORMATS
from tinker_render.train_on_what import trained_messages

SETTINGS = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXTS = st.sampled_from(["a", "the answer", "\n\nb", " c", "d\n", "", "\n"])
CALL = (ToolCall(name="look", arguments='{"a": 1}'),)


@st.composite
def messages(draw):
    """A message of any role; the assistant reasons, answers or calls."""
    role = draw(st.sampled_from(["user", "assistant", "assistant", "tool", "system"]))
    parts = [TextPart(draw(TEXTS))]
    if role == "assistant" and draw(st.booleans()):
        parts.insert(0, ThinkingPart(draw(TEXTS)))
    calls = CALL if role == "assistant" and draw(st.booleans()) else ()
    return Message(role=role, content=parts, tool_calls=calls)


def expressible(renderer, conversation):
    try:
        renderer.render(conversation)
    except RenderError:
        return False
    return True


def examples_of(renderer, conversation, what):
    try:
        return renderer.build_supervised_examples(conversation, what)
    except (DataError, RenderError):
        return []


@pytest.mark.parametrize("name", sorted(FORMATS))
@SETTINGS
@given(rest=st.lists(messages(), min_size=1, max_size=6), what=st.sampled_from(list(TrainOnWhat)))
def test_the_prompt_of_a_message_begins_the_example_that_trains_on_it(
    renderer_of, name, rest, what
):
    renderer = renderer_of(name)
    conversation = [Message(role="user", content="Hi"), *rest]
    if what is TrainOnWhat.CUSTOMIZED or not expressible(renderer, conversation):
        return
    examples = examples_of(renderer, conversation, what)
    if not examples:
        return
    for i in trained_messages(conversation, what):
        if i == 0 or (name == "template" and conversation[i].role != "assistant"):
            continue  # there is no prompt for a first message; a template has one for answers only
        prompt = renderer.build_generation_prompt(conversation[:i], conversation[i].role).to_ints()
        n = len(prompt)
        begun = [weights for tokens, weights in examples if tokens.to_ints()[:n] == prompt]
        if conversation[i].role == "assistant" or conversation[i].text.strip():
            assert any(len(w) > n and w[n] == 1 for w in begun), (i, conversation[i].role)
        else:  # it may have no token, and an example ends with the last trained token
            ends = [prompt[: tokens.length] == tokens.to_ints() for tokens, _ in examples]
            assert begun or any(ends), (i, conversation[i].role)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_messages_without_a_token_to_train_on_are_an_error_or_rendered(renderer_of, name):
    renderer = renderer_of(name)
    conversation = [Message(role="user"), Message(role="assistant", content="a")]
    what = TrainOnWhat.ALL_USER_AND_SYSTEM_MESSAGES
    if renderer.codec.render(write_chat(renderer.format, Chat(conversation))[1]).content.any():
        [example] = renderer.build_supervised_examples(conversation, what)
        assert example[1].any()
        return
    with pytest.raises(DataError, match="no tokens"):
        renderer.build_supervised_examples(conversation, what)


@pytest.mark.parametrize("name", ["qwen3_5", "qwen3_8_xhigh_reasoning", "nemotron3"])
def test_an_answer_is_trained_on_only_behind_a_prompt_that_the_format_has(renderer_of, name):
    renderer = renderer_of(name)
    user, answer = Message(role="user", content="b"), Message(role="assistant", content="a")
    system = Message(role="system", content="s")
    try:
        renderer.build_generation_prompt([system])
    except RenderError:
        with pytest.raises(RenderError, match="user message"):
            renderer.build_supervised_examples([system, answer, user, answer])


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("turns", ["r", "rr", "_r", "r_", "rcr", "cr", "rc"])
def test_reasoning_to_train_on_is_trained_on_or_refused(renderer_of, name, turns):
    renderer = renderer_of(name)
    conversation = []
    for n, kind in enumerate(turns):
        parts = [TextPart("a")] if kind == "_" else [ThinkingPart(f"hm{n}"), TextPart("a")]
        calls = CALL if kind == "c" else ()
        answer = Message(role="assistant", content=parts, tool_calls=calls)
        follows = "tool" if n and turns[n - 1] == "c" else "user"
        conversation += [Message(role=follows, content="b", name="look"), answer]
    try:
        examples = renderer.build_supervised_examples(conversation)
    except RenderError:
        return
    trained = [
        token
        for tokens, weights in examples
        for token, weight in zip(tokens.to_ints(), weights, strict=True)
        if weight
    ]
    text = renderer.tokenizer.decode(trained)
    assert [f"hm{n}" in text for n in range(len(turns))] == [kind != "_" for kind in turns]


@pytest.mark.parametrize("name", ["qwen3", "qwen3_5", "qwen3_6", "gpt_oss_high_reasoning", "glm"])
def test_a_prompt_for_the_user_shows_answers_without_reasoning(renderer_of, name):
    renderer = renderer_of(name)
    answer = Message(role="assistant", content=[ThinkingPart("hm"), TextPart("4")])
    prompt = renderer.build_generation_prompt(
        [Message(role="user", content="2+2?"), answer], "user"
    )
    text = renderer.tokenizer.decode(prompt.to_ints())
    assert "4" in text
    assert "hm" not in text
