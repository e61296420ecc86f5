"""Names of tools and keys of calls in what a model emits: read as they are, or malformed."""

import pytest

from tinker_core import Malformed, Reply

GLM = "<tool_call>{}</tool_call><|observation|>"
XML = "</think>\n\n<tool_call>\n{}\n</tool_call><|im_end|>"
JSON = "<tool_call>\n{}\n</tool_call><|im_end|>"
PAIR = "<arg_key>n</arg_key>{}<arg_value>5</arg_value>"


def parse(renderer, text):
    return renderer.parse_response(renderer.tokenizer.encode(text, add_special_tokens=False))


@pytest.mark.parametrize("gap", ["", "\n", " \n "])
def test_glm_separates_name_keys_and_values_by_tokens(renderer_of, gap):
    outcome = parse(renderer_of("glm"), GLM.format(f"f{gap}{PAIR.format(gap)}{gap}"))
    assert isinstance(outcome, Reply)
    [call] = outcome.message.tool_calls
    assert (call.name, call.parsed_arguments) == ("f", {"n": 5})


@pytest.mark.parametrize(
    "call",
    [
        PAIR.format(""),
        "f g" + PAIR.format(""),
        "f<arg_key>n</arg_key>",
        "f<arg_value>5</arg_value>",
        "f" + PAIR.format("x"),
        "f" + PAIR.format("") + "x",
        "f" + PAIR.format("") * 2,
        "f<arg_key>n<arg_key>m</arg_key></arg_key><arg_value>5</arg_value>",
        "f</tool_call><tool_call>",
    ],
)
def test_any_other_call_of_glm_is_malformed(renderer_of, call):
    assert isinstance(parse(renderer_of("glm"), GLM.format(call)), Malformed)


def test_letters_are_not_tokens_in_a_call_of_glm(renderer_of):
    renderer = renderer_of("glm")
    ids, encode = renderer.codec.ids, renderer.codec.encode_all
    spelled = encode(["f<arg_key>n</arg_key>"])["f<arg_key>n</arg_key>"]
    tokens = [ids["<tool_call>"], *spelled, ids["</tool_call>"], ids["<|observation|>"]]
    assert isinstance(renderer.parse_response(tokens), Malformed)


def test_xml_separates_name_and_parameters_by_lines(renderer_of):
    call = "<function=f>\n<parameter=n>\n5\n</parameter>\n</function>"
    outcome = parse(renderer_of("qwen3_6"), XML.format(call))
    assert isinstance(outcome, Reply)
    assert outcome.message.tool_calls[0].parsed_arguments == {"n": 5}


@pytest.mark.parametrize(
    "call",
    [
        "<function=f><parameter=n>\n5\n</parameter>\n</function>",
        "<function=f<parameter=n>>\n</function>",
        "<function=f g>\n</function>",
        "<function=>\n</function>",
        "<function=f>\n<parameter=n>5</parameter>\n</function>",
        "<function=f>\n<parameter=n<parameter=m>\n5\n</parameter>\n</function>",
        "<function=f>\n" + "<parameter=n>\n5\n</parameter>\n" * 2 + "</function>",
        "<function=f>\nwith 5\n</function>",
        "<function=f>\n<parameter=n>\n5\n</parameter>\n",
    ],
)
@pytest.mark.parametrize("name", ["qwen3_5", "qwen3_6", "nemotron3"])
def test_any_other_call_in_xml_is_malformed(renderer_of, name, call):
    assert isinstance(parse(renderer_of(name), XML.format(call)), Malformed)


@pytest.mark.parametrize(
    "call",
    [
        '{"name": "f", "parameters": {"a": 1}}',
        '{"name": "f", "arguments": {"a": 1}, "id": "x"}',
        '{"name": "f", "name": "g"}',
        '{"name": "f", "arguments": {"a": 1, "a": 2}}',
        '{"name": "f", "arguments": {"a": NaN}}',
        '{"name": "f", "arguments": {"a": 1e400}}',
        '{"name": "f", "arguments": {"a": %s}}' % ("9" * 5000),
        '{"name": "f", "arguments": %s' % ('{"a":' * 3000),
        '{"name": "f", "arguments": "{}"}',
        '{"name": "f", "arguments": null}',
        *('{"name": ""}', '{"name": " f"}', '{"name": 5}', '{"arguments": {}}', "[]", "f(1)"),
        '{"name": "\\ud83d"}',
    ],
)
@pytest.mark.parametrize("name", ["qwen3", "qwen3_instruct"])
def test_any_other_json_is_malformed(renderer_of, name, call):
    outcome = parse(renderer_of(name), JSON.format(call))
    assert isinstance(outcome, Malformed)
    assert outcome.message.unparsed_tool_calls


ARGUMENTS = ["9" * 5000, "[" * 3000, '{"a":' * 3000, '{"a": NaN}', '{"a": 1, "a": 2}', "[]", ""]
DEEPSEEK = "{tool call begin}f{tool sep}{}{tool call end}{end of sentence}"
for _name in ("tool call begin", "tool sep", "tool call end", "end of sentence"):
    _token = f"<\uff5c{_name.replace(' ', chr(0x2581))}\uff5c>"
    DEEPSEEK = DEEPSEEK.replace(f"{{{_name}}}", _token)
KIMI = "<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}<|tool_call_end|><|im_end|>"
GPT_OSS = " to=functions.f<|channel|>commentary json<|message|>{}<|call|>"


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize(
    ("name", "reply"),
    [("deepseekv3", DEEPSEEK), ("kimi_k2", KIMI), ("gpt_oss_no_sysprompt", GPT_OSS)],
)
def test_arguments_that_are_not_a_json_object_are_malformed(renderer_of, name, reply, arguments):
    outcome = parse(renderer_of(name), reply.replace("{}", arguments))
    assert isinstance(outcome, Malformed)
    [bad] = outcome.message.unparsed_tool_calls
    assert bad.reason


@pytest.mark.parametrize("id_", ["f", "functions.f", ":0", "functions.:0", ""])
def test_an_id_of_kimi_that_names_no_tool_is_malformed(renderer_of, id_):
    outcome = parse(renderer_of("kimi_k2"), KIMI.replace("functions.f:0", id_))
    assert isinstance(outcome, Malformed)
