"""Pairs to datums: one byte is one token here, so everything can be counted."""

import pytest
import tinker

from tinker_core import DataError, datum_from_model_input_weights
from tinker_data import Place, PreferencePair
from tinker_dpo import (
    JudgedResponse,
    RenderedResponse,
    ResponseRenderer,
    ScoreRenderer,
    render_judged,
    render_pair,
)


def pair(prompt: str = "q", chosen: str = "ab", rejected: str = "xyz") -> PreferencePair:
    return PreferencePair(
        prompt=[{"role": "user", "content": prompt}],
        chosen=[{"role": "assistant", "content": chosen}],
        rejected=[{"role": "assistant", "content": rejected}],
        place=Place(file="pairs.jsonl", row=3),
    )


def text_of(renderer, response, *, weight: float) -> str:
    """The targets that have this weight, as text."""
    targets = response.datum.loss_fn_inputs["target_tokens"].to_numpy()
    return renderer.tokenizer.decode(
        [int(t) for t, m in zip(targets, response.mask, strict=True) if m == weight]
    )


def test_the_weights_are_on_the_response_and_the_end_of_its_turn(renderer) -> None:
    rendered = render_pair(pair(), ResponseRenderer(renderer=renderer))
    assert text_of(renderer, rendered.chosen, weight=1) == "ab<|im_end|>"
    assert text_of(renderer, rendered.rejected, weight=1) == "xyz<|im_end|>"
    assert text_of(renderer, rendered.chosen, weight=0).endswith("<|im_start|>assistant\n")


def test_every_turn_of_the_assistant_in_a_response_counts_and_none_of_the_prompt(renderer) -> None:
    turns = [("assistant", "bc"), ("user", "de"), ("assistant", "fg")]
    response = [{"role": role, "content": text} for role, text in turns]
    prompt = [
        {"role": role, "content": text}
        for role, text in [("user", "q"), ("assistant", "old"), ("user", "r")]
    ]
    value = PreferencePair(
        prompt=prompt, chosen=response, rejected=[{"role": "assistant", "content": "x"}]
    )
    rendered = render_pair(value, ResponseRenderer(renderer=renderer))
    assert text_of(renderer, rendered.chosen, weight=1) == "bc<|im_end|>fg<|im_end|>"


def test_an_over_long_side_is_an_error_with_its_place_and_its_side(renderer) -> None:
    # <im_start>user\nq<im_end>\n is 9 tokens, <im_start>assistant\n 11, xyz<im_end> 4
    form = ResponseRenderer(renderer=renderer, max_length=23)
    with pytest.raises(DataError, match=r"pairs.jsonl:3: rejected: 24 tokens, over max_length=23"):
        render_pair(pair(), form)
    assert render_pair(pair(), ResponseRenderer(renderer=renderer, max_length=24))


def test_what_a_renderer_cannot_express_is_an_error_with_its_place(renderer) -> None:
    thinking = [{"role": "assistant", "content": "a", "reasoning_content": "hm"}]
    value = PreferencePair(
        prompt=pair().prompt, chosen=thinking, rejected=pair().rejected, place=pair().place
    )
    with pytest.raises(DataError, match=r"pairs.jsonl:3: chosen: .*reasoning"):
        render_pair(value, ResponseRenderer(renderer=renderer))


def test_sides_that_come_out_as_the_same_tokens_are_an_error(renderer) -> None:
    value = PreferencePair(
        prompt=pair().prompt,
        chosen=[{"role": "assistant", "content": "a"}],
        rejected=[{"role": "assistant", "content": "a", "name": "somebody"}],
    )
    with pytest.raises(DataError, match="both sides have the same tokens"):
        render_pair(value, ResponseRenderer(renderer=renderer))


def test_a_key_names_tokens_and_weights_and_nothing_else(renderer) -> None:
    form = ResponseRenderer(renderer=renderer)
    one, same, other = (render_pair(pair(p), form) for p in ("q", "q", "r"))
    assert one.chosen.key == same.chosen.key
    assert len({one.chosen.key, one.rejected.key, other.chosen.key}) == 3


def test_a_key_tells_images_and_first_tokens_apart() -> None:
    def key(first: int, image: bytes) -> str:
        chunks = [
            tinker.EncodedTextChunk(tokens=[first]),
            tinker.types.ImageChunk(data=image, format="png", expected_tokens=1),
            tinker.EncodedTextChunk(tokens=[5, 6]),
        ]
        tokens = tinker.ModelInput(chunks=chunks)
        return RenderedResponse(datum_from_model_input_weights(tokens, [0, 0, 0, 1])).key

    assert key(1, b"x") == key(1, b"x")
    assert len({key(1, b"x"), key(2, b"x"), key(1, b"y")}) == 3


def test_a_score_is_asked_of_the_label_after_the_question(renderer) -> None:
    form = ScoreRenderer(renderer=renderer, question="good?", label="Y")
    rendered = render_pair(pair(), form)
    assert text_of(renderer, rendered.chosen, weight=1) == "Y"
    before = text_of(renderer, rendered.chosen, weight=0)
    assert before.endswith(
        "ab<|im_end|>\n<|im_start|>user\ngood?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_judged_response_stands_beside_another_ones_to_the_same_prompt(renderer) -> None:
    first, second = (
        JudgedResponse(
            prompt=[{"role": "user", "content": p}],
            response=[{"role": "assistant", "content": r}],
            desirable=True,
        )
        for p, r in (("q", "ab"), ("r", "long answer"))
    )
    form = ResponseRenderer(renderer=renderer, max_length=26)
    rendered = render_judged(first, second, form)
    assert text_of(renderer, rendered.response, weight=1) == "ab<|im_end|>"
    assert text_of(renderer, rendered.mismatched, weight=1) == "long a"  # cut to 26 tokens
    assert "q" in text_of(renderer, rendered.mismatched, weight=0)
