"""Two-layer random models; plain transformers and PEFT beside ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast
from transformers.utils import logging

from tinker_local.errors import RequestError
from tinker_local.model.base import BaseModel
from tinker_local.model.load import load_model
from tinker_local.request_types import AdamParams, Datum, LoraSpec, LossRequest
from tinker_local.sampling.continuous_batching import Sampler
from tinker_local.training.trainer import Trainer

VOCAB = 260
EOS = 257

SaveModel = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """The models are too small for more threads."""
    torch.set_num_threads(1)
    logging.disable_progress_bar()


@pytest.fixture(scope="session")
def save_model(tmp_path_factory: pytest.TempPathFactory) -> SaveModel:
    """Write a random model of a configuration, with one token for each byte."""

    def save(config: Any, seed: int = 0) -> Path:
        torch.manual_seed(seed)
        folder = tmp_path_factory.mktemp("model")
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():  # so that logits are not all alike
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
        model.save_pretrained(folder)
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        words = {letter: i for i, letter in enumerate(alphabet)}
        tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.decoder = decoders.ByteLevel()
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
        fast.add_special_tokens({"pad_token": "<pad>", "eos_token": "<eos>"})
        fast.save_pretrained(folder)
        return folder

    return save


def sentencepiece_tokenizer(*, strip: bool) -> PreTrainedTokenizerFast:
    """A vocabulary in which spaces begin words. With `strip`, a text loses its first space."""
    words = {"<unk>": 0, "▁say": 1, "<0xC3>": 2, "<0xA9>": 3}
    backend = Tokenizer(models.BPE(vocab=words, merges=[], byte_fallback=True))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    backend.decoder = decoders.Sequence([*steps, *([decoders.Strip(" ", 1)] if strip else [])])
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def llama(**changes: Any) -> LlamaConfig:
    """Grouped attention, so that heads cannot be mixed up unnoticed."""
    return LlamaConfig(
        **{
            "vocab_size": VOCAB,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 96,
            "eos_token_id": EOS,
            "bos_token_id": None,
            "tie_word_embeddings": True,
            **changes,
        }
    )


@pytest.fixture(scope="session")
def folder(save_model: SaveModel) -> Path:
    """The model that most tests use."""
    return save_model(llama())


@pytest.fixture
def untied(save_model: SaveModel) -> BaseModel:
    """A model that one test may break. Its unembedding is not its embedding."""
    return load_model(save_model(llama(tie_word_embeddings=False)), name="untied")


@pytest.fixture(scope="session")
def base(folder: Path) -> BaseModel:
    """The loaded model."""
    return load_model(folder, name="tiny")


@pytest.fixture(scope="session")
def plain(folder: Path) -> Any:
    """The same weights in plain transformers."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture
def with_peft(folder: Path) -> Callable[[Trainer, int], Any]:
    """PEFT on the same base weights with a trainer's adapter, in training."""

    def make(trainer: Trainer, rank: int) -> Any:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        targets = [
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "gate_proj",
            "up_proj",
            "down_proj",
            "lm_head",
        ]
        config = peft.LoraConfig(r=rank, lora_alpha=32, target_modules=targets)
        with warnings.catch_warnings():
            # PEFT's own business: merging into a tied layer, names it still uses of transformers
            warnings.filterwarnings("ignore", message=".*tie_word_embeddings", category=UserWarning)
            warnings.filterwarnings("ignore", message=".*checkpointing", category=FutureWarning)
            adapted = peft.get_peft_model(model, config)
        loaded = peft.set_peft_model_state_dict(adapted, trainer.state(optimizer=False))
        assert not loaded.unexpected_keys
        return adapted

    return make


@pytest.fixture
def datum() -> Callable[..., Datum]:
    """A datum of random tokens whose targets are the tokens that follow."""

    def make(length: int, seed: int = 0, **inputs: Any) -> Datum:
        tokens = np.random.default_rng(seed).integers(0, VOCAB, length + 1)
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        return Datum(tokens=tokens[:-1], inputs={"target_tokens": tokens[1:], **arrays})

    return make


@pytest.fixture
def request_of() -> Callable[..., LossRequest]:
    """A loss request, cross-entropy with gradients unless told otherwise."""

    def make(
        *data: Datum, loss_fn: str = "cross_entropy", forward_only: bool = False, **config: Any
    ) -> LossRequest:
        return LossRequest(data=data, loss_fn=loss_fn, config=config, forward_only=forward_only)

    return make


@pytest.fixture
def trained(base: BaseModel) -> Callable[..., Trainer]:
    """A trainer whose adapter already does something (B is not zero)."""

    def make(seed: int = 1, rank: int = 4, on: BaseModel | None = None, **spec: Any) -> Trainer:
        trainer = Trainer(on or base, LoraSpec(rank=rank, seed=seed, **spec))
        generator = torch.Generator().manual_seed(seed)
        state = {
            name: torch.randn(tensor.shape, generator=generator) * 0.05
            for name, tensor in trainer.state(optimizer=False).items()
        }
        trainer.load_state(state, optimizer=False)
        return trainer

    return make


@pytest.fixture
def accumulated() -> Callable[..., dict[str, NDArray[np.float32]]]:
    """The accumulated gradient of a trainer, by name, read off a step that the trainer takes.

    Where eps is as large as the learning rate and both dwarf the gradient, AdamW's first step
    subtracts the gradient itself.
    """

    def take(trainer: Trainer, **clip: float) -> dict[str, NDArray[np.float32]]:
        before = trainer.state(optimizer=False)
        trainer.optim_step(AdamParams(learning_rate=1e8, eps=1e8, **clip))
        after = trainer.state(optimizer=False)
        return {name: (before[name] - after[name]).numpy() for name in before}

    return take


@pytest.fixture
def run() -> Callable[..., list[Any]]:
    """Serve requests in one batch; their results, in order."""

    def serve(sampler: Sampler, requests: Sequence[tuple[Any, Any]]) -> list[Any]:
        groups = [sampler.add(request, adapter) for request, adapter in requests]
        outcomes = {}
        while not sampler.is_idle:
            outcomes.update(dict(sampler.step()))
        for outcome in outcomes.values():
            if isinstance(outcome, RequestError):
                raise outcome
        return [outcomes[group] for group in groups]

    return serve
