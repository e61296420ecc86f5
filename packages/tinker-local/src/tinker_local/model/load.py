"""Loading a base model from a folder."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils import logging

from tinker_local.errors import RequestError
from tinker_local.model.base import BaseModel
from tinker_local.model.capabilities import probe
from tinker_local.model.target_modules import prepare_targets
from tinker_local.model.tokenizer import load_tokenizer

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_model(
    folder: Path, *, name: str, dtype: str = "float32", device: str = "cpu"
) -> BaseModel:
    """Load a causal LM from a local folder and probe how it can be served.

    RequestError when there is no model in the folder or the dtype is unknown.
    """
    if not (folder / "config.json").is_file():
        raise RequestError(f"{folder} is not a model folder: it has no config.json")
    if dtype not in _DTYPES:
        raise RequestError(f"invalid dtype {dtype!r}: expected one of {', '.join(_DTYPES)}")
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    network: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=_DTYPES[dtype], local_files_only=True
    )
    network.to(device).eval().requires_grad_(False)
    tokenizer = load_tokenizer(folder)
    unembedding = network.get_output_embeddings()
    base = BaseModel(
        name=name,
        folder=folder,
        architecture=network.config.model_type,
        vocab_size=len(unembedding.weight),
        context_length=_context_length(network.config.get_text_config(), tokenizer),
        eos_tokens=_eos_tokens(network, tokenizer),
        tokenizer=tokenizer,
        targets=prepare_targets(network, unembedding),
        network=network,
        head=_head(network),
    )
    probe(base)
    return base


class _HeadInput(BaseModelOutputWithPast):
    """Answers None to what some heads read beside the hidden states, such as router logits."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


class _NoDecoder(nn.Module):
    """Takes the place of the decoder and returns the hidden states that it is given."""

    def forward(
        self, input_ids: None = None, inputs_embeds: Tensor | None = None, **_: Any
    ) -> BaseModelOutputWithPast:
        return _HeadInput(last_hidden_state=inputs_embeds)


def _head(network: Any) -> Any:
    """The network without its decoder. It shares all else, such as soft caps and logit scales."""
    decoder = network.get_decoder()
    (path,) = [path for path, module in network.named_modules() if module is decoder]
    head = parent = _shallow_copy(network)
    *outer, last = path.split(".")
    for name in outer:
        inner = _shallow_copy(getattr(parent, name))
        setattr(parent, name, inner)
        parent = inner
    setattr(parent, last, _NoDecoder())
    return head


def _shallow_copy(module: Any) -> Any:
    copied = copy.copy(module)
    copied._modules = dict(module._modules)
    return copied


def _context_length(config: Any, tokenizer: Any) -> int:
    for attribute in ("max_position_embeddings", "n_positions", "max_seq_len"):
        if isinstance(length := getattr(config, attribute, None), int):
            return length
    length = getattr(tokenizer, "model_max_length", None)
    # A tokenizer without a limit has a number that exceeds any memory.
    return int(length) if length is not None and length < 2**31 else 4096


def _eos_tokens(network: Any, tokenizer: Any) -> frozenset[int]:
    tokens: set[int] = set()
    for owner in (network.config, network.generation_config, tokenizer):
        stated = getattr(owner, "eos_token_id", None)
        tokens.update([stated] if isinstance(stated, int) else stated or ())
    return frozenset(tokens)
