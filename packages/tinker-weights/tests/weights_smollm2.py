"""SmolLM2 with an adapter, and what the engine answers with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import weights_engine as engine
from attrs import field, frozen

from tinker_local.catalog import resolve
from tinker_local.model.load import load_model

NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
QUESTIONS = ("Write two sentences about the sea.", "What is 7 + 5?", "Name three colours.")


@frozen(kw_only=True)
class Answers:
    """An adapter, and greedy answers of the engine in float32."""

    base: Path
    adapter: Path
    prompts: tuple[tuple[int, ...], ...] = field(repr=False)
    tokens: tuple[tuple[int, ...], ...] = field(repr=False)


def answer(home: Path, max_tokens: int) -> Answers:
    """Make an adapter of random matrices that changes every answer, and ask the engine."""
    base = load_model(resolve(NAME), name=NAME)
    std = lambda name, tensor: 0.02 if "lora_B" in name else tensor.shape[1] ** -0.5  # noqa: E731
    trainer = engine.random_trainer(base, std, 8)
    adapter, _ = engine.store(home, trainer.state(optimizer=False), NAME, spec={"rank": 8})
    prompts = tuple(prompt_of(base.tokenizer, question) for question in QUESTIONS)
    tokens = engine.greedy(base, trainer, prompts, max_tokens)
    return Answers(base=base.folder, adapter=adapter, prompts=prompts, tokens=tokens)


def prompt_of(tokenizer: Any, question: str) -> tuple[int, ...]:
    messages = [{"role": "user", "content": question}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    return tuple(int(token) for token in ids)
