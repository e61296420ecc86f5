"""`card`: a model card from a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tinker_core import ConfigError
from tinker_weights.checkpoint.run_directory import RunCheckpoint, RunDirectory, read_run
from tinker_weights.publish.curves import Points, draw
from tinker_weights.publish.facts import (
    Contents,
    EvalRow,
    curves_of,
    evals_of,
    is_hub_name,
    licence_of,
)
from tinker_weights.publish.loading import how_to_load
from tinker_weights.publish.markdown import code, front_matter, inline, table, without_places

CURVES = "curves.svg"

_KINDS = {
    "tinker_sl": ("supervised fine-tuning", ["sft"]),
    "tinker_dpo": ("preference learning", ["dpo"]),
    "tinker_rl": ("reinforcement learning", ["reinforcement-learning"]),
}
"""By the package of the config's class: what the run did, and the hub's tags for it."""
_INTRODUCTIONS: dict[Contents, str] = {
    "adapter": "A LoRA adapter for",
    "model": "A merged model, from",
    "gguf": "A GGUF file for llama.cpp, from",
}
_LIBRARIES: dict[Contents, str] = {"adapter": "peft", "model": "transformers", "gguf": "gguf"}


@frozen(kw_only=True)
class Card:
    """A model card and the picture that it shows."""

    text: str = field(repr=False)
    curves: str | None = field(default=None, repr=False)
    """SVG."""


def card(
    run: str | Path,
    file: str | Path,
    *,
    evals: str | Path | None = None,
    step: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the model card of a run, and the picture of its curves beside it.

    Args:
        run: The run's folder.
        file: Where to, README.md as a rule.
        evals: A folder of `tinker-evals` with the scores to show.
        step: The checkpoint that the card is about; the newest unless given.
        overwrite: Replace the files.
    """
    target = Path(file).expanduser()
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} exists already: choose another name, or pass --overwrite")
    directory = read_run(Path(run).expanduser())
    write_card(make_card(directory, "adapter", evals=evals, step=step), target)
    return target


def write_card(made: Card, file: Path) -> None:
    """Write a card and its picture. Raises ConfigError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(made.text, encoding="utf-8")
        if made.curves is not None:
            (file.parent / CURVES).write_text(made.curves, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error}") from error


def make_card(
    run: RunDirectory,
    contents: Contents,
    *,
    repository: str | None = None,
    evals: str | Path | None = None,
    step: int | None = None,
) -> Card:
    """Compose the card of a run for an adapter, a merged model or a GGUF file."""
    checkpoint = run.checkpoint(step)
    curves = curves_of(run.folder / "metrics.jsonl")
    scores = [] if evals is None else evals_of(Path(evals).expanduser())
    title = repository.rpartition("/")[-1] if repository else run.folder.resolve().name
    sections = [
        front_matter(dict(_metadata(run, contents))),
        f"# {inline(title)}",
        _summary(run, checkpoint, contents),
        "## How to load it",
        how_to_load(contents, repository or "user/name", run.base_model or "base/model"),
        "## Training",
        table(("setting", "value"), _settings(run, checkpoint)),
        *_curves(curves),
        *_evaluation(scores),
        "## Reproduction",
        *_reproduction(run),
    ]
    return Card(text="\n\n".join(sections) + "\n", curves=draw(curves) if curves else None)


def _metadata(run: RunDirectory, contents: Contents) -> Iterator[tuple[str, Any]]:
    base = run.base_model
    if base and is_hub_name(base):
        yield "base_model", base
        yield "base_model_relation", "adapter" if contents == "adapter" else "finetune"
    if base:
        yield from licence_of(base).items()
    yield "library_name", _LIBRARIES[contents]
    yield "pipeline_tag", "text-generation"
    yield "tags", ["tinker", "lora", *_kind(run)[1]]


def _kind(run: RunDirectory) -> tuple[str, list[str]]:
    package = str(run.config.get("type", "")).partition(".")[0].partition(":")[0]
    return _KINDS.get(package, ("post-training", []))


def _summary(run: RunDirectory, checkpoint: RunCheckpoint, contents: Contents) -> str:
    state = "is complete" if checkpoint.final else "was not complete"
    return (
        f"{_INTRODUCTIONS[contents]} {inline(run.base_model or 'an unrecorded base model')}. "
        f"Trained by {_kind(run)[0]} for {checkpoint.step} optimizer steps; the run {state} there."
    )


def _settings(run: RunDirectory, checkpoint: RunCheckpoint) -> Iterator[tuple[str, object]]:
    config, known = without_places(dict(run.config)), checkpoint.metadata
    lora, adam = config.get("lora") or {}, config.get("adam") or {}
    layers = ", ".join(kind for kind in ("mlp", "attn", "unembed") if lora.get(f"train_{kind}"))
    rank, layers = known.get("lora_rank", lora.get("rank")), known.get("lora_layers", layers)
    candidates: Mapping[str, object] = {
        "base model": run.base_model,
        "renderer": known.get("renderer", config.get("renderer")),
        "started from": config.get("start_from"),
        "LoRA": f"rank {rank} on {layers}" if rank else None,
        "data": _data(config.get("data")),
        "learning rate": adam.get("learning_rate"),
        "schedule": _class_name(config.get("schedule")),
        "epochs": config.get("num_epochs"),
        "optimizer steps": checkpoint.step,
        "seed": config.get("seed"),
    }
    yield from ((key, value) for key, value in candidates.items() if value is not None)


def _data(data: object) -> str | None:
    """File names and names of datasets."""
    found = [value for key, value in _strings(data) if key in ("path", "name", "split", "dataset")]
    return ", ".join(found) or None


def _strings(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _strings(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, key)
    elif isinstance(value, str):
        yield key, value


def _class_name(value: object) -> str | None:
    """The class of a nested config, without its module."""
    if not isinstance(value, Mapping) or "type" not in value:
        return None
    return str(value["type"]).rpartition(":")[-1]


def _curves(curves: Sequence[tuple[str, Points]]) -> Iterator[str]:
    if curves:
        yield "## Curves"
        yield f"![Curves of the run's metrics]({CURVES})"
        rows = [(name, f"{p[0][1]:.4g}", f"{p[-1][1]:.4g}") for name, p in curves]
        yield table(("metric", "first", "last"), rows)


def _evaluation(scores: Sequence[EvalRow]) -> Iterator[str]:
    if scores:
        yield "## Evaluation"
        rows = [(s.task, s.score, f"{s.value:.3f}", _interval(s), s.items) for s in scores]
        yield table(("task", "score", "value", "95 % interval", "items"), rows)


def _interval(row: EvalRow) -> str:
    return "" if row.low is None or row.high is None else f"{row.low:.3f} to {row.high:.3f}"


def _reproduction(run: RunDirectory) -> Iterator[str]:
    description = run.description
    facts = {
        "created": description.get("created"),
        "git revision": description.get("git_revision"),
        **(description.get("versions") or {}),
    }
    yield table(("", ""), [(key, value) for key, value in facts.items() if value])
    config = json.dumps(without_places(dict(run.config)), indent=2, ensure_ascii=False)
    yield f"<details><summary>Config</summary>\n\n{code(config, 'json')}\n\n</details>"
