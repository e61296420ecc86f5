"""Merging: names, types, files, what is refused, and what an interruption leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from weights_architectures import ARCHITECTURES
from weights_engine import logits_of

import tinker_weights
from tinker_core import CheckpointError, ConfigError, DataError
from tinker_weights.adapter.read import read_adapter
from tinker_weights.base_model.model import open_base_model
from tinker_weights.merge.merge import merge_adapter

LLAMA = "llama"
TIED = "llama tied"


@pytest.fixture(scope="module")
def checkpoint(save_model, train):
    return train(save_model(ARCHITECTURES[LLAMA]))


@pytest.fixture(scope="module")
def tied(save_model, train):
    return train(save_model(ARCHITECTURES[TIED]))


def write_adapter(folder: Path, tensors: dict[str, torch.Tensor], **config: Any) -> Path:
    folder.mkdir(parents=True)
    named = {f"base_model.model.{name}.weight": tensor for name, tensor in tensors.items()}
    save_file(named, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 2, **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def q_proj(outputs: int = 32, inputs: int = 32, rank: int = 2) -> dict[str, torch.Tensor]:
    return {
        "model.layers.0.self_attn.q_proj.lora_A": torch.randn(rank, inputs),
        "model.layers.0.self_attn.q_proj.lora_B": torch.randn(outputs, rank),
    }


def test_the_function_merges_from_a_folder_and_says_what_it_did(checkpoint, tmp_path):
    merged = tinker_weights.merge(str(checkpoint.adapter), tmp_path / "merged")
    assert (merged.modules, merged.dtype) == (15, "float32")
    assert not merged.untied
    np.testing.assert_allclose(logits_of(merged.folder), checkpoint.logits, atol=1e-5)


def test_an_untied_model_has_both_matrices_and_says_so_in_its_config(tied, tmp_path):
    merged = tinker_weights.merge(str(tied.adapter), tmp_path / "merged")
    assert merged.untied
    before, after = (load_file(f / "model.safetensors") for f in (tied.base, merged.folder))
    assert set(after) - set(before) == {"lm_head.weight"}
    assert torch.equal(after["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    assert not torch.equal(after["lm_head.weight"], after["model.embed_tokens.weight"])
    assert json.loads((merged.folder / "config.json").read_text())["tie_word_embeddings"] is False


def test_what_peft_merges_into_a_tied_model_is_another_model(tied, tmp_path):
    """The trap that untying avoids."""
    import warnings

    import peft
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tied.base, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted = peft.PeftModel.from_pretrained(model, tied.adapter)
        adapted.merge_and_unload().save_pretrained(tmp_path / "peft")
    ours = tinker_weights.merge(str(tied.adapter), tmp_path / "ours")
    assert np.abs(logits_of(tmp_path / "peft") - tied.logits).max() > 0.1
    np.testing.assert_allclose(logits_of(ours.folder), tied.logits, atol=1e-5)


def test_a_tied_model_whose_unembedding_was_not_trained_stays_tied(save_model, train, tmp_path):
    checkpoint = train(save_model(ARCHITECTURES[TIED]), train_unembed=False)
    merged = tinker_weights.merge(str(checkpoint.adapter), tmp_path / "merged")
    assert not merged.untied
    assert "lm_head.weight" not in load_file(merged.folder / "model.safetensors")
    np.testing.assert_allclose(logits_of(merged.folder), checkpoint.logits, atol=1e-5)


def test_an_adapter_on_the_embedding_of_a_tied_model_unties_it(save_model, tmp_path):
    base = save_model(ARCHITECTURES[TIED])
    a, b = torch.randn(2, 260), torch.randn(32, 2)
    folder = tmp_path / "adapter"
    folder.mkdir()
    key = "base_model.model.model.embed_tokens.lora_embedding_"
    save_file({f"{key}A": a, f"{key}B": b}, folder / "adapter_model.safetensors")
    config = {"r": 2, "lora_alpha": 4}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    merged = tinker_weights.merge(str(folder), tmp_path / "merged", base=str(base))
    before, after = (load_file(f / "model.safetensors") for f in (base, merged.folder))
    embedding = before["model.embed_tokens.weight"]
    torch.testing.assert_close(after["model.embed_tokens.weight"], embedding + 2 * (b @ a).T)
    assert torch.equal(after["lm_head.weight"], embedding)
    assert merged.untied


@pytest.mark.parametrize("shards", [True, False], ids=["several files", "one file"])
def test_files_and_index_are_those_of_the_base_model(save_model, train, tmp_path, shards):
    options = {"max_shard_size": "20KB"} if shards else {}
    checkpoint = train(save_model(ARCHITECTURES[TIED], **options))
    merged = tinker_weights.merge(str(checkpoint.adapter), tmp_path / "merged").folder
    files = {path.name for path in checkpoint.base.glob("*.safetensors")}
    assert {path.name for path in merged.glob("*.safetensors")} == files
    assert len(files) > 3 if shards else files == {"model.safetensors"}
    index = merged / "model.safetensors.index.json"
    assert index.is_file() == shards
    if shards:
        read = json.loads(index.read_text())
        tensors = {n: t for file in files for n, t in load_file(merged / file).items()}
        assert set(read["weight_map"]) == set(tensors)
        assert read["metadata"]["total_size"] == sum(t.nbytes for t in tensors.values())
    np.testing.assert_allclose(logits_of(merged), checkpoint.logits, atol=1e-5)


def test_tokenizer_templates_and_licences_come_along_and_other_weights_do_not(
    save_model, train, tmp_path
):
    base = save_model(ARCHITECTURES[LLAMA])
    checkpoint = train(base)
    (base / "additional_chat_templates").mkdir()
    copied = [
        "tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja",
        "special_tokens_map.json", "vocab.txt", "tokenizer.model", "LICENSE", "NOTICE.md",
        "modeling_x.py", "additional_chat_templates/tool_use.jinja",
    ]  # fmt: skip
    left = ["README.md", "pytorch_model.bin", "pytorch_model.bin.index.json", ".gitattributes"]
    for name in (*copied, *left):
        if name != "generation_config.json":
            (base / name).write_text("{}" if name.endswith("json") else name)
    merged = tinker_weights.merge(str(checkpoint.adapter), tmp_path / "merged").folder
    for name in copied:
        assert (merged / name).read_bytes() == (base / name).read_bytes(), name
    assert not any((merged / name).exists() for name in left)


def test_a_sum_is_rounded_to_bfloat16_once(save_model, tmp_path):
    base = save_model(ARCHITECTURES[LLAMA])
    shard = base / "model.safetensors"
    save_file({n: t.bfloat16() for n, t in load_file(shard).items()}, shard)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))
    tensors = q_proj()
    adapter = write_adapter(tmp_path / "adapter", tensors)
    merged = tinker_weights.merge(str(adapter), tmp_path / "merged", base=str(base))
    assert merged.dtype == "bfloat16"
    name = "model.layers.0.self_attn.q_proj.weight"
    before, after = load_file(shard)[name], load_file(merged.folder / "model.safetensors")[name]
    a, b = (tensors[f"{name.removesuffix('.weight')}.lora_{side}"].numpy() for side in "AB")
    expected = (before.float().numpy() + b @ a).astype(ml_dtypes.bfloat16)
    assert np.array_equal(after.float().numpy(), expected.astype(np.float32))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_chosen_type_is_that_of_weights_and_config(checkpoint, tmp_path, dtype):
    merged = tinker_weights.merge(str(checkpoint.adapter), tmp_path / "merged", dtype=dtype)
    types = {t.dtype for t in load_file(merged.folder / "model.safetensors").values()}
    assert types == {getattr(torch, dtype)}
    assert json.loads((merged.folder / "config.json").read_text())["dtype"] == dtype
    if dtype != "float32":
        np.testing.assert_allclose(logits_of(merged.folder), checkpoint.logits, atol=0.1)


def test_tensors_of_another_type_than_most_keep_it(save_model, tmp_path):
    base = save_model(ARCHITECTURES[LLAMA])
    shard = base / "model.safetensors"
    tensors = {n: t.bfloat16() for n, t in load_file(shard).items()}
    tensors["model.layers.0.mlp.gate.e_score_correction_bias"] = torch.ones(4)
    tensors["model.positions"] = torch.arange(5)
    save_file(tensors, shard)
    adapter = write_adapter(tmp_path / "adapter", q_proj())
    merged = tinker_weights.merge(
        str(adapter), tmp_path / "merged", base=str(base), dtype="float16"
    )
    after = load_file(merged.folder / "model.safetensors")
    assert after["model.layers.0.mlp.gate.e_score_correction_bias"].dtype == torch.float32
    assert after["model.positions"].dtype == torch.int64
    assert after["model.norm.weight"].dtype == torch.float16


def test_a_value_beyond_float16_is_refused(save_model, tmp_path):
    base = save_model(ARCHITECTURES[LLAMA])
    large = {name: tensor * 1000 for name, tensor in q_proj().items()}
    adapter = write_adapter(tmp_path / "adapter", large)
    with pytest.raises(ConfigError, match=r"q_proj\.weight has values beyond float16"):
        tinker_weights.merge(str(adapter), tmp_path / "m", base=str(base), dtype="float16")
    assert not any(path.name != "adapter" for path in tmp_path.iterdir())


def test_a_float8_base_model_becomes_plain(save_model, tmp_path):
    base = save_model(ARCHITECTURES[LLAMA])
    shard, name = base / "model.safetensors", "model.layers.0.self_attn.q_proj.weight"
    tensors = {n: t.bfloat16() for n, t in load_file(shard).items()}
    weight, scale = torch.randn(32, 32).to(torch.float8_e4m3fn), torch.rand(2, 2)
    tensors |= {name: weight, f"{name}_scale_inv": scale}
    save_file(tensors, shard)
    config = json.loads((base / "config.json").read_text()) | {
        "dtype": "bfloat16",
        "quantization_config": {"quant_method": "fp8", "weight_block_size": [16, 16]},
    }
    (base / "config.json").write_text(json.dumps(config))
    adapter_tensors = q_proj()
    adapter = write_adapter(tmp_path / "adapter", adapter_tensors)
    merged = tinker_weights.merge(str(adapter), tmp_path / "merged", base=str(base))
    assert merged.dequantised
    after = load_file(merged.folder / "model.safetensors")
    assert f"{name}_scale_inv" not in after
    assert "quantization_config" not in json.loads((merged.folder / "config.json").read_text())
    a, b = (adapter_tensors[f"{name.removesuffix('.weight')}.lora_{side}"] for side in "AB")
    blocks = scale.repeat_interleave(16, 0).repeat_interleave(16, 1)
    expected = (weight.float() * blocks + b @ a).bfloat16()
    assert torch.equal(after[name], expected)
    assert logits_of(merged.folder).shape == (10, 260)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "DoRA": ({"use_dora": True}, r"DoRA \(use_dora\) is not supported"),
    "trained biases": ({"bias": "all"}, "trained biases"),
    "modules beside it": ({"modules_to_save": ["lm_head"]}, "whole modules beside the adapter"),
    "a changed base": ({"init_lora_weights": "pissa"}, "also changed the base model"),
    "another method": ({"peft_type": "IA3"}, "peft_type is 'IA3', expected 'LORA'"),
    "a rank of zero": ({"r": 0}, "r is 0"),
    "another rank": ({"r": 5}, "do not fit rank 5"),
    "no alpha": ({"lora_alpha": None}, "cannot be used"),
}


@pytest.mark.parametrize(("config", "message"), REFUSED.values(), ids=REFUSED)
def test_an_adapter_that_cannot_be_merged_is_refused_by_name(checkpoint, tmp_path, config, message):
    adapter = write_adapter(tmp_path / "adapter", q_proj(), **config)
    with pytest.raises(CheckpointError, match=message):
        tinker_weights.merge(str(adapter), tmp_path / "merged", base=str(checkpoint.base))
    assert not (tmp_path / "merged").exists()


MISFITS = {
    "a layer that is not there": ({"model.layers.9.self_attn.q_proj": (32, 32)}, "no such weight"),
    "another module": ({"model.layers.0.mixer.in_proj": (32, 32)}, "no such weight"),
    "another shape": ({"model.layers.0.self_attn.q_proj": (64, 32)}, r"has shape \(32, 32\)"),
    "experts of a dense model": (
        {"model.layers.0.mlp.experts.0.gate_proj": (32, 32)}, "layout that is not supported",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("modules", "message"), MISFITS.values(), ids=MISFITS)
def test_an_adapter_of_another_model_is_refused_by_the_name_of_the_module(
    checkpoint, tmp_path, modules, message
):
    tensors = {}
    for module, (outputs, inputs) in modules.items():
        tensors[f"{module}.lora_A"] = torch.randn(2, inputs)
        tensors[f"{module}.lora_B"] = torch.randn(outputs, 2)
    adapter = write_adapter(tmp_path / "adapter", tensors)
    with pytest.raises(ConfigError, match=message):
        tinker_weights.merge(str(adapter), tmp_path / "merged", base=str(checkpoint.base))
    assert not (tmp_path / "merged").exists()


def test_a_missing_side_and_a_value_that_is_not_finite_are_refused(checkpoint, tmp_path):
    one = {name: tensor for name, tensor in q_proj().items() if name.endswith("A")}
    adapter = write_adapter(tmp_path / "one", one)
    with pytest.raises(CheckpointError, match="has A, expected A and B"):
        read_adapter(adapter)
    infinite = {name: tensor * float("inf") for name, tensor in q_proj().items()}
    adapter = write_adapter(tmp_path / "infinite", infinite)
    with pytest.raises(CheckpointError, match="not finite"):
        read_adapter(adapter)


def test_scales_by_patterns_and_rank_stabilisation_are_pefts(save_model, tmp_path):
    """Alpha over the root of the rank: 2 and 2 for q_proj, 12 and 4 for v_proj."""
    base = save_model(ARCHITECTURES[LLAMA])
    v = {
        "model.layers.0.self_attn.v_proj.lora_A": torch.randn(4, 32),
        "model.layers.0.self_attn.v_proj.lora_B": torch.randn(16, 4),
    }
    adapter = write_adapter(
        tmp_path / "adapter", q_proj() | v, use_rslora=True,
        rank_pattern={"v_proj": 4}, alpha_pattern={"v_proj": 12},
    )  # fmt: skip
    scales = {pair.module.rpartition(".")[-1]: pair.scale for pair in read_adapter(adapter).pairs}
    assert scales == pytest.approx({"q_proj": 2 / 2**0.5, "v_proj": 12 / 2})
    merged = tinker_weights.merge(str(adapter), tmp_path / "merged", base=str(base))
    name = "model.layers.0.self_attn.v_proj"
    before, after = (
        load_file(f / "model.safetensors")[f"{name}.weight"] for f in (base, merged.folder)
    )
    torch.testing.assert_close(after, before + 6 * v[f"{name}.lora_B"] @ v[f"{name}.lora_A"])


def test_without_a_base_model_the_error_says_how_to_name_it(tmp_path):
    adapter = write_adapter(tmp_path / "adapter", q_proj())
    with pytest.raises(ConfigError, match="names no base model: name it with --base"):
        tinker_weights.merge(str(adapter), tmp_path / "merged")
    with pytest.raises(ConfigError, match="base model 'nobody/nothing' is not a folder"):
        tinker_weights.merge(str(adapter), tmp_path / "merged", base="nobody/nothing")


def test_a_base_model_without_its_files_is_refused(checkpoint, tmp_path):
    adapter = write_adapter(tmp_path / "adapter", q_proj())
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text((checkpoint.base / "config.json").read_text())
    with pytest.raises(ConfigError, match=r"model\.safetensors is not there"):
        tinker_weights.merge(str(adapter), tmp_path / "merged", base=str(base))
    index = {"weight_map": {"x": "model-00001-of-00001.safetensors"}}
    (base / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=r"model-00001-of-00001\.safetensors is not there"):
        tinker_weights.merge(str(adapter), tmp_path / "merged", base=str(base))


def test_a_folder_that_is_taken_is_left_alone_unless_told(checkpoint, tmp_path):
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        tinker_weights.merge(str(checkpoint.adapter), tmp_path / "merged")
    assert (tmp_path / "merged" / "mine.txt").read_text() == "mine"
    tinker_weights.merge(str(checkpoint.adapter), tmp_path / "merged", overwrite=True)
    assert not (tmp_path / "merged" / "mine.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


def test_an_error_while_writing_leaves_nothing(checkpoint, tmp_path):
    adapter, base = read_adapter(checkpoint.adapter), open_base_model(str(checkpoint.base))
    (checkpoint.base / "model.safetensors").rename(checkpoint.base / "away")
    try:
        with pytest.raises(ConfigError, match="cannot be written"):
            merge_adapter(adapter, base, tmp_path / "merged")
    finally:
        (checkpoint.base / "away").rename(checkpoint.base / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_killed_merge_leaves_no_model_and_the_next_one_clears_up(checkpoint, tmp_path):
    """The process stops itself when the folder is half written."""
    code = (
        "import os, signal, sys, tinker_weights\n"
        "from tinker_weights.merge import merge\n"
        "whole = merge.write_file\n"
        "def half(file, tensors):\n"
        "    whole(file, tensors)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "merge.write_file = half\n"
        "tinker_weights.merge(sys.argv[1], sys.argv[2])\n"
    )
    target = tmp_path / "merged"
    command = [sys.executable, "-c", code, str(checkpoint.adapter), str(target)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not target.exists()
    assert [path.name for path in tmp_path.iterdir()] != []
    tinker_weights.merge(str(checkpoint.adapter), target)
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


def test_a_merge_that_runs_is_not_cleared_away(checkpoint, tmp_path):
    running = tmp_path / f".merged.{os.getpid()}.partial"
    code = "import time; time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code])
    try:
        theirs = running.with_name(f".merged.{other.pid}.partial")
        theirs.mkdir()
        time.sleep(0.1)
        tinker_weights.merge(str(checkpoint.adapter), tmp_path / "merged")
        assert theirs.is_dir()
    finally:
        other.kill()
        other.wait()


def test_no_torch_is_needed(checkpoint, tmp_path):
    """Nor transformers: neither can be imported in this process."""
    code = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "import tinker_weights\n"
        "tinker_weights.merge(sys.argv[1], sys.argv[2])\n"
        "tinker_weights.export_adapter(sys.argv[1], sys.argv[2] + '-adapter')\n"
        "assert not any(name.startswith('torch.') for name in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(checkpoint.adapter), str(tmp_path / "merged")]
    subprocess.run(command, check=True)
    np.testing.assert_allclose(logits_of(tmp_path / "merged"), checkpoint.logits, atol=1e-5)
