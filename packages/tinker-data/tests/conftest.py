"""A tokenizer and a renderer made on the spot, and files to read."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tinker_render import Renderer, get_renderer

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    """ChatML over bytes: one token a byte, so that lengths can be counted by hand."""
    bytes_in_order = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*CONTROL, *bytes_in_order])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=CONTROL,
    )
    return get_renderer("chatml_plain", fast)


@pytest.fixture
def write_rows(tmp_path: Path):
    """Write rows to a JSONL file: dictionaries as JSON, strings as they are."""

    def write(rows: list[object], name: str = "rows.jsonl") -> Path:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path = tmp_path / name
        path.write_text("".join(line + "\n" for line in lines))
        return path

    return write


def chat(question: str, answer: str) -> dict[str, object]:
    """A row in the OpenAI format."""
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


@pytest.fixture
def chats():
    """Rows in the OpenAI format: question i is `q<i>`, its answer `a<i>`."""
    return lambda n: [chat(f"q{i}", f"a{i}") for i in range(n)]
