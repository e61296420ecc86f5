"""The official `openai` client against the real engine: chat, text completions, models."""

from __future__ import annotations

import json

import httpx
import numpy as np
import openai
import pytest
from tinker import types

from tinker_local import catalog
from tinker_local.openai.chat_tokenizer import load_chat_tokenizer

TINY = "local/tiny"
SUM = [{"role": "user", "content": "What is 3+4?"}]


@pytest.fixture(scope="module")
def ai(engine):
    with openai.OpenAI(
        base_url=f"{engine.base_url}/v1", api_key=engine.api_key, max_retries=0
    ) as connected:
        yield connected


@pytest.fixture(scope="module")
def tokenizer():
    return load_chat_tokenizer(catalog.resolve(TINY), TINY).tokenizer


@pytest.fixture
def sampler(client):
    return client.create_sampling_client(base_model=TINY).result()


def chat(ai, **fields):
    defaults = {"model": TINY, "messages": SUM, "temperature": 0, "max_tokens": 12}
    return ai.chat.completions.create(**{**defaults, **fields})


def complete(ai, **fields):
    defaults = {"model": TINY, "prompt": "What is 3", "temperature": 0, "max_tokens": 8}
    return ai.completions.create(**{**defaults, **fields})


def streamed(chunks):
    """The text of each choice, its reasons to finish, and the usage that came."""
    texts, reasons, usages = {}, {}, []
    for chunk in chunks:
        usages += [chunk.usage] if chunk.usage else []
        for choice in chunk.choices:
            text = choice.delta.content if hasattr(choice, "delta") else choice.text
            texts[choice.index] = texts.get(choice.index, "") + (text or "")
            if choice.finish_reason:
                assert choice.index not in reasons, "a choice finishes once"
                reasons[choice.index] = choice.finish_reason
    return texts, reasons, usages


def test_a_chat_is_the_samplers_answer_to_the_rendered_template(ai, sampler, tokenizer):
    rendered = tokenizer.apply_chat_template(SUM, add_generation_prompt=True)["input_ids"]
    params = types.SamplingParams(max_tokens=12, temperature=0.0)
    expected = sampler.sample(types.ModelInput.from_ints(rendered), 1, params).result().sequences[0]
    answer = chat(ai, logprobs=True, top_logprobs=3)
    choice = answer.choices[0]
    assert choice.message.content == tokenizer.decode(expected.tokens, skip_special_tokens=True)
    assert choice.message.role == "assistant"
    assert choice.finish_reason == expected.stop_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (
        len(rendered),
        len(expected.tokens),
    )
    rows = choice.logprobs.content
    np.testing.assert_allclose([row.logprob for row in rows], expected.logprobs, atol=1e-5)
    assert all(row.top_logprobs[0].logprob == row.logprob for row in rows), "it was greedy"
    assert [len(row.top_logprobs) for row in rows] == [3] * len(rows)


def test_the_bytes_of_the_tokens_are_the_content(ai):
    choice = chat(ai, temperature=1.5, seed=1, max_tokens=60, logprobs=True, messages=SUM).choices[
        0
    ]
    assert choice.logprobs is not None
    raw = b"".join(bytes(row.bytes or []) for row in choice.logprobs.content)
    assert raw.decode(errors="replace") == choice.message.content


@pytest.mark.parametrize("stop", [None, ["1"]])
def test_a_stream_equals_the_whole_reply(ai, stop):
    fields = {"n": 3, "seed": 5, "temperature": 1.3, "max_tokens": 30, "stop": stop}
    whole = chat(ai, **fields)
    texts, reasons, usages = streamed(
        chat(ai, **fields, stream=True, stream_options={"include_usage": True})
    )
    assert texts == {choice.index: choice.message.content for choice in whole.choices}
    assert reasons == {choice.index: choice.finish_reason for choice in whole.choices}
    assert [usage.completion_tokens for usage in usages] == [whole.usage.completion_tokens]
    assert len(set(texts.values())) > 1, "the samples differ"
    if stop:
        assert "1" not in "".join(texts.values())


def test_a_stream_comes_token_by_token(ai):
    fields = {"prompt": "12345", "n": 8, "seed": 1, "max_tokens": 40, "logprobs": 1}
    fields["temperature"] = 1.0
    chunks = [chunk.choices[0] for chunk in complete(ai, **fields, stream=True)]
    whole = complete(ai, **fields).choices
    assert max(len(choice.text) for choice in whole) > 5
    assert len([chunk for chunk in chunks if chunk.text]) > 8, "more than one piece a choice"
    for choice in whole:
        pieces = [chunk for chunk in chunks if chunk.index == choice.index]
        columns = [piece.logprobs for piece in pieces]
        assert "".join(piece.text for piece in pieces) == choice.text
        assert [row for c in columns for row in c.tokens] == choice.logprobs.tokens
        assert [row for c in columns for row in c.top_logprobs] == choice.logprobs.top_logprobs
        assert [row for c in columns for row in c.text_offset] == choice.logprobs.text_offset


def test_a_stop_string_ends_the_text_before_it(ai):
    full = complete(ai, prompt="12345", max_tokens=20).choices[0].text
    assert len(full) > 3
    cut = complete(ai, prompt="12345", max_tokens=20, stop=full[1:3]).choices[0]
    assert cut.text == full[: full.index(full[1:3])]
    assert cut.finish_reason == "stop"


def test_an_echo_is_scored_as_the_sampler_scores_a_prompt(ai, sampler, tokenizer):
    prompt = "What is 3+4?"
    tokens = tokenizer(prompt)["input_ids"]
    expected = sampler.compute_logprobs(types.ModelInput.from_ints(tokens)).result()
    choice = complete(ai, prompt=prompt, max_tokens=0, echo=True, logprobs=2).choices[0]
    assert choice.text == prompt
    assert choice.logprobs.token_logprobs[0] is None
    np.testing.assert_allclose(choice.logprobs.token_logprobs[1:], expected[1:], atol=1e-5)
    assert choice.logprobs.top_logprobs[0] is None
    assert choice.logprobs.text_offset == list(range(len(prompt)))


def test_prompts_and_samples_are_numbered_together(ai):
    answer = complete(ai, prompt=["1+1", "2+2"], n=2, temperature=1.0, seed=3)
    alone = complete(ai, prompt="2+2", n=2, temperature=1.0, seed=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert [c.text for c in answer.choices[2:]] == [c.text for c in alone.choices]
    texts, _, _ = streamed(
        complete(ai, prompt=["1+1", "2+2"], n=2, temperature=1.0, seed=3, stream=True)
    )
    assert texts == {choice.index: choice.text for choice in answer.choices}


def test_a_prompt_can_be_tokens(ai, tokenizer):
    tokens = tokenizer("What is 3")["input_ids"]
    texts = [complete(ai, prompt=p).choices[0].text for p in ("What is 3", tokens, [tokens])]
    assert len(set(texts)) == 1


def test_a_checkpoint_is_a_model_by_its_path_also_after_it_is_overwritten(ai, client, tokenizer):
    model = client.create_lora_training_client(base_model=TINY, rank=8, seed=1).result()
    prompt = tokenizer("say")["input_ids"]

    def teach(word):
        tokens = prompt + tokenizer(word)["input_ids"]
        datum = types.Datum(
            model_input=types.ModelInput.from_ints(tokens[:-1]),
            loss_fn_inputs={"target_tokens": tokens[1:], "weights": [0.0] * 2 + [1.0] * len(word)},
        )
        for _ in range(30):
            model.forward_backward([datum], "cross_entropy")
            stepped = model.optim_step(types.AdamParams(learning_rate=1e-2))
        stepped.result()

    def said(path):
        return complete(ai, model=path, prompt="say", max_tokens=3).choices[0].text

    teach("aaa")
    weights = model.save_state("taught").result().path
    sampler_weights = model.save_weights_for_sampler("taught").result().path
    assert said(weights) == said(sampler_weights) == "aaa"
    assert said(TINY) != "aaa"
    assert {weights, sampler_weights, TINY} <= {row.id for row in ai.models.list()}
    assert ai.models.retrieve(weights).id == weights
    teach("xxx")
    model.save_state("taught", overwrite=True).result()
    assert said(weights) == "xxx"
    assert said(sampler_weights) == "aaa"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"temperature": -1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 5000}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"seed": "x"}, "seed"),
        ({"stop": [""]}, "stop"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"extra_body": {"temprature": 1}}, "temprature"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "boss", "content": "x"}]}, "messages[0].role"),
        ({"messages": [*SUM, {"role": "user", "content": 5}]}, "messages[1].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0]",
        ),
        ({"extra_body": {"chat_template_kwargs": {"tokenize": True}}}, "chat_template_kwargs"),
    ],
)
def test_a_field_that_cannot_be_obeyed_is_refused_by_name(ai, fields, field):
    with pytest.raises(openai.BadRequestError) as refused:
        chat(ai, **fields)
    assert refused.value.param == field
    assert field in refused.value.message
    assert refused.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", [1]]}, "prompt"),
        ({"logprobs": 21}, "logprobs"),
        ({"best_of": 3}, "best_of"),
        ({"suffix": "x"}, "suffix"),
        ({"stream": True, "echo": True}, "stream"),
        ({"prompt": ["a"] * 600, "n": 2}, "prompt"),
    ],
)
def test_a_field_of_a_text_completion_is_refused_by_name(ai, fields, field):
    with pytest.raises(openai.BadRequestError) as refused:
        complete(ai, **fields)
    assert refused.value.param == field


def test_neutral_values_of_unsupported_fields_are_accepted(ai):
    neutral = {
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "logit_bias": {},
        "response_format": {"type": "text"},
        "tool_choice": "none",
        "user": "me",
        "store": False,
    }
    assert chat(ai, **neutral).choices == chat(ai).choices


@pytest.mark.parametrize("stream", [False, True])
def test_an_invalid_request_is_refused_before_a_stream_begins(ai, stream):
    with pytest.raises(openai.BadRequestError, match="1024"):
        chat(ai, max_tokens=5000, stream=stream)


def test_a_model_that_is_not_there_is_not_found(ai):
    for name in ("no-such/model", "tinker://session-x:train:0/weights/no"):
        with pytest.raises(openai.NotFoundError) as refused:
            chat(ai, model=name)
        assert refused.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError):
            ai.models.retrieve(name)


def test_a_wrong_key_is_an_authentication_error(engine):
    with openai.OpenAI(base_url=f"{engine.base_url}/v1", api_key="tml-no") as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            stranger.models.list()
        assert refused.value.code == "invalid_api_key"


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"model": "\\ud800"}', b"[" * 9999])
def test_a_malformed_body_has_an_error_of_the_same_shape(engine, raw):
    answer = httpx.post(
        f"{engine.base_url}/v1/chat/completions",
        content=raw,
        headers={"Authorization": f"Bearer {engine.api_key}"},
    )
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_lone_surrogate_in_a_message_is_refused(engine):
    body = {"model": TINY, "messages": [{"role": "user", "content": "\ud800"}]}
    answer = httpx.post(
        f"{engine.base_url}/v1/chat/completions",
        content=json.dumps(body),
        headers={"Authorization": f"Bearer {engine.api_key}"},
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "messages")


def test_the_arguments_of_a_tool_call_reach_the_template_as_an_object(ai):
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{bad"}}
    with pytest.raises(openai.BadRequestError) as refused:
        chat(ai, messages=[*SUM, {"role": "assistant", "tool_calls": [call]}])
    assert refused.value.param == "messages[1].tool_calls[0].function.arguments"
    call["function"]["arguments"] = '{"a": 3}'
    chat(ai, messages=[*SUM, {"role": "assistant", "tool_calls": [call]}])
