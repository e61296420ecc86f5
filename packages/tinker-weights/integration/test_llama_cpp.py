"""llama.cpp answers with the GGUF file as the engine answers with the checkpoint.

Needs the extra `gguf`, which compiles llama-cpp-python (`nox -s llama_cpp`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import llama_cpp
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from weights_smollm2 import answer

import tinker_weights

MAX_TOKENS = 48


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    return answer(tmp_path_factory.mktemp("home"), MAX_TOKENS)


@pytest.fixture(scope="module")
def merged(answers, tmp_path_factory):
    return tinker_weights.merge(
        str(answers.adapter), tmp_path_factory.mktemp("m") / "merged"
    ).folder


def load(file):
    return llama_cpp.Llama(
        str(file), n_ctx=512, n_threads=2, verbose=False, flash_attn=False,
        type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32,
    )  # fmt: skip


def greedy(model, prompt):
    tokens = []
    for token in model.generate(list(prompt), temp=0.0, top_k=1, repeat_penalty=1.0):
        tokens.append(token)
        if len(tokens) == MAX_TOKENS:
            return tuple(tokens)
    raise AssertionError("the model stopped early")


def test_in_float32_llama_cpp_answers_like_the_checkpoint_token_for_token(
    answers, merged, tmp_path
):
    made = tinker_weights.gguf(merged, tmp_path / "f32.gguf", outtype="f32")
    model = load(made.file)
    for prompt, tokens in zip(answers.prompts, answers.tokens, strict=True):
        assert greedy(model, prompt) == tokens


@pytest.mark.parametrize("outtype", ["q8_0", "q4_k_m"])
def test_a_quantised_file_is_smaller_and_begins_alike(answers, merged, tmp_path, outtype):
    made = tinker_weights.gguf(merged, tmp_path / "q.gguf", outtype=outtype)
    whole = (merged / "model.safetensors").stat().st_size
    assert made.size < whole / 3
    model = load(made.file)
    same = [
        greedy(model, prompt)[0] == tokens[0]
        for prompt, tokens in zip(answers.prompts, answers.tokens, strict=True)
    ]
    assert any(same)


def test_the_chat_template_and_the_tokenizer_are_the_base_models(answers, merged, tmp_path):
    made = tinker_weights.gguf(merged, tmp_path / "f16.gguf", outtype="f16")
    model = load(made.file)
    assert "<|im_start|>" in model.metadata["tokenizer.chat_template"]
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(merged)
    for text in ("What is 3+4?", "Zürich 漢字  two spaces\n\ttab", "x" * 100):
        ours = tokenizer.encode(text, add_special_tokens=False)
        assert model.tokenize(text.encode(), add_bos=False, special=False) == ours
