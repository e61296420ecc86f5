"""A real model: the merged SmolLM2 answers like its checkpoint, token for token."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM
from weights_smollm2 import answer

import tinker_weights

MAX_TOKENS = 20


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    return answer(tmp_path_factory.mktemp("home"), MAX_TOKENS)


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def greedy(model, prompt):
    ids = torch.tensor([prompt])
    with torch.no_grad():
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, eos_token_id=-1,
            max_new_tokens=MAX_TOKENS, pad_token_id=0,
        )  # fmt: skip
    return tuple(out[0, len(prompt) :].tolist())


def test_the_merged_model_answers_like_the_checkpoint_token_for_token(answers, tmp_path):
    merged = tinker_weights.merge(str(answers.adapter), tmp_path / "merged")
    assert merged.untied
    model = load(merged.folder)
    for prompt, tokens in zip(answers.prompts, answers.tokens, strict=True):
        assert greedy(model, prompt) == tokens
    base = load(answers.base)  # which answers otherwise: the adapter matters
    assert greedy(base, answers.prompts[0]) != answers.tokens[0]
