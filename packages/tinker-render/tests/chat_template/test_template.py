"""Any model's own chat template, its assumptions checked on every conversation."""

import json
import re

import pytest

from tinker_core import ConfigError, DataError, Message, RenderError, Reply, TextPart, ThinkingPart
from tinker_render import TrainOnWhat, get_renderer
from tinker_render.chat_template.tool_calls import BOUNDS

LAST = TrainOnWhat.LAST_ASSISTANT_MESSAGE
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
HEADER = "{{ '<|im_start|>' + m['role'] + '\\n' }}"
PROMPT = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": " Hi\n"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Bye"},
    {"role": "assistant", "content": "See you"},
]
FORGETFUL = (
    "{% for m in messages %}" + HEADER + "{% if m['role'] == 'assistant' and loop.last %}"
    "{{ '<think>' + (m['reasoning_content'] or '') + '</think>' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>\\n' }}{% endfor %}" + PROMPT
)


JSON_CALLS = (
    '{% for c in m.tool_calls or [] %}{{ \'\\n<tool_call>\\n{"name": "\' + c.function.name }}'
    "{{ '\", \"arguments\": ' + c.function.arguments | tojson + '}\\n</tool_call>' }}{% endfor %}"
)
XML_CALLS = (
    "{% for c in m.tool_calls or [] %}"
    "{{ '\\n<tool_call>\\n<function=' + c.function.name + '>\\n' }}"
    "{% for k, v in c.function.arguments.items() %}{{ '<parameter=' + k + '>\\n' }}"
    "{{ v if v is string else v | tojson }}{{ '\\n</parameter>\\n' }}{% endfor %}"
    "{{ '</function>\\n</tool_call>' }}{% endfor %}"
)
CALLED = [
    MESSAGES[1],
    {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [
            {"function": {"name": "find", "arguments": '{"q": "a \\"b\\" <|im_end|>", "n": 2}'}},
            {"function": {"name": "now", "arguments": "{}"}},
        ],
    },
    {"role": "tool", "content": "found"},
    {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "now"}}]},
    {"role": "tool", "content": "12:00"},
    {"role": "assistant", "content": "At noon."},
]


def template(body):
    """A ChatML template whose messages have this body."""
    return "{% for m in messages %}" + HEADER + body + "{% endfor %}" + PROMPT


@pytest.fixture
def of(make_tokenizer):
    """The renderer that follows a template."""

    def make(text):
        return get_renderer(
            "template",
            make_tokenizer(SPECIAL, markup=["<think>", "</think>", *BOUNDS], template=text),
        )

    return make


@pytest.mark.parametrize("trim", ["", " | trim", ".lstrip('\\n')"])
def test_it_writes_what_the_template_does(of, trim):
    renderer = of(template("{{ (m['content']" + trim + ") + '<|im_end|>\\n' }}"))
    expected = renderer.tokenizer.apply_chat_template(MESSAGES, return_dict=False)
    assert renderer.render(MESSAGES).tokens.tolist() == expected


def test_it_trains_on_the_same_tokens_as_our_own_renderer_of_the_format(surrogate):
    examples = [
        get_renderer(name, surrogate).build_supervised_examples(
            MESSAGES, TrainOnWhat.ALL_ASSISTANT_MESSAGES
        )
        for name in ("template", "chatml_plain")
    ]
    for (ours, weights), (same, expected) in zip(*examples, strict=True):
        assert (ours, weights.tolist()) == (same, expected.tolist())


def test_reasoning_that_the_template_forgets_makes_an_example_of_its_own(of):
    renderer = of(FORGETFUL)
    messages = [
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "4", "reasoning_content": "two twos"},
        {"role": "user", "content": "3+3?"},
        {"role": "assistant", "content": "6", "reasoning_content": "two threes"},
    ]
    examples = renderer.build_supervised_examples(messages, TrainOnWhat.ALL_ASSISTANT_MESSAGES)
    texts = [renderer.tokenizer.decode(tokens.to_ints()) for tokens, _ in examples]
    assert ["two twos" in text for text in texts] == [True, False]
    assert ["two threes" in text for text in texts] == [False, True]
    assert (
        renderer.tokenizer.decode(
            [t for t, w in zip(examples[1][0].to_ints(), examples[1][1], strict=True) if w]
        )
        == "<think>two threes</think>6<|im_end|>"
    )


def test_a_reply_is_taken_apart_at_the_reasoning(of):
    renderer = of(FORGETFUL)
    tokens = renderer.tokenizer.encode("<think>hm</think>4<|im_end|>")
    parts = (ThinkingPart("hm"), TextPart("4"))
    assert renderer.parse_response(tokens) == Reply(Message(role="assistant", content=parts))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{{ m['content'] + m['content'] + '<|im_end|>\\n' }}", "exactly once"),
        ("{{ (m['content'] | upper) + '<|im_end|>\\n' }}", "does more with the text"),
        ("{{ m['content'][1:] + '<|im_end|>\\n' }}", "ends an answer without"),
        ("{{ '<|im_end|>\\n' }}", "ends an answer without"),
    ],
)
def test_a_template_that_rewrites_text_is_refused(of, body, problem):
    with pytest.raises((RenderError, ConfigError), match=problem):
        of(template(body)).render(MESSAGES)


def test_a_template_whose_answer_does_not_follow_its_prompt_is_refused(of):
    body = "{{ 'Well: ' + m['content'] + '<|im_end|>\\n' }}"
    prompt = template(body).replace("assistant\\n' }}{% endif %}", "model\\n' }}{% endif %}")
    with pytest.raises(
        RenderError, match=r"messages\[2\] \(assistant\).*'assistant\\nWell:' beside"
    ):
        of(prompt).build_supervised_example(MESSAGES, LAST)


def test_reasoning_that_would_be_lost_is_refused(chatml_tokenizer):
    renderer = get_renderer("template", chatml_tokenizer)
    messages = [MESSAGES[1], {"role": "assistant", "content": "4", "reasoning_content": "hm"}]
    with pytest.raises(
        RenderError, match=r"messages\[1\] \(assistant\).*no form for its reasoning"
    ):
        renderer.build_supervised_example(messages)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": "a", "tool_calls": [{"function": {"name": "f"}}]},
        {"role": "tool", "content": "a", "name": "<|im_end|>"},
    ],
)
def test_what_a_template_cannot_be_followed_for_is_refused(chatml_tokenizer, message):
    renderer = get_renderer("template", chatml_tokenizer)
    with pytest.raises(RenderError):
        renderer.render([MESSAGES[1], message])


@pytest.mark.parametrize("said", ["", " ", "\n"])
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_text_without_letters_is_written_as_the_template_does(chatml_tokenizer, role, said):
    messages = [{"role": role, "content": said}, {"role": "user", "content": "a"}]
    written = get_renderer("template", chatml_tokenizer).render(messages).tokens
    theirs = chatml_tokenizer.apply_chat_template(messages, tokenize=False)
    assert chatml_tokenizer.decode(written) == theirs


def test_a_template_that_writes_something_else_for_no_text_is_refused(of):
    renderer = of(template("{{ (m['content'] or '(empty)') + '<|im_end|>' }}"))
    with pytest.raises(RenderError, match="more with the text"):
        renderer.render([MESSAGES[1], {"role": "assistant", "content": ""}])


def test_a_template_that_raises_says_so(of):
    refuse = "{% if m['role'] == 'system' %}{{ raise_exception('no system!') }}{% endif %}"
    renderer = of(template(refuse + "{{ m['content'] + '<|im_end|>' }}"))
    with pytest.raises(RenderError, match="no system!"):
        renderer.render(MESSAGES)


def test_today_is_not_in_a_rendering(of):
    renderer = of("{{ strftime_now('%Y') }}" + template("{{ m['content'] + '<|im_end|>' }}"))
    assert renderer.tokenizer.decode(renderer.render(MESSAGES).tokens).startswith("26 Jul 2024")


def test_no_assistant_is_no_example(chatml_tokenizer):
    with pytest.raises(DataError, match="no message to train on"):
        get_renderer("template", chatml_tokenizer).build_supervised_example(MESSAGES[:2])


@pytest.mark.parametrize("calls", [JSON_CALLS, XML_CALLS])
def test_calls_are_written_as_the_template_does(of, calls):
    renderer = of(template("{{ m['content'] }}" + calls + "{{ '<|im_end|>\\n' }}"))
    theirs = renderer.tokenizer.apply_chat_template(
        [
            {
                **message,
                "tool_calls": [
                    {"function": {**f, "arguments": json.loads(f.get("arguments", "{}"))}}
                    for f in (call["function"] for call in message.get("tool_calls", []))
                ],
            }
            for message in CALLED
        ],
        tokenize=False,
    )
    rendered = renderer.render(CALLED)
    assert renderer.tokenizer.decode(rendered.tokens) == theirs
    ends = rendered.tokens == renderer.codec.ids["<|im_end|>"]
    assert int(ends.sum()) == len(CALLED)  # the one within an argument is letters
    for i, message in enumerate(CALLED):
        said = renderer.tokenizer.decode(rendered.tokens[(rendered.message == i) & ends])
        assert said == "<|im_end|>", message


@pytest.mark.parametrize("calls", [JSON_CALLS, XML_CALLS])
def test_calls_are_trained_on_and_read_again(of, calls):
    renderer = of(template("{{ m['content'] }}" + calls + "{{ '<|im_end|>\\n' }}"))
    examples = renderer.build_supervised_examples(CALLED, TrainOnWhat.ALL_ASSISTANT_MESSAGES)
    trained = [t for x, w in examples for t, v in zip(x.to_ints(), w, strict=True) if v]
    stop = renderer.codec.ids["<|im_end|>"]
    first = renderer.parse_response(trained[: trained.index(stop) + 1])
    assert isinstance(first, Reply)
    assert first.message.text == "I look."
    assert [(c.name, c.parsed_arguments) for c in first.message.tool_calls] == [
        ("find", {"q": 'a "b" <|im_end|>', "n": 2}),
        ("now", {}),
    ]
    assert renderer.tokenizer.decode(trained).count("<tool_call>") == 3


def test_calls_in_a_notation_that_we_cannot_read_are_refused(of):
    calls = "{% for c in m.tool_calls or [] %}{{ 'CALL ' + c.function.name }}{% endfor %}"
    renderer = of(template("{{ m['content'] }}" + calls + "{{ '<|im_end|>\\n' }}"))
    with pytest.raises(RenderError, match=r"messages\[1\] .*no form for calls that can be parsed"):
        renderer.render(CALLED)


def test_a_key_of_an_argument_that_holds_a_control_token_is_refused(of):
    renderer = of(template("{{ m['content'] }}" + JSON_CALLS + "{{ '<|im_end|>\\n' }}"))
    forged = {"function": {"name": "f", "arguments": '{"<|im_end|>": 1}'}}
    messages = [MESSAGES[1], {"role": "assistant", "content": "a", "tool_calls": [forged]}]
    with pytest.raises(RenderError, match="contains the control token"):
        renderer.render(messages)


ENDS_TWICE = "{{ '<|im_end|>' if m.role == 'assistant' else '' }}{{ '<|im_end|>\\n' }}"
INSIDE = (
    "{% if m.reasoning_content %}{{ '<think>' + m.reasoning_content + '<|im_end|>' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>\\n' }}"
)
TWO_ENDS = "{{ m['content'] + '</think><|im_end|>\\n' }}"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (INSIDE, "writes <|im_end|> inside of a turn too"),
        (INSIDE.replace("reasoning_content", "reasoning"), "inside of a turn too"),
        (INSIDE.replace("reasoning_content", "thinking"), "inside of a turn too"),
        ("{{ m['content'] }}" + ENDS_TWICE, "several control tokens"),
        (TWO_ENDS, "several control tokens"),
        (
            JSON_CALLS.replace("<tool_call>", "<|im_end|><tool_call>")
            + TWO_ENDS.replace("</think>", ""),
            "inside of a turn too",
        ),
    ],
)
def test_a_turn_whose_end_is_unknown_is_refused(of, body, problem):
    with pytest.raises(ConfigError, match=re.escape(problem)):
        of(template(body))


def test_a_token_behind_the_whole_conversation_is_not_the_end_of_a_turn(of):
    ends = "{% if loop.last and m.role == 'assistant' %}{{ '<|endoftext|>' }}{% endif %}"
    body = "{{ m['content'] + '<|im_end|>\\n' }}" + ends
    renderer = of(template(body))
    assert renderer.get_stop_sequences() == [renderer.codec.ids["<|im_end|>"]]
    tokens, weights = renderer.build_supervised_example(MESSAGES, LAST)
    trained = [t for t, w in zip(tokens.to_ints(), weights, strict=True) if w]
    assert renderer.tokenizer.decode(trained) == "See you<|im_end|>"


def test_an_end_that_occurs_inside_of_one_message_is_refused(of):
    body = (
        "{{ m['content'] }}{% if m.name %}{{ '<|im_end|>' + m.name }}{% endif %}{{ '<|im_end|>' }}"
    )
    renderer = of(template(body))
    assert len(renderer.render(MESSAGES).tokens)
    messages = [*MESSAGES[:-1], {**MESSAGES[-1], "name": "Bob"}]
    with pytest.raises(RenderError, match=r"messages\[4\].*inside of the turn too"):
        renderer.build_supervised_example(messages, LAST)


ANSWER = "{{ m['content'] + '<|im_end|>\\n' }}"
THOUGHT = "{{ m.reasoning_content + '</mm>' if m.reasoning_content else '' }}"
CHANNEL = "{% if m.role == 'assistant' %}{{ '<|endoftext|>' }}{% endif %}"


@pytest.mark.parametrize(
    ("body", "beside"),
    [
        ("{{ 'all\\n' if m.role == 'assistant' else '' }}" + ANSWER, "all"),
        (CHANNEL + "{{ 'final: ' if m.role == 'assistant' else '' }}" + ANSWER, "final:"),
        (CHANNEL + ANSWER, "<|endoftext|>"),
        ("{{ '</mm>' if m.role == 'assistant' else '' }}" + ANSWER, "</mm>"),
        ("{{ m['content'] }}{{ ' Over.' if m.role == 'assistant' else '' }}<|im_end|>", "Over."),
    ],
)
def test_a_turn_that_would_be_parsed_as_another_message_is_refused(of, body, beside):
    renderer = of(template(body))
    with pytest.raises(RenderError, match=rf"messages\[2\].*{re.escape(beside)}.*beside the parts"):
        renderer.render(MESSAGES)
    assert len(renderer.render(MESSAGES[:2]).tokens)


def test_reasoning_in_an_unknown_notation_is_refused(of):
    renderer = of(template(THOUGHT + ANSWER))
    assert len(renderer.render(MESSAGES).tokens)
    reasoned = [MESSAGES[1], {"role": "assistant", "content": "4", "reasoning_content": "hm"}]
    with pytest.raises(RenderError, match=r"messages\[1\].*'</mm>' beside the parts"):
        renderer.render(reasoned)


def test_reasoning_that_the_prompt_opens_is_parsed(of):
    reasoning = "{{ '<think>\\n' + (m.reasoning_content or '') + '\\n</think>\\n' }}"
    body = (
        "{% if m.role == 'assistant' %}"
        + reasoning
        + "{% endif %}{{ m['content'] + '<|im_end|>\\n' }}"
    )
    source = template(body).replace(
        "assistant\\n' }}{% endif", "assistant\\n<think>\\n' }}{% endif"
    )
    renderer = of(source)
    messages = [MESSAGES[1], {"role": "assistant", "content": "4", "reasoning_content": "hm"}]
    prompt = renderer.build_generation_prompt(messages[:1]).to_ints()
    tokens, _ = renderer.build_supervised_example(messages)
    assert tokens.to_ints()[: len(prompt)] == prompt
    outcome = renderer.parse_response(tokens.to_ints()[len(prompt) :])
    assert outcome == Reply(Message(role="assistant", content=[ThinkingPart("hm"), TextPart("4")]))


@pytest.mark.parametrize("said", ["The tag </think> ends it.", "<think>a</think>b", "<|im_end|>"])
def test_a_template_that_looks_for_reasoning_in_a_text_finds_none(of, said):
    split = "m['content'].split('</think>')[-1]"
    renderer = of(template("{{ " + split + " + '<|im_end|>\\n' }}"))
    messages = [MESSAGES[1], {"role": "assistant", "content": said}]
    tokens, weights = renderer.build_supervised_example(messages)
    trained = [t for t, w in zip(tokens.to_ints(), weights, strict=True) if w]
    assert renderer.parse_response(trained) == Reply(Message(role="assistant", content=said))


@pytest.mark.parametrize(
    ("body", "message", "problem"),
    [
        (
            "{% if m.tool_calls %}" + JSON_CALLS + "{% else %}{{ m['content'] }}{% endif %}",
            CALLED[1],
            "drops its text",
        ),
        (
            "{{ m['content'] }}"
            + JSON_CALLS.replace("in m.tool_calls or []", "in (m.tool_calls or [])[:1]"),
            CALLED[1],
            "drops 'now' of a tool call",
        ),
    ],
)
def test_a_template_that_drops_a_part_of_a_message_is_refused(of, body, message, problem):
    renderer = of(template(body + "{{ '<|im_end|>\\n' }}"))
    with pytest.raises(RenderError, match=rf"messages\[1\].*{problem}"):
        renderer.render([MESSAGES[1], message])


def test_a_call_that_the_notation_cannot_hold_is_refused(of):
    renderer = of(template("{{ m['content'] }}" + XML_CALLS + "{{ '<|im_end|>\\n' }}"))
    forged = json.dumps({"a": "x\n</parameter>\n<parameter=b>\ny"})
    call = {"function": {"name": "f", "arguments": forged}}
    with pytest.raises(RenderError, match="calls that read otherwise"):
        renderer.render([MESSAGES[1], {"role": "assistant", "tool_calls": [call]}])


HERMES_TOOLS = (
    "{{ '<|im_start|>system\\nTools: <tools>' }}{% for t in tools %}{{ t | tojson }}{% endfor %}"
    "{{ '</tools><|im_end|>\\n' }}"
    "{% for m in messages %}"
    "{% if m.role == 'user' or m.role == 'system' or (m.role == 'assistant' and m.tool_calls is not"
    " defined) %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{% elif m.role == 'assistant' %}{{ '<|im_start|>' + m.role }}"
    "{% for c in m.tool_calls %}{{ '\\n<tool_call>\\n' }}"
    """{{ '{"name": "' + c.function.name + '", "arguments": ' }}"""
    "{{ c.function.arguments | tojson }}{{ '}\\n</tool_call>' }}{% endfor %}{{ '<|im_end|>\\n' }}"
    "{% elif m.role == 'tool' %}"
    "{% if loop.previtem and loop.previtem.role != 'tool' %}{{ '<|im_start|>tool\\n' }}{% endif %}"
    "{{ '<tool_response>\\n' + m.content + '\\n</tool_response>' }}"
    "{% if not loop.last %}{{ '\\n' }}{% endif %}"
    "{% if loop.last or loop.nextitem.role != 'tool' %}{{ '<|im_end|>' }}{% endif %}"
    "{% endif %}{% endfor %}" + PROMPT
)
"""As the template of Hermes 2 Pro and 3 for chats with tools."""


def test_a_template_for_chats_with_tools_is_followed(of):
    renderer = of(
        {"default": template("{{ m['content'] + '<|im_end|>\\n' }}"), "tool_use": HERMES_TOOLS}
    )
    tools = [{"name": "find", "description": "Finds.", "parameters": {"type": "object"}}]
    messages = [
        MESSAGES[1],
        {"role": "assistant", "content": "", "tool_calls": CALLED[1]["tool_calls"]},
        {"role": "tool", "content": "found"},
        {"role": "tool", "content": "12:00"},
        {"role": "assistant", "content": "At noon."},
    ]
    examples = renderer.build_supervised_examples(messages, tools=tools)
    texts = [renderer.tokenizer.decode(tokens.to_ints()) for tokens, _ in examples]
    assert '"name": "find"' in texts[-1].partition("</tools>")[0]
    prompt = renderer.build_generation_prompt(messages[:1], tools=tools).to_ints()
    assert examples[0][0].to_ints()[: len(prompt)] == prompt
    trained = [t for x, w in examples for t, v in zip(x.to_ints(), w, strict=True) if v]
    stop = renderer.codec.ids["<|im_end|>"]
    called = renderer.parse_response(trained[: trained.index(stop) + 1], tools=tools)
    assert isinstance(called, Reply)
    assert [c.name for c in called.message.tool_calls] == ["find", "now"]
    assert called.message.tool_calls[0].parsed_arguments == {"q": 'a "b" <|im_end|>', "n": 2}
    assert renderer.tokenizer.decode(trained).endswith("At noon.<|im_end|>")
    without = renderer.build_supervised_example(MESSAGES, LAST)[0].to_ints()
    assert "Tools" not in renderer.tokenizer.decode(without)
