"""The tokenizer of bytes."""

from tinker_render import TrainOnWhat, get_renderer
from tinker_render.testing import QWEN3_MARKUP, byte_tokenizer


def test_a_text_has_one_token_a_byte_and_comes_back():
    tokenizer = byte_tokenizer()
    for text in ["plain", "Zoë pays 3 €", "line\n\tline", "\U0001f600"]:
        tokens = tokenizer.encode(text, add_special_tokens=False)
        assert len(tokens) == len(text.encode())
        assert tokenizer.decode(tokens) == text


def test_control_tokens_and_markup_are_one_token_each():
    tokenizer = byte_tokenizer(QWEN3_MARKUP)
    assert tokenizer.encode("<|endoftext|><|im_start|><|im_end|>") == [0, 1, 2]
    assert [len(tokenizer.encode(text)) for text in QWEN3_MARKUP] == [1] * 6


def test_a_renderer_of_it_trains_on_the_reply_and_its_end():
    renderer = get_renderer("chatml_plain", byte_tokenizer())
    chat = [{"role": "user", "content": "2+2"}, {"role": "assistant", "content": "four"}]
    prompt, weights = renderer.build_supervised_example(
        chat, train_on_what=TrainOnWhat.LAST_ASSISTANT_MESSAGE
    )
    assert weights.sum() == len("four") + 1
    assert prompt.length == len(weights)
