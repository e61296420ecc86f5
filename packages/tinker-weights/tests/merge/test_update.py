"""Updates of blocks of rows, beside the whole matrix."""

from __future__ import annotations

import numpy as np
import torch
from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from tinker_weights.merge import blocks
from tinker_weights.merge.blocks import merged_blocks
from tinker_weights.merge.update import Update, apply
from tinker_weights.tensor_file.reader import read_tensors


@frozen
class InMemory:
    """A tensor whose values are here."""

    values: np.ndarray
    name: str = "x"
    dtype: str = "F32"

    @property
    def shape(self):
        return self.values.shape

    def rows(self, start, stop):
        return self.values[start:stop]


@settings(max_examples=200)
@given(data=st.data())
def test_block_by_block_is_what_the_whole_is(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    outputs, inputs, rank = (data.draw(st.integers(1, 7)) for _ in range(3))
    first, stride = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 3))
    extra = data.draw(st.integers(0, 3))
    rows = first + (outputs - 1) * stride + 1 + extra
    a, b = rng.normal(size=(rank, inputs)), rng.normal(size=(outputs, rank))
    update = Update(a=a, b=b, scale=0.5, first=first, stride=stride)
    weight = rng.normal(size=(rows, inputs))
    expected = weight.copy()
    for k in range(outputs):  # one output at a time
        expected[first + k * stride] += 0.5 * sum(b[k, r] * a[r] for r in range(rank))
    size = data.draw(st.integers(1, rows))
    for transposed in (False, True):
        stored = weight.T.copy() if transposed else weight.copy()
        for start in range(0, len(stored), size):
            apply(evolve(update, transposed=transposed), stored[start : start + size], start)
        np.testing.assert_allclose(stored.T if transposed else stored, expected)


@settings(max_examples=50)
@given(expert=st.integers(0, 4), size=st.integers(1, 5), transposed=st.booleans())
def test_of_all_experts_only_the_one_changes(expert, size, transposed):
    rng = np.random.default_rng(0)
    a, b, weight = rng.normal(size=(2, 3)), rng.normal(size=(4, 2)), rng.normal(size=(5, 4, 3))
    stored = (weight.swapaxes(1, 2) if transposed else weight).copy()
    update = Update(a=a, b=b, scale=2.0, expert=expert, transposed=transposed)
    for start in range(0, 5, size):
        apply(update, stored[start : start + size], start)
    expected = weight.copy()
    expected[expert] += 2 * b @ a
    np.testing.assert_allclose(stored.swapaxes(1, 2) if transposed else stored, expected)


def test_a_tensor_is_read_in_blocks_of_a_bounded_size(monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK", 12)
    values = np.arange(30, dtype=np.float32).reshape(10, 3)
    update = Update(a=np.ones((1, 3)), b=np.ones((10, 1)), scale=1.0)
    found = list(merged_blocks(InMemory(values), (update,), "F32"))
    assert [len(block) for block in found] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(found), values + 1)


def test_a_tensor_without_axes_passes_through(tmp_path):
    save_file({"x": torch.tensor(3.0)}, tmp_path / "x")
    (block,) = merged_blocks(read_tensors(tmp_path / "x")["x"], (), "F32")
    assert block.reshape(()) == 3.0
