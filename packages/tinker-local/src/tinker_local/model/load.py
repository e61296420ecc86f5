"""Loading a base model from a folder."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils import logging

from tinker_local.errors import RequestError
from tinker_local.model.base import BaseModel
from tinker_local.model.capabilities import probe
from tinker_local.model.lora import wrap_linears

__all__ = ["BaseModel", "load_model"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class _Output(BaseModelOutputWithPast):
    """Answers None to what some heads ask for beside the hidden states (router logits, states)."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


class _Decoded(nn.Module):
    """Stands where the decoder stood and answers the hidden states it is given."""

    def forward(
        self, input_ids: None = None, inputs_embeds: Tensor | None = None, **_: Any
    ) -> BaseModelOutputWithPast:
        return _Output(last_hidden_state=inputs_embeds)


def head_of(network: Any) -> Any:
    """The network without its decoder, sharing everything else: soft caps and scales included."""
    decoder = network.get_decoder()
    (path,) = [path for path, module in network.named_modules() if module is decoder]
    head = parent = _shallow(network)
    *outer, last = path.split(".")
    for name in outer:
        inner = _shallow(getattr(parent, name))
        setattr(parent, name, inner)
        parent = inner
    setattr(parent, last, _Decoded())
    return head


def _shallow(module: Any) -> Any:
    copied = copy.copy(module)
    copied._modules = dict(module._modules)
    return copied


def load_model(
    folder: Path, *, name: str, dtype: str = "float32", device: str = "cpu"
) -> BaseModel:
    """Load a causal LM from a local folder and find out, by computing, how it can be served.

    Raises RequestError when there is no model in the folder or the dtype is unknown.
    """
    if not (folder / "config.json").is_file():
        raise RequestError(f"no model at {folder}: it has no config.json")
    if dtype not in _DTYPES:
        raise RequestError(f"dtype {dtype!r} is not one of {', '.join(_DTYPES)}")
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    network: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=_DTYPES[dtype], local_files_only=True
    )
    network.to(device).eval().requires_grad_(False)
    tokenizer = _load_tokenizer(folder)
    unembedding = network.get_output_embeddings()
    sites = wrap_linears(network, unembedding)
    config = network.config.get_text_config()
    base = BaseModel(
        name=name,
        folder=folder,
        architecture=network.config.model_type,
        vocab_size=len(unembedding.weight),
        context_length=_context_length(config, tokenizer),
        eos_tokens=_eos_tokens(network, tokenizer),
        tokenizer=tokenizer,
        sites=sites,
        network=network,
        head=head_of(network),
    )
    probe(base)
    return base


def _load_tokenizer(folder: Path) -> Any:
    if not any((folder / file).is_file() for file in ("tokenizer.json", "tokenizer_config.json")):
        return None
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _context_length(config: Any, tokenizer: Any) -> int:
    for attribute in ("max_position_embeddings", "n_positions", "max_seq_len"):
        if isinstance(length := getattr(config, attribute, None), int):
            return length
    stated = getattr(tokenizer, "model_max_length", None)
    # Tokenizers without a limit say a number beyond any memory.
    return int(stated) if stated is not None and stated < 2**31 else 4096


def _eos_tokens(network: Any, tokenizer: Any) -> frozenset[int]:
    tokens: set[int] = set()
    for owner in (network.config, network.generation_config, tokenizer):
        stated = getattr(owner, "eos_token_id", None)
        tokens.update([stated] if isinstance(stated, int) else stated or ())
    return frozenset(tokens)
