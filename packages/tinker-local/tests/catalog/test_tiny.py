"""The toy model in the package."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tinker_local.catalog import (
    resolve,
)


@pytest.fixture(scope="module")
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(resolve("local/tiny"))


def test_the_tiny_tokenizer_numbers_bytes_after_its_three_control_tokens(
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    text = "7+5 é\n\0"
    assert tiny_tokenizer.encode(text) == [3 + byte for byte in text.encode()]
    assert tiny_tokenizer.encode("<|endoftext|><|im_start|><|im_end|>") == [0, 1, 2]
    assert tiny_tokenizer.eos_token_id == 2


@given(text=st.text())
def test_the_tiny_tokenizer_gives_every_text_back(
    text: str, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    tokens = tiny_tokenizer.encode(text, split_special_tokens=True)
    assert tokens == [3 + byte for byte in text.encode()]
    assert tiny_tokenizer.decode(tokens) == text


def test_the_tiny_chat_format_is_chatml_without_a_system_prompt_of_its_own(
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    messages = [{"role": "user", "content": "What is 3+4?"}, {"role": "assistant", "content": "7"}]
    text = tiny_tokenizer.apply_chat_template(messages, tokenize=False)
    question = "<|im_start|>user\nWhat is 3+4?<|im_end|>\n<|im_start|>assistant\n"
    assert text == question + "7<|im_end|>\n"
    prompt = tiny_tokenizer.apply_chat_template(
        messages[:1], tokenize=False, add_generation_prompt=True
    )
    assert prompt == question


def test_the_tiny_model_is_half_trained(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(resolve("local/tiny"), dtype="float32")
    prompts = [
        f"<|im_start|>user\nWhat is {a}+{b}?<|im_end|>\n<|im_start|>assistant\n"
        for a in range(10)
        for b in range(10)
    ]
    batch = tiny_tokenizer(prompts, return_tensors="pt")
    output = model.generate(**batch, max_new_tokens=3, do_sample=False)
    answers = tiny_tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :])
    correct = sum(
        answers[10 * a + b].startswith(f"{a + b}<|im_end|>") for a in range(10) for b in range(10)
    )
    assert 40 <= correct <= 60
