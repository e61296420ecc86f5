"""The shift by one, by hand."""

from itertools import product

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


def test_a_cut_keeps_the_first_tokens_and_only_whole_images_before_text() -> None:
    kinds = ["one token", "two tokens", "an image"]
    for names, limit in product(product(kinds, repeat=3), range(2, 8)):
        chunks: list[tinker.ModelInputChunk] = []
        kept: list[int] = []  # the token of each position, 0 for one of an image
        for i, name in enumerate(names, 1):
            tokens = [i] if name == "one token" else [10 * i, 10 * i + 1]
            chunks.append(image() if name == "an image" else tinker.EncodedTextChunk(tokens=tokens))
            kept += [0, 0] if name == "an image" else tokens
        weights = [float(token > 0) for token in kept]
        kept = kept[:limit]
        while kept and kept[-1] == 0:
            kept.pop()
        if not any(kept[1:]):
            continue
        datum = datum_from_model_input_weights(tinker.ModelInput(chunks=chunks), weights, limit)
        assert numbers(datum, "target_tokens") == kept[1:]
        assert datum.model_input.length == len(kept) - 1
        assert all(chunk.length for chunk in datum.model_input.chunks)


def test_without_a_reduction_the_weights_stay() -> None:
    datum = datum_from_model_input_weights(tinker.ModelInput.from_ints([5, 6, 7]), [0, 2, 3])
    assert numbers(datum, "weights") == [2, 3]


def test_an_image_at_the_end_is_refused() -> None:
    chunks = [tinker.EncodedTextChunk(tokens=[1, 2]), image()]
    with pytest.raises(DataError, match="must end in text"):
        datum_from_model_input_weights(tinker.ModelInput(chunks=chunks), [0, 1, 0, 0])


def test_the_error_names_the_limit_that_left_no_weight() -> None:
    tokens = tinker.ModelInput.from_ints([1, 2, 3, 4])
    with pytest.raises(DataError, match="on within max_length=3: all"):
        datum_from_model_input_weights(tokens, [0, 0, 0, 1], max_length=3)
    with pytest.raises(DataError, match="on: all"):
        datum_from_model_input_weights(tokens, [0, 0, 0, 0])


def test_numbers_that_do_not_fit_the_tokens_are_refused_by_their_name() -> None:
    with pytest.raises(DataError, match=r"3 tokens, but shape \(2,\)") as caught:
        next_token_datum([1, 2, 3], advantages=[0, 1])
    assert caught.value.field == "advantages"


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


def test_two_tokens_are_the_shortest_datum() -> None:
    assert numbers(next_token_datum([1, 2]), "target_tokens") == [2]
    for tokens in ([1], []):
        with pytest.raises(DataError, match="at least two tokens"):
            next_token_datum(tokens)
