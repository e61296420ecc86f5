"""Models, wheels and hub caches on disk, as small as they can be."""

from __future__ import annotations

import zipfile
from pathlib import Path

import gguf
import huggingface_hub.constants
import numpy as np
from safetensors.numpy import save_file


def write_gguf(path: Path) -> Path:
    """A model of no layers, enough for a conversion."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_license("apache-2.0")
    writer.add_block_count(0)
    writer.add_context_length(8)
    writer.add_embedding_length(4)
    writer.add_feed_forward_length(4)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_rope_dimension_count(4)
    writer.add_rope_freq_base(1e5)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    writer.add_token_types([3, 3, 3])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("-")
    writer.add_tensor("token_embd.weight", np.zeros((3, 4), np.float32))
    writer.add_tensor("output_norm.weight", np.ones(4, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_folder(folder: Path, card: str = "---\nlicense: mit\n---\n") -> Path:
    """A model of six parameters, as a Hugging Face folder."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text(card)
    save_file({"a": np.zeros((2, 3), np.float32)}, folder / "model.safetensors")
    return folder


def write_hub_snapshot(name: str) -> Path:
    """A model in the hub's cache, laid out as huggingface_hub does it."""
    repository = Path(huggingface_hub.constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123abc")
    return write_folder(repository / "snapshots" / "0123abc")


def put_wheel_on_the_index(machine: Path) -> Path:
    wheel = machine / "wheels" / "llm_small-0.3-py3-none-any.whl"
    facts = "llm_small-0.3.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(machine / "small.gguf", "llm_small/small.gguf")
        archive.writestr(
            f"{facts}/METADATA",
            "Metadata-Version: 2.1\nName: llm-small\nVersion: 0.3\nRequires-Dist: llm\n",
        )
        archive.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{facts}/RECORD", "llm_small/small.gguf,,\n")
    return wheel
