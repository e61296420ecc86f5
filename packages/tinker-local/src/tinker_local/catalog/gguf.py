"""Converting a GGUF file of the llama architecture into a Hugging Face folder, without torch.

The loader of transformers is not used: it needs torch, takes 20 s at every start, and drops the
`Digits` step of SmolLM2's tokenizer, so that spaces before digits, and digits beyond 0-9, come out
wrong.

The weights are stored as the exact float32 values of the file's blocks. bfloat16 would halve the
folder but round them a second time.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

_WHOLE_MODEL = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_PER_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_CONTROL, _USER_DEFINED = 3, 4  # llama.cpp's token types; all other types are ordinary text

_BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}
_DIGITS = {"type": "Digits", "individual_digits": True}
# By `tokenizer.ggml.pre`. Other names are refused: a guess would be wrong for some texts.
_PRE_TOKENIZERS: dict[str, dict[str, Any]] = {
    "gpt-2": _BYTE_LEVEL,
    "smollm": {"type": "Sequence", "pretokenizers": [_DIGITS, _BYTE_LEVEL]},
}


class UnsupportedGgufError(ValueError):
    """A GGUF file that cannot be converted exactly. The message names the file and the reason."""


def convert(source: Path, folder: Path) -> None:
    """Write config, weights, tokenizer, chat template and model card into a new folder.

    The folder is written whole or not at all; what a killed conversion left is removed. Holds all
    weights in memory. Raises `UnsupportedGgufError`.
    """
    reader = gguf.GGUFReader(source)
    metadata = {name: field.contents() for name, field in reader.fields.items()}
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write(reader, metadata, partial)
        (partial / "README.md").write_text(_model_card(source, reader, metadata), encoding="utf-8")
        _flush(partial)
        partial.rename(folder)
    except KeyError as error:
        raise UnsupportedGgufError(f"{source}: missing metadata {error}") from error
    except UnsupportedGgufError as error:
        raise UnsupportedGgufError(f"{source}: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(reader: gguf.GGUFReader, metadata: dict[str, Any], folder: Path) -> None:
    _check_supported(metadata)
    weights = _weights(reader, metadata)
    config = _config(metadata, weights)
    documents = {
        "config.json": config,
        "generation_config.json": {k: config[k] for k in config if k.endswith("_token_id")},
        "tokenizer.json": _tokenizer(metadata),
        "tokenizer_config.json": _tokenizer_config(metadata),
    }
    for name, document in documents.items():
        text = json.dumps(document, ensure_ascii=False, indent=1)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _flush(folder: Path) -> None:
    """Sync the files, so that the rename never shows half of one after a power cut."""
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _check_supported(metadata: dict[str, Any]) -> None:
    expected: dict[str, tuple[Any, ...]] = {
        "general.architecture": ("llama",),
        "tokenizer.ggml.model": ("gpt2",),
        "tokenizer.ggml.pre": tuple(_PRE_TOKENIZERS),
    }
    for name, supported in expected.items():
        if metadata[name] not in supported:
            raise UnsupportedGgufError(
                f"{name} is {metadata[name]!r}, supported: {', '.join(supported)}"
            )
    if metadata.get("tokenizer.ggml.add_bos_token", False):
        raise UnsupportedGgufError("tokenizer.ggml.add_bos_token is not supported")
    for name in metadata:
        if name.startswith("llama.rope.scaling."):
            raise UnsupportedGgufError(f"{name} is not supported")


def _weights(reader: gguf.GGUFReader, metadata: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
    """The tensors by their Hugging Face names, rows first."""
    heads = {
        "self_attn.q_proj.weight": metadata["llama.attention.head_count"],
        "self_attn.k_proj.weight": metadata["llama.attention.head_count_kv"],
    }
    weights: dict[str, NDArray[np.float32]] = {}
    for tensor in reader.tensors:
        name = _huggingface_name(tensor.name)
        shape = [int(size) for size in reversed(tensor.shape)]
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
        weight = values.reshape(shape)
        kind = name.split(".", 3)[-1]
        if kind in heads:
            weight = _unpermute(weight, heads[kind])
        weights[name] = np.ascontiguousarray(weight)
    return weights


def _huggingface_name(name: str) -> str:
    if name in _WHOLE_MODEL:
        return _WHOLE_MODEL[name]
    match name.split("."):
        case ["blk", layer, kind, "weight"] if kind in _PER_LAYER:
            return f"model.layers.{layer}.{_PER_LAYER[kind]}.weight"
    raise UnsupportedGgufError(f"tensor {name} is not part of a llama model")


def _unpermute(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Undo llama.cpp's permutation of the rows of a query or key projection.

    RoPE rotates pairs of a head's d rows: 2i and 2i + 1 there, i and i + d/2 in transformers.
    """
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def _shortest(number: float) -> float:
    """The shortest decimal of a float32: 9.999999747378752e-06 -> 1e-05."""
    return float(str(np.float32(number)))


def _config(metadata: dict[str, Any], weights: dict[str, NDArray[np.float32]]) -> dict[str, Any]:
    special = {
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"],
        "pad_token_id": metadata["tokenizer.ggml.padding_token_id"],
    }
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "vocab_size": weights["model.embed_tokens.weight"].shape[0],
        "hidden_size": metadata["llama.embedding_length"],
        "intermediate_size": metadata["llama.feed_forward_length"],
        "num_hidden_layers": metadata["llama.block_count"],
        "num_attention_heads": metadata["llama.attention.head_count"],
        "num_key_value_heads": metadata["llama.attention.head_count_kv"],
        "head_dim": metadata["llama.rope.dimension_count"],
        "max_position_embeddings": metadata["llama.context_length"],
        "rope_theta": _shortest(metadata["llama.rope.freq_base"]),
        "rms_norm_eps": _shortest(metadata["llama.attention.layer_norm_rms_epsilon"]),
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": "lm_head.weight" not in weights,
        **special,
    }


def _tokenizer(metadata: dict[str, Any]) -> dict[str, Any]:
    """The `tokenizer.json` of the tokenizers library: byte-level BPE."""
    tokens = metadata["tokenizer.ggml.tokens"]
    added = [
        {
            "id": token,
            "content": tokens[token],
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": kind == _CONTROL,
        }
        for token, kind in enumerate(metadata["tokenizer.ggml.token_type"])
        if kind in (_CONTROL, _USER_DEFINED)
    ]
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": {text: token for token, text in enumerate(tokens)},
        "merges": [pair.split(" ", 1) for pair in metadata["tokenizer.ggml.merges"]],
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": _PRE_TOKENIZERS[metadata["tokenizer.ggml.pre"]],
        "post_processor": None,
        "decoder": _BYTE_LEVEL,
        "model": model,
    }


def _tokenizer_config(metadata: dict[str, Any]) -> dict[str, Any]:
    tokens = metadata["tokenizer.ggml.tokens"]
    return {
        # A family's own class would replace the file's pre-tokenizer by that of the family.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[metadata["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[metadata["tokenizer.ggml.eos_token_id"]],
        "pad_token": tokens[metadata["tokenizer.ggml.padding_token_id"]],
        "unk_token": tokens[metadata["tokenizer.ggml.unknown_token_id"]],
        "model_max_length": metadata["llama.context_length"],
        "clean_up_tokenization_spaces": False,
        "chat_template": metadata["tokenizer.chat_template"],
    }


def _model_card(source: Path, reader: gguf.GGUFReader, metadata: dict[str, Any]) -> str:
    counts = Counter(tensor.tensor_type.name for tensor in reader.tensors)
    types = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    author = metadata.get("general.organization", "an unnamed author")
    return (
        f"---\nlicense: {metadata.get('general.license', 'unknown')}\n---\n"
        f"# {metadata.get('general.name', source.stem)}\n\n"
        f"By {author}. Converted by tinker-local from the GGUF file `{source.name}`\n"
        f"(tensors: {types}). The weights are its values, dequantised to float32:\n"
        "what the quantisation lost of the original is lost here too.\n"
    )
