"""Bits per byte."""

import math

import numpy as np
import pytest
import tinker
from tinker import types

from tinker_core import next_token_datum
from tinker_sl import bits_per_byte


def outputs(*logprobs):
    return types.ForwardBackwardOutput(
        loss_fn_output_type="ArrayRecord",
        loss_fn_outputs=[
            {"logprobs": tinker.TensorData.from_numpy(np.array(row, dtype=np.float32))}
            for row in logprobs
        ],
        metrics={},
    )


def test_each_byte_of_a_uniform_model_over_256_costs_8_bits(renderer):
    # one token a byte: two of e-acute's, one of x; the control token at the end is no text
    tokens = [5, *renderer.tokenizer.encode("\u00e9x", add_special_tokens=False)]
    end = renderer.tokenizer.convert_tokens_to_ids("<|im_end|>")
    datum = next_token_datum([*tokens, end], weights=[0, 1, 1, 1, 1])
    nats = math.log(256)
    assert len(tokens) == 4
    assert bits_per_byte(
        [datum], outputs([-nats, -nats, -nats, -99.0]), renderer.tokenizer
    ) == pytest.approx(8.0)


def test_tokens_without_weight_count_neither_as_bits_nor_as_bytes(renderer):
    tokens = [5, *renderer.tokenizer.encode("abcd", add_special_tokens=False)]
    datum = next_token_datum(tokens, weights=[0, 1, 0, 0, 1])
    value = bits_per_byte([datum], outputs([-1.0, -9.0, -9.0, -3.0]), renderer.tokenizer)
    assert value == pytest.approx(4.0 / math.log(2) / 2)


def test_without_text_there_are_no_bits_per_byte(renderer):
    datum = next_token_datum([1, 2], weights=[0, 1])
    assert math.isnan(bits_per_byte([datum], outputs([-1.0]), renderer.tokenizer))
