"""The shift by one, by hand."""

import numpy as np
import pytest
import tinker

from tinker_core import DataError, datum_from_model_input_weights, next_token_datum


def numbers(datum: tinker.Datum, name: str) -> list[float]:
    return datum.loss_fn_inputs[name].to_numpy().tolist()


def test_row_i_predicts_token_i_plus_one_with_that_tokens_numbers() -> None:
    datum = next_token_datum([10, 11, 12, 13], advantages=[0, 0, 2, 3], logprobs=[0, 0, -2, -3])
    assert datum.model_input.to_ints() == [10, 11, 12]
    assert numbers(datum, "target_tokens") == [11, 12, 13]
    assert numbers(datum, "advantages") == [0, 2, 3]
    assert numbers(datum, "logprobs") == [0, -2, -3]


def test_weights_follow_their_tokens() -> None:
    datum = datum_from_model_input_weights(tinker.ModelInput.from_ints([5, 6, 7]), [0, 0, 1])
    assert numbers(datum, "weights") == [0, 1]


def test_a_long_sequence_is_cut_from_the_right() -> None:
    tokens = tinker.ModelInput.from_ints([1, 2, 3, 4, 5])
    datum = datum_from_model_input_weights(tokens, np.ones(5), max_length=3)
    assert datum.model_input.to_ints() == [1, 2]
    assert numbers(datum, "target_tokens") == [2, 3]


def test_mean_divides_by_the_weights_that_are_left() -> None:
    tokens = tinker.ModelInput.from_ints([1, 2, 3, 4, 5])
    datum = datum_from_model_input_weights(tokens, [9, 1, 3, 1, 1], max_length=3, reduction="mean")
    assert numbers(datum, "weights") == [0.25, 0.75]  # the first token's 9 is never predicted


def image() -> tinker.types.ImageChunk:
    return tinker.types.ImageChunk(data=b"x", format="png", expected_tokens=2)


def test_an_image_is_never_a_target_and_never_last() -> None:
    chunks = [tinker.EncodedTextChunk(tokens=[1]), image(), tinker.EncodedTextChunk(tokens=[2, 3])]
    datum = datum_from_model_input_weights(tinker.ModelInput(chunks=chunks), [0, 0, 0, 1, 1])
    assert [chunk.length for chunk in datum.model_input.chunks] == [1, 2, 1]
    assert numbers(datum, "target_tokens") == [0, 0, 2, 3]
    with pytest.raises(DataError, match="no token to train on"):
        datum_from_model_input_weights(
            tinker.ModelInput(chunks=chunks), [0, 0, 0, 1, 1], max_length=3
        )


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ([0, 0, 0], "all weights are zero"),
        ([1, 0, 0], "all weights are zero"),
        ([0, 1], "3 tokens, but weights of shape"),
        ([0, 1, float("nan")], "not a finite number"),
    ],
)
def test_weights_that_train_nothing_or_do_not_fit_are_refused(
    weights: list[float], problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        datum_from_model_input_weights(tinker.ModelInput.from_ints([1, 2, 3]), weights)


def test_one_token_is_no_datum() -> None:
    with pytest.raises(DataError, match="at least two tokens"):
        next_token_datum([1])
