"""Batches of datums that can be sent to a server and written as Python source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray
from tinker import types

LISTS = ("target_tokens", "weights", "logprobs", "advantages", "sequence_ratio_mask")
"""Inputs whose dtype the SDK knows, so that they can be written as lists."""


def _column(values: ArrayLike | types.TensorData) -> NDArray[Any] | types.TensorData:
    """int64, or float32 rounded to 6 digits so that the source shows the exact value."""
    if isinstance(values, types.TensorData):
        return values
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    rounded = [float(f"{value:.6g}") for value in array.ravel().tolist()]
    return np.array(rounded, np.float32).reshape(array.shape)


@frozen(eq=False)
class Datum:
    """One datum: N tokens and inputs of its loss, each (N,) or (N, K)."""

    tokens: tuple[int, ...]
    inputs: dict[str, NDArray[Any] | types.TensorData]

    def to_sdk(self) -> types.Datum:
        """The SDK's datum."""
        columns = {
            name: column
            if isinstance(column, types.TensorData)
            else types.TensorData.from_numpy(column)
            for name, column in self.inputs.items()
        }
        return types.Datum(model_input=self.prompt(), loss_fn_inputs=columns)

    def prompt(self) -> types.ModelInput:
        return types.ModelInput.from_ints(list(self.tokens))

    def column(self, name: str) -> NDArray[Any]:
        """A dense input."""
        column = self.inputs[name]
        assert isinstance(column, np.ndarray)
        return column

    def replace(self, **inputs: ArrayLike | types.TensorData | None) -> Datum:
        """The same tokens with some inputs replaced, added or (None) removed."""
        return make_datum(self.tokens, **{**self.inputs, **inputs})

    def source(self) -> str:
        columns = ", ".join(f'"{name}": {_source(name, c)}' for name, c in self.inputs.items())
        return (
            f"types.Datum(model_input=types.ModelInput.from_ints({list(self.tokens)}), "
            f"loss_fn_inputs={{{columns}}})"
        )


def make_datum(tokens: ArrayLike, **inputs: ArrayLike | types.TensorData | None) -> Datum:
    """A datum from anything array-like; an input that is None is left out."""
    columns = {name: _column(values) for name, values in inputs.items() if values is not None}
    return Datum(tuple(np.asarray(tokens, np.int64).tolist()), columns)


def _source(name: str, column: NDArray[Any] | types.TensorData) -> str:
    if isinstance(column, types.TensorData):
        return tensor_source(column)
    text = _literal(column.tolist())
    return text if name in LISTS else f"np.array({text}, np.{column.dtype})"


def _literal(value: Any) -> str:
    """Nested lists of numbers; floats with the 6 digits that they were rounded to."""
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, int):
        return str(value)
    return repr(float(f"{value:.6g}")) if np.isfinite(value) else f'float("{value}")'


def tensor_source(tensor: types.TensorData) -> str:
    """A `TensorData` as Python source."""
    fields: Mapping[str, Any] = {
        "data": tensor.data,
        "dtype": tensor.dtype,
        "shape": tensor.shape,
        "sparse_crow_indices": tensor.sparse_crow_indices,
        "sparse_col_indices": tensor.sparse_col_indices,
    }
    given = ", ".join(f"{name}={value!r}" for name, value in fields.items() if value is not None)
    return f"types.TensorData({given})"


Batch = tuple[Datum, ...]


def source(batch: Batch) -> str:
    """A batch as a Python list of datums."""
    return "[" + ", ".join(each.source() for each in batch) + "]"
