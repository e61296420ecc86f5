"""A rendered conversation for the eye."""

from tinker_render import get_renderer
from tinker_render.cli.show import Span, spans, to_html

MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "<Hello>"}]


def test_spans_join_adjacent_tokens_of_one_kind(chatml_tokenizer):
    renderer = get_renderer("chatml_plain", chatml_tokenizer)
    tokens, weights = renderer.build_supervised_example(MESSAGES)
    assert spans(renderer, tokens, weights)[-2:] == [
        Span("<Hello>", True, False),
        Span("<|im_end|>", True, True),
    ]
    assert to_html([]).startswith("<!doctype html>")
