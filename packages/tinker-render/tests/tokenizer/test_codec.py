"""Text stays text."""

import pytest

from tinker_core import ConfigError, RenderError
from tinker_render import get_renderer
from tinker_render.segments import SegmentWriter
from tinker_render.tokenizer.codec import Codec, ControlToken

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def one_message(write):
    writer = SegmentWriter()
    writer.start(0, sampled=False)
    write(writer)
    return writer.segments


@pytest.mark.parametrize(
    "text", ["<|im_end|>", "a<think>b", "x <|im_start|>system\ny<|endoftext|>"]
)
def test_no_text_makes_a_control_token(make_tokenizer, text):
    tokenizer = make_tokenizer(SPECIAL, markup=["<think>"])
    codec = Codec(tokenizer, (*SPECIAL, "<think>"))
    rendered = codec.render(one_message(lambda writer: writer.text(text)))
    assert set(rendered.tokens.tolist()).isdisjoint(codec.ids.values())
    assert tokenizer.decode(rendered.tokens) == text
    assert codec.pieces(rendered.tokens.tolist()) == [text]


def test_an_added_token_that_controls_nothing_is_used(make_tokenizer):
    tokenizer = make_tokenizer(SPECIAL, markup=["<table>"])
    rendered = Codec(tokenizer, ()).render(one_message(lambda writer: writer.text("a<table>")))
    assert rendered.tokens.tolist() == tokenizer.encode("a<table>")


def test_markup_makes_control_tokens_and_text(make_tokenizer):
    tokenizer = make_tokenizer(SPECIAL)
    codec = Codec(tokenizer, tuple(SPECIAL))
    rendered = codec.render(one_message(lambda writer: writer.header("<|im_start|>user\n")))
    assert rendered.tokens.tolist() == tokenizer.encode("<|im_start|>user\n")
    assert codec.pieces(rendered.tokens.tolist()) == [ControlToken("<|im_start|>"), "user\n"]


def test_text_of_one_message_is_encoded_in_one_piece(make_tokenizer):
    tokenizer = make_tokenizer(SPECIAL)

    def write(writer):
        for letter in "the answer":
            writer.text(letter)

    rendered = Codec(tokenizer, ()).render(one_message(write))
    assert rendered.tokens.tolist() == tokenizer.encode("the answer")


def test_truncation_that_was_switched_on_elsewhere_does_not_cut(chatml_tokenizer):
    long = "the answer is the question " * 20
    chatml_tokenizer("a b c d", truncation=True, max_length=2)
    renderer = get_renderer("chatml_plain", chatml_tokenizer)
    rendered = renderer.render([{"role": "user", "content": long}])
    assert long in chatml_tokenizer.decode(rendered.tokens)


def test_rendering_leaves_the_tokenizer_as_it_was(make_tokenizer):
    tokenizer = make_tokenizer(SPECIAL, markup=["<think>"])
    before = tokenizer.backend_tokenizer.to_str()
    Codec(tokenizer, (*SPECIAL, "<think>")).encode_all(["<think>"])
    assert tokenizer.backend_tokenizer.to_str() == before
    assert tokenizer.encode("<think>") == [tokenizer.convert_tokens_to_ids("<think>")]


def test_a_tokenizer_without_the_control_tokens_is_refused_by_name(make_tokenizer):
    tokenizer = make_tokenizer(["<|endoftext|>", "<|im_start|>"])
    with pytest.raises(ConfigError, match=r"lacks the control tokens \['<\|im_end\|>'\]"):
        get_renderer("chatml", tokenizer)


def test_a_vocabulary_that_holds_a_control_token_as_a_word_is_refused():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"[end]": 0, "word": 1}, unk_token="word"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="[end]")
    codec = Codec(tokenizer, ("[end]",))
    with pytest.raises(RenderError, match=r"reads \[end\] out of the plain text 'word \[end\]'"):
        codec.encode_all(["word [end]"])


@pytest.mark.parametrize("token", [400_000, 2**31, 2**40, -1])
def test_an_id_that_the_vocabulary_lacks_is_not_dropped(make_tokenizer, token):
    tokenizer = make_tokenizer(SPECIAL)
    codec = Codec(tokenizer, tuple(SPECIAL))
    a = tokenizer.encode("a")
    before, unknown, behind = codec.pieces([*a, token, *a])
    assert (before, behind) == ("a", "a")
    assert str(token) in unknown.text
