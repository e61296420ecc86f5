"""The facts of a model card, from the run, the model's folder, the base model and the evals."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from tinker_core import ConfigError, DataError
from tinker_core.jsonl import read_jsonl
from tinker_weights.adapter.config import CONFIG, TENSORS
from tinker_weights.base_model.find import find_base_model, is_model
from tinker_weights.publish.curves import Points, curve

logger = logging.getLogger(__name__)

Contents = Literal["adapter", "model", "gguf"]
_SHOWN = ("test/", "dev/", "train/nll", "train/loss", "train/reward", "train/accuracy")
_MOST_CURVES = 6


@frozen(kw_only=True)
class EvalRow:
    """A score of one task, with its 95 % interval."""

    task: str
    score: str
    value: float
    low: float | None
    high: float | None
    items: int


def contents_of(folder: Path) -> Contents:
    """The kind of the folder that is published. Raises ConfigError for any other folder."""
    if (folder / CONFIG).is_file() and (folder / TENSORS).is_file():
        return "adapter"
    if is_model(folder):
        return "model"
    if any(folder.glob("*.gguf")):
        return "gguf"
    raise ConfigError(
        f"{folder} holds no adapter, no merged model and no GGUF file: make one with "
        "`tinker-weights export-adapter`, `merge` or `gguf`"
    )


def is_hub_name(name: str) -> bool:
    """True if a model's name can be one of the hub, and not a folder of this machine."""
    shaped = re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name)
    return bool(shaped) and not name.startswith("local/") and not Path(name).exists()


def licence_of(base_model: str) -> Mapping[str, str]:
    """The fields `license`, `license_name` and `license_link` of a base model's own card.

    Empty, with a warning, where that cannot be had or states none.
    """
    try:
        text = (find_base_model(base_model, weights=False) / "README.md").read_text("utf-8")
    except (ConfigError, OSError) as error:
        logger.warning("the licence of %s is not known: %s", base_model, error)
        return {}
    matter = re.match(r"\A---\n(.*?)\n---", text, re.DOTALL)
    pattern = r"(?m)^(license|license_name|license_link): *[\"']?([^\"'\n]+)"
    return {key: value.strip() for key, value in re.findall(pattern, matter[1] if matter else "")}


def curves_of(metrics: Path) -> list[tuple[str, Points]]:
    """The curves worth showing: what was held out first, then losses and rewards."""
    if not metrics.is_file():
        return []
    rows = [row for _, row in read_jsonl(metrics, drop_torn_line=True)]
    names = dict.fromkeys(name for row in rows for name in row)
    shown = dict.fromkeys(name for start in _SHOWN for name in names if name.startswith(start))
    found: list[tuple[str, Points]] = [(name, curve(rows, name)) for name in shown]
    return [(name, points) for name, points in found if len(points) > 1][:_MOST_CURVES]


def evals_of(folder: Path) -> list[EvalRow]:
    """The scores in a folder of `tinker-evals`. Raises DataError for one that is damaged."""
    files = sorted(folder.rglob("result.json"))
    if not files:
        raise ConfigError(f"{folder} holds no result of `tinker-evals`")
    return [row for file in files for row in _scores(file)]


def _scores(file: Path) -> Iterator[EvalRow]:
    try:
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        for name, estimate in result["summary"]["scores"].items():
            yield EvalRow(
                task=result["task"],
                score=name,
                value=estimate["value"],
                low=estimate["low"],
                high=estimate["high"],
                items=estimate["n"],
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"is no result of an eval: {error!r}", file=file) from error
