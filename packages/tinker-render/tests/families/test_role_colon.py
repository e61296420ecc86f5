"""The format for base models."""

import pytest

from tinker_core import CutShort, DataError, Message, RenderError, Reply
from tinker_render import get_renderer

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Bye"},
    {"role": "assistant", "content": "See you"},
]


@pytest.fixture
def renderer(chatml_tokenizer):
    return get_renderer("role_colon", chatml_tokenizer)


def decode(renderer, tokens):
    return renderer.tokenizer.decode(tokens)


def test_a_conversation_is_written_with_headers_and_blank_lines(renderer):
    assert decode(renderer, renderer.render(MESSAGES).tokens) == (
        "System: Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\n"
        "User: Bye\n\nAssistant: See you\n\nUser:"
    )


def test_a_generation_prompt_ends_with_the_header(renderer):
    prompt = renderer.build_generation_prompt(MESSAGES[:2]).to_ints()
    assert decode(renderer, prompt) == "System: Be brief.\n\nUser: Hi\n\nAssistant:"


def test_the_assistant_is_trained_to_emit_the_stop_sequence_at_every_turn(renderer):
    tokens, weights = renderer.build_supervised_example(MESSAGES, "all_assistant_messages")
    trained = [t for t, w in zip(tokens.to_ints(), weights, strict=True) if w]
    assert decode(renderer, trained) == " Hello\n\nUser: See you\n\nUser:"


def test_the_stop_sequence_is_a_string(renderer):
    assert renderer.get_stop_sequences() == ["\n\nUser:"]


@pytest.mark.parametrize("text", [" Hello\n\nUser:", " Hello<|im_end|>"])
def test_a_reply_ends_with_the_stop_sequence_or_the_end_of_text(renderer, text):
    outcome = renderer.parse_response(renderer.tokenizer.encode(text))
    assert outcome == Reply(Message(role="assistant", content="Hello"))


def test_a_reply_without_an_end_is_cut_short(renderer):
    outcome = renderer.parse_response(renderer.tokenizer.encode(" Hello\n\nUser"))
    assert outcome == CutShort(Message(role="assistant", content="Hello\n\nUser"))


def test_the_text_of_a_reply_is_kept_to_the_letter(renderer):
    text = " a\n\n b \n"
    tokens = renderer.tokenizer.encode(f" {text}\n\nUser:")
    assert renderer.parse_response(tokens) == Reply(Message(role="assistant", content=text))


def test_an_answer_that_contains_the_stop_sequence_is_refused(renderer):
    messages = [MESSAGES[1], {"role": "assistant", "content": "x\n\nUser: y"}]
    with pytest.raises(RenderError, match=r"messages\[1\] \(assistant\)"):
        renderer.build_supervised_example(messages)


def test_a_tool_has_no_header(renderer):
    with pytest.raises(RenderError, match=r"messages\[0\] \(tool\)"):
        renderer.render([{"role": "tool", "content": "x"}])


def test_a_user_can_be_written_for_after_the_assistant_has_begun_the_header(renderer):
    prompt = renderer.build_generation_prompt(MESSAGES[:3], role="user").to_ints()
    assert decode(renderer, prompt).endswith("Assistant: Hello\n\nUser:")


def test_a_tokenizer_that_begins_texts_with_a_token_gets_it_once(make_tokenizer):
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer(["<s>", "</s>"], bos_token="<s>", eos_token="</s>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)]
    )
    renderer = get_renderer("role_colon", tokenizer)
    assert decode(renderer, renderer.build_generation_prompt(MESSAGES[1:2]).to_ints()) == (
        "<s>User: Hi\n\nAssistant:"
    )


def test_no_message_is_an_error(renderer):
    with pytest.raises(DataError, match="at least one message"):
        renderer.render([])
