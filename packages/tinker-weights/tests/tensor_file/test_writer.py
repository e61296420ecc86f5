"""Files that are written in blocks, read by the safetensors library and by ours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tinker_core import DataError
from tinker_weights.tensor_file.dtypes import NUMPY_DTYPES
from tinker_weights.tensor_file.reader import read_array, read_tensors
from tinker_weights.tensor_file.writer import TensorToWrite, write_file

TORCH = {
    "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "I64": torch.int64,
    "I32": torch.int32, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


def in_blocks(values, rows):
    return [values[start : start + rows] for start in range(0, len(values), rows)]


@pytest.mark.parametrize("dtype", TORCH)
def test_the_library_reads_what_was_written_in_blocks(tmp_path, dtype):
    expected = torch.arange(-12, 12).reshape(8, 3).to(TORCH[dtype])
    save_file({"x": expected}, tmp_path / "theirs.safetensors")
    values = read_array(read_tensors(tmp_path / "theirs.safetensors")["x"])
    tensor = TensorToWrite(name="x", dtype=dtype, shape=(8, 3), blocks=in_blocks(values, 3))
    write_file(tmp_path / "ours.safetensors", [tensor])
    loaded = load_file(tmp_path / "ours.safetensors")["x"]
    assert loaded.dtype == TORCH[dtype]
    assert torch.equal(loaded.view(torch.uint8), expected.view(torch.uint8))


@settings(max_examples=30)
@given(
    shapes=st.lists(st.lists(st.integers(0, 5), max_size=3).map(tuple), min_size=1, max_size=6),
    dtypes=st.lists(st.sampled_from(["F32", "BF16", "U8", "F16"]), min_size=6, max_size=6),
)
def test_any_shapes_and_types_come_back(tmp_path_factory, shapes, dtypes):
    file = tmp_path_factory.mktemp("any") / "x.safetensors"
    arrays = {
        f"t{n}": np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(NUMPY_DTYPES[dtype])
        for n, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=False))
    }
    write_file(
        file,
        [
            TensorToWrite(name=name, dtype=dtypes[int(name[1:])], shape=a.shape, blocks=[a])
            for name, a in arrays.items()
        ],
    )
    with safe_open(file, "pt") as opened:  # checks offsets and lengths
        assert set(opened.keys()) == set(arrays)
        assert opened.metadata() == {"format": "pt"}
    for name, tensor in read_tensors(file).items():
        assert tensor.shape == arrays[name].shape
        assert np.array_equal(read_array(tensor), arrays[name])


def test_a_block_is_cast_to_the_type_of_the_tensor(tmp_path):
    blocks = [np.array([[1.5, -2.0]], np.float32)]
    write_file(tmp_path / "x", [TensorToWrite(name="x", dtype="BF16", shape=(1, 2), blocks=blocks)])
    assert load_file(tmp_path / "x")["x"].tolist() == [[1.5, -2.0]]


def test_blocks_that_do_not_fill_the_shape_are_an_error(tmp_path):
    tensor = TensorToWrite(name="x", dtype="F32", shape=(2, 2), blocks=[np.zeros((1, 2))])
    with pytest.raises(ValueError, match="x: 8 bytes, expected 16"):
        write_file(tmp_path / "x", [tensor])


def test_rows_are_read_without_the_rest(tmp_path):
    save_file({"x": torch.arange(12.0).reshape(4, 3)}, tmp_path / "x")
    tensor = read_tensors(tmp_path / "x")["x"]
    assert tensor.rows(1, 3).tolist() == [[3, 4, 5], [6, 7, 8]]


@pytest.mark.parametrize(
    "content",
    [b"", b"short", b"\xff" * 16, b"\x02\0\0\0\0\0\0\0{]"],
    ids=["empty", "short", "a huge header", "no JSON"],
)
def test_a_damaged_file_is_a_data_error_that_names_it(tmp_path, content):
    file = tmp_path / "damaged.safetensors"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged\.safetensors: not a readable safetensors file"):
        read_tensors(file)


def test_a_file_that_is_cut_off_is_a_data_error(tmp_path):
    save_file({"x": torch.zeros(100)}, tmp_path / "x")
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:-1])
    with pytest.raises(DataError, match="not a readable safetensors file"):
        read_tensors(tmp_path / "x")
