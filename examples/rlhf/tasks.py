"""The task of the RLHF example: questions, answers, and the rule behind the preferences.

The questions are small sums and differences. People answer with a bare number or with a full
sentence, and prefer the sentence. `likes` is the rule that makes the preferences; only the last
measurement uses it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

HELD_OUT = 55


@frozen(kw_only=True)
class Question:
    """A question and its number."""

    text: str
    number: int

    def bare(self) -> str:
        """The rejected answer."""
        return str(self.number)

    def sentence(self) -> str:
        """The chosen answer."""
        return f"It is {self.number}."


def questions(seed: int) -> tuple[list[Question], list[Question]]:
    """All 100 sums and 55 differences of two digits, shuffled: training and held-out questions."""
    sums = [Question(text=f"What is {a}+{b}?", number=a + b) for a in range(10) for b in range(10)]
    differences = [
        Question(text=f"What is {a}-{b}?", number=a - b) for a in range(10) for b in range(a + 1)
    ]
    every = [*sums, *differences]
    random.Random(seed).shuffle(every)
    return every[HELD_OUT:], every[:HELD_OUT]


def likes(answer: str) -> float:
    """1 for a full sentence with a right or a wrong number, 0 for anything else."""
    return float(re.fullmatch(r"It is \d+\.", answer) is not None)


def number_in(answer: str) -> str:
    """The digits of an answer."""
    return "".join(re.findall(r"\d", answer))


def conversations(of: Sequence[Question], seed: int) -> list[Mapping[str, object]]:
    """Each question answered in both ways, for supervised learning."""
    source = random.Random(seed)
    rows = [chat(question, way) for question in of for way in (question.bare, question.sentence)]
    source.shuffle(rows)
    return rows


def chat(question: Question, way: object) -> dict[str, object]:
    """A question and an answer in the OpenAI format."""
    answer = way()  # type: ignore[operator]
    return {
        "messages": [
            {"role": "user", "content": question.text},
            {"role": "assistant", "content": answer},
        ]
    }


def pairs(of: Sequence[Question], seed: int) -> list[Mapping[str, object]]:
    """A sentence, right or wrong, against a bare number and against misspelt sentences."""
    source = random.Random(seed)
    rows: list[Mapping[str, object]] = []
    for question in of:
        good = source.choice([question.sentence(), f"It is {source.randrange(19)}."])
        for bad in (question.bare(), spoilt(good, source), spoilt(good, source)):
            rows.append({"prompt": question.text, "chosen": good, "rejected": bad})
    return rows


def spoilt(sentence: str, source: random.Random) -> str:
    """The sentence with a mistake that `likes` rejects: one letter too many or too few."""
    at = source.randrange(len(sentence))
    if source.random() < 0.5:
        wrong = sentence[:at] + source.choice("Itis. ") + sentence[at:]
    else:
        wrong = sentence[:at] + sentence[at + 1 :]
    return wrong if not likes(wrong) else sentence[:-1]


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write a JSONL file unless it exists."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
