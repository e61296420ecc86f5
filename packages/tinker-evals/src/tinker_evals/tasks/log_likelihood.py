"""Tasks scored by log-likelihood: ARC and HellaSwag. No reply is sampled."""

from __future__ import annotations

import re

from tinker_core import DataError
from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Hub, Row
from tinker_evals.tasks.task import RankingTask


def _read_arc(row: Row, number: int) -> Item:
    labels, texts = row["choices"]["label"], row["choices"]["text"]
    if row["answerKey"] not in labels:
        raise DataError(f"{row['answerKey']!r} is none of {labels}", field="answerKey")
    return Item(
        id=row["id"],
        prompt=f"Question: {row['question']}\nAnswer:",
        choices=tuple(f" {text}" for text in texts),
        target=labels.index(row["answerKey"]),
    )


def _read_hellaswag(row: Row, number: int) -> Item:
    context = f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}"
    return Item(
        id=str(row["ind"]),
        prompt=_without_markup(context),
        choices=tuple(f" {_without_markup(ending)}" for ending in row["endings"]),
        target=int(row["label"]),
        cluster=row["source_id"],  # several items continue one video or article
    )


def _without_markup(text: str) -> str:
    """Without the bracketed marks of WikiHow's pages."""
    text = re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". "))
    return text.replace("  ", " ")


def _arc(name: str, config: str, count: str) -> RankingTask:
    return RankingTask(
        name=name,
        summary=f"{count} science questions of school (allenai/ai2_arc, CC BY-SA 4.0)",
        source=Hub("allenai/ai2_arc", config),
        read=_read_arc,
    )


arc_easy = _arc("arc_easy", "ARC-Easy", "2,376")
arc_challenge = _arc("arc_challenge", "ARC-Challenge", "1,172")
hellaswag = RankingTask(
    name="hellaswag",
    summary="10,042 situations to continue (Rowan/hellaswag, MIT; Zellers et al. 2019)",
    source=Hub("Rowan/hellaswag", split="validation"),
    read=_read_hellaswag,
)
