"""A batch as source: what it prints is what it sends."""

from __future__ import annotations

import numpy as np
import pytest
import tinker
from tinker import types

from tinker_conformance.client.batch import make_datum, source

SPARSE = types.TensorData(
    data=[1.5, 2.0],
    dtype="float32",
    shape=[2, 3],
    sparse_crow_indices=[0, 1, 2],
    sparse_col_indices=[2, 0],
)


def evaluated(batch):
    return eval(source(batch), {"types": types, "tinker": tinker, "np": np, "float": float})


@pytest.mark.parametrize(
    "datum",
    [
        make_datum([5, 6], target_tokens=[6, 7], weights=[0.1, 1 / 3]),
        make_datum([5, 6], target_tokens=[[6, 7], [8, 9]], weights=[[0.5, 0.5], [1, 0]]),
        make_datum([5], target_tokens=[6], weights=[float("nan")]),
        make_datum([5], target_tokens=[6], weights=[1e-30], mask=[1.0]),
        make_datum([], target_tokens=np.zeros(0, np.int64), weights=np.zeros(0)),
        make_datum([5, 6], target_tokens=[6, 7], weights=SPARSE),
    ],
)
def test_the_source_of_a_datum_makes_the_datum_that_is_sent(datum):
    (made,), sent = evaluated((datum,)), datum.to_sdk()
    assert made.model_input == sent.model_input
    assert made.loss_fn_inputs.keys() == sent.loss_fn_inputs.keys()
    for name, tensor in sent.loss_fn_inputs.items():
        other = made.loss_fn_inputs[name]
        assert other.dtype == tensor.dtype
        assert other.data == pytest.approx(tensor.data, nan_ok=True)
        assert other.sparse_col_indices == tensor.sparse_col_indices


def test_inputs_can_be_replaced_added_and_removed():
    datum = make_datum([5], target_tokens=[6], weights=[1.0]).replace(
        weights=None, advantages=[2.0]
    )
    assert datum.inputs.keys() == {"target_tokens", "advantages"}
    assert datum.column("advantages").dtype == np.float32
