"""GGUF files, as far as no compiled llama.cpp is needed; `integration/` has the rest."""

from __future__ import annotations

import json
import sys

import gguf as library
import numpy as np
import pytest

import tinker_weights
from tinker_core import ConfigError, DataError
from tinker_weights.gguf_file.converter import find_converter
from tinker_weights.gguf_file.header import tensor_names

CONVERTER = """
import argparse, pathlib, sys
parser = argparse.ArgumentParser()
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("--outfile")
parser.add_argument("--outtype")
given = parser.parse_args()
if (given.model / "refuse").exists():
    sys.exit("NotImplementedError: Model XForCausalLM is not supported")
import gguf, numpy
writer = gguf.GGUFWriter(given.outfile, "llama")
for name in (given.model / "tensors").read_text().split():
    writer.add_tensor(name, numpy.zeros((2, 3), numpy.float32))
writer.add_array("tokens", ["a", "b"])
writer.add_string("outtype", given.outtype)
writer.write_header_to_file(); writer.write_kv_data_to_file(); writer.write_tensors_to_file()
"""
"""Stands in the place of llama.cpp's: a program of the same arguments."""


@pytest.fixture
def converter(tmp_path):
    folder = tmp_path / "llama.cpp"
    folder.mkdir()
    (folder / "convert_hf_to_gguf.py").write_text(CONVERTER)
    return folder


@pytest.fixture
def model(tmp_path, save_model):
    """A model's folder; `tensors` says what the converter writes."""
    from weights_architectures import ARCHITECTURES

    folder = save_model(ARCHITECTURES["llama"])
    (folder / "tensors").write_text("token_embd.weight output.weight")
    return folder


@pytest.mark.parametrize("outtype", ["f32", "bf16", "F16", "auto"])
def test_the_converter_gets_the_type_and_its_file_gets_the_name(
    tmp_path, converter, model, outtype
):
    made = tinker_weights.gguf(model, tmp_path / "m.gguf", outtype=outtype, converter=converter)
    reader = library.GGUFReader(made.file)
    assert reader.fields["outtype"].contents() == outtype.lower()
    assert made.size == (tmp_path / "m.gguf").stat().st_size
    assert not list(tmp_path.glob(".m.gguf*"))


def test_the_names_of_the_tensors_are_those_that_the_library_reads(tmp_path, converter, model):
    tinker_weights.gguf(model, tmp_path / "m.gguf", converter=converter)
    expected = {tensor.name for tensor in library.GGUFReader(tmp_path / "m.gguf").tensors}
    assert tensor_names(tmp_path / "m.gguf") == expected == {"token_embd.weight", "output.weight"}


def test_metadata_of_every_kind_is_skipped(tmp_path):
    writer = library.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_array("floats", [1.5, 2.5])
    writer.add_array("texts", ["a", "bc"])
    writer.add_bool("flag", True)
    writer.add_uint64("large", 2**40)
    writer.add_int8("small", -1)
    writer.add_float64("precise", 0.1)
    writer.add_tensor("x", np.zeros(4, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert tensor_names(tmp_path / "m.gguf") == {"x"}


def test_a_trained_unembedding_that_the_converter_leaves_out_is_an_error(
    tmp_path, converter, model
):
    """llama.cpp's converter does so for Gemma, whose originals tie it."""
    (model / "tensors").write_text("token_embd.weight")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    with pytest.raises(ConfigError, match=r"with a tied unembedding only.*train_unembed=False"):
        tinker_weights.gguf(model, tmp_path / "m.gguf", converter=converter)
    assert not list(tmp_path.glob("*.gguf"))
    assert not list(tmp_path.glob(".m.gguf*"))


def test_what_the_converter_refuses_is_refused_with_its_reason(tmp_path, converter, model):
    (model / "refuse").touch()
    with pytest.raises(ConfigError, match="Model XForCausalLM is not supported"):
        tinker_weights.gguf(model, tmp_path / "m.gguf", converter=converter)


def test_an_unknown_type_names_those_there_are(tmp_path, converter, model):
    with pytest.raises(ConfigError, match=r"'q9_k' is not one of auto, f32, .*q4_k_m"):
        tinker_weights.gguf(model, tmp_path / "m.gguf", outtype="q9_k", converter=converter)


def test_what_is_no_model_is_refused_with_advice(tmp_path, converter):
    with pytest.raises(ConfigError, match="make one with `tinker-weights merge`"):
        tinker_weights.gguf(tmp_path, tmp_path / "m.gguf", converter=converter)


def test_a_file_that_is_there_is_left_alone_unless_told(tmp_path, converter, model):
    (tmp_path / "m.gguf").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        tinker_weights.gguf(model, tmp_path / "m.gguf", converter=converter)
    assert (tmp_path / "m.gguf").read_text() == "mine"
    tinker_weights.gguf(model, tmp_path / "m.gguf", converter=converter, overwrite=True)
    assert tensor_names(tmp_path / "m.gguf")


def test_a_checkout_of_llama_cpp_is_found_by_name_and_by_the_environment(converter, monkeypatch):
    script = converter / "convert_hf_to_gguf.py"
    assert find_converter(converter) == find_converter(script) == script
    monkeypatch.setenv("LLAMA_CPP", str(converter))
    assert find_converter() == script
    with pytest.raises(ConfigError, match="is no checkout of llama"):
        find_converter(converter / "models")


def test_without_a_quantiser_the_error_says_what_to_install(
    tmp_path, converter, model, monkeypatch
):
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"q4_k_m needs llama\.cpp's quantiser: pip install"):
        tinker_weights.gguf(model, tmp_path / "m.gguf", outtype="q4_k_m", converter=converter)
    assert not list(tmp_path.glob("*.gguf"))


@pytest.mark.parametrize("content", [b"", b"GGML....", b"PK\x03\x04"])
def test_what_is_no_gguf_file_is_a_data_error(tmp_path, content):
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(DataError, match="is not a GGUF file"):
        tensor_names(tmp_path / "m.gguf")
