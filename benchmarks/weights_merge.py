"""Peak memory and time of `tinker-weights merge`, for models and shards of several sizes.

    python benchmarks/weights_merge.py [--folder FOLDER]

The models are Llama models with random weights in bfloat16, 0.7 to 4 GiB, and adapters of rank 32
on every linear layer. A new process merges each. The result is the peak of the process's resident
set, and its excess over a process that has only loaded the same libraries. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

import tinker_weights

HIDDEN, INNER, VOCABULARY, RANK = 2048, 8192, 32_000, 32
SHAPES = {
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (HIDDEN, HIDDEN),
    "self_attn.v_proj": (HIDDEN, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INNER, HIDDEN),
    "mlp.up_proj": (INNER, HIDDEN),
    "mlp.down_proj": (HIDDEN, INNER),
}
CASES = ((4, 1), (16, 1), (30, 1), (30, 8))
"""Layers of the model, and files that its weights are in."""


def random_weights(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Values as large as those of weights. A drawn block is repeated, because that is fast."""
    block = np.random.default_rng(0).standard_normal(2**20, np.float32) * 0.02
    return np.resize(block.astype(dtype), shape)


def write_model(folder: Path, layers: int, shards: int) -> None:
    folder.mkdir()
    shapes = {
        "model.embed_tokens.weight": (VOCABULARY, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (VOCABULARY, HIDDEN),
    }
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        shapes |= {f"{prefix}.{name}.weight": shape for name, shape in SHAPES.items()}
        shapes |= {
            f"{prefix}.{name}.weight": (HIDDEN,)
            for name in ("input_layernorm", "post_attention_layernorm")
        }
    names = list(shapes)
    files = {}
    for shard in range(shards):
        file = (
            "model.safetensors"
            if shards == 1
            else f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        )
        mine = names[shard::shards]
        save_file(
            {name: random_weights(shapes[name], ml_dtypes.bfloat16) for name in mine}, folder / file
        )
        files |= dict.fromkeys(mine, file)
    if shards > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": layers,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "vocab_size": VOCABULARY,
        "tie_word_embeddings": False,
        "dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config))


def write_adapter(folder: Path, base: Path, layers: int) -> None:
    folder.mkdir()
    modules = {
        f"model.layers.{layer}.{name}": shape
        for layer in range(layers)
        for name, shape in SHAPES.items()
    } | {"lm_head": (VOCABULARY, HIDDEN)}
    tensors = {}
    for name, (out, inner) in modules.items():
        prefix = f"base_model.model.{name}"
        tensors[f"{prefix}.lora_A.weight"] = random_weights((RANK, inner), np.float32)
        tensors[f"{prefix}.lora_B.weight"] = random_weights((out, RANK), np.float32)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(base),
        "r": RANK,
        "lora_alpha": 32,
        "target_modules": sorted({name.rpartition(".")[2] for name in modules}),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))


def peak_mib() -> float:
    """Of this program: `resource.getrusage` also counts the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def merge_here(adapter: str, target: str) -> None:
    """Merge, and print the peaks before and after, and the seconds. Runs in its own process."""
    before, start = peak_mib(), time.monotonic()
    tinker_weights.merge(adapter, target)
    print(json.dumps({"before": before, "peak": peak_mib(), "seconds": time.monotonic() - start}))


def gib(folder: Path, pattern: str) -> tuple[float, float]:
    """The size of all matching files, and of the largest."""
    sizes = [file.stat().st_size / 2**30 for file in folder.glob(pattern)]
    return sum(sizes), max(sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="for 10 GB of temporary files")
    parser.add_argument("--merge", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.merge:
        return merge_here(*arguments.merge)
    print("model GiB | largest shard GiB | adapter GiB | peak MiB | excess MiB | seconds")
    for layers, shards in CASES:
        with TemporaryDirectory(dir=arguments.folder) as scratch:
            base, adapter, merged = (Path(scratch) / name for name in ("base", "adapter", "merged"))
            write_model(base, layers, shards)
            write_adapter(adapter, base, layers)
            command = [sys.executable, __file__, "--merge", str(adapter), str(merged)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            result = json.loads(done.stdout)
            model, shard = gib(base, "*.safetensors")
            size, _ = gib(adapter, "*.safetensors")
            excess = result["peak"] - result["before"]
            print(
                f"{model:9.2f} | {shard:17.2f} | {size:11.2f} | {result['peak']:8.0f} "
                f"| {excess:10.0f} | {result['seconds']:7.0f}"
            )


if __name__ == "__main__":
    main()
