"""Merging block by block."""

import tracemalloc

import numpy as np
from safetensors.numpy import load_file
from weights_architectures import ARCHITECTURES

import tinker_weights
from tinker_weights.merge import blocks


def test_memory_holds_blocks_and_the_values_are_the_same(save_model, train, tmp_path, monkeypatch):
    config = ARCHITECTURES["llama"]
    config = type(config)(**{**config.to_dict(), "vocab_size": 60_000, "hidden_size": 64})
    checkpoint = train(save_model(config), rank=1)
    size = (checkpoint.base / "model.safetensors").stat().st_size
    assert size > 2 * 60_000 * 64 * 4
    whole = tinker_weights.merge(str(checkpoint.adapter), tmp_path / "whole").folder
    monkeypatch.setattr(blocks, "_BLOCK", 2**14)
    tracemalloc.start()
    streamed = tinker_weights.merge(str(checkpoint.adapter), tmp_path / "streamed").folder
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    adapter = (checkpoint.adapter / "adapter_model.safetensors").stat().st_size
    assert peak < adapter * 2 + 2**20 < size / 10
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, streamed))
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)
