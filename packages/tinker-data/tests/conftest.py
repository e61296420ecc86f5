"""A tokenizer and a renderer made on the spot, and files to read."""

import json
from pathlib import Path

import pytest

from tinker_render import Renderer, get_renderer
from tinker_render.testing import byte_tokenizer


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    """ChatML over bytes: one token a byte, so that lengths can be counted by hand."""
    return get_renderer("chatml_plain", byte_tokenizer())


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
