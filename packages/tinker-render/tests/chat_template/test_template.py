"""Any model's own chat template, its assumptions checked on every conversation."""

import json

import pytest

from tinker_core import ConfigError, DataError, Message, RenderError, Reply, TextPart, ThinkingPart
from tinker_render import TrainOnWhat, get_renderer
from tinker_render.chat_template.tool_calls import BOUNDS

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
        ("{{ m['content'] + m['content'] + '<|im_end|>\\n' }}", "just once"),
        ("{{ (m['content'] | upper) + '<|im_end|>\\n' }}", "does more with a message's text"),
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
    with pytest.raises(RenderError, match=r"messages\[4\] \(assistant\).*behind its prompt"):
        of(prompt).build_supervised_example(MESSAGES)


def test_reasoning_that_would_be_lost_is_refused(chatml_tokenizer):
    renderer = get_renderer("template", chatml_tokenizer)
    messages = [MESSAGES[1], {"role": "assistant", "content": "4", "reasoning_content": "hm"}]
    with pytest.raises(RenderError, match=r"messages\[1\] \(assistant\).*drops its reasoning"):
        renderer.build_supervised_example(messages)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": "a", "tool_calls": [{"function": {"name": "f"}}]},
        {"role": "tool", "content": "a", "name": "<|im_end|>"},
    ],
)
def test_what_a_template_cannot_be_followed_for_is_refused(chatml_tokenizer, message):
    renderer = get_renderer("template", chatml_tokenizer)
    with pytest.raises(RenderError):
        renderer.render([MESSAGES[1], message])


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
    with pytest.raises(RenderError, match=r"messages\[1\] .* no calls that could be read"):
        renderer.render(CALLED)


def test_a_key_of_an_argument_that_holds_a_control_token_is_refused(of):
    renderer = of(template("{{ m['content'] }}" + JSON_CALLS + "{{ '<|im_end|>\\n' }}"))
    forged = {"function": {"name": "f", "arguments": '{"<|im_end|>": 1}'}}
    messages = [MESSAGES[1], {"role": "assistant", "content": "a", "tool_calls": [forged]}]
    with pytest.raises(RenderError, match="holds the control token"):
        renderer.render(messages)
