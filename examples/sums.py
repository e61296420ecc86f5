"""One-digit sums as conversations: the data of the examples."""

from __future__ import annotations

import json
import random
from pathlib import Path


def sums() -> list[tuple[str, str]]:
    """All hundred questions with their answers."""
    return [(f"What is {a}+{b}?", str(a + b)) for a in range(10) for b in range(10)]


def write_sums(folder: Path, *, seed: int = 0) -> tuple[Path, Path]:
    """80 training and 20 held-out conversations as JSONL in the OpenAI chat format."""
    pairs = sums()
    random.Random(seed).shuffle(pairs)
    rows = [
        {
            "messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
        }
        for question, answer in pairs
    ]
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "train.jsonl", folder / "test.jsonl"
    for path, part in zip(paths, (rows[:80], rows[80:]), strict=True):
        path.write_text("".join(json.dumps(row) + "\n" for row in part))
    return paths
