"""`tinker-render show` and `tinker-render check`: look at conversations as the model sees them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import tyro
from attrs import frozen

from tinker_core import DataError, PostTrainingError, RenderError
from tinker_render.cli.check import first_problem
from tinker_render.cli.show import spans, to_html, to_terminal
from tinker_render.lineup import get_recommended_renderer_name
from tinker_render.registry import get_renderer
from tinker_render.renderer import Renderer
from tinker_render.tokenizer.load import get_tokenizer
from tinker_render.train_on_what import TrainOnWhat


@frozen(kw_only=True)
class Show:
    """Print conversations as the model sees them: trained text green, control tokens bold."""

    model: str
    """Whose tokenizer to use."""
    data: Path
    """JSONL with `messages`, and `tools` where there are any."""
    renderer: str = "auto"
    """Name of the renderer; `auto` for the one that fits the model."""
    train_on_what: TrainOnWhat = TrainOnWhat.ALL_ASSISTANT_MESSAGES
    """Which messages to train on."""
    limit: int = 3
    """How many rows to show."""
    html: Path | None = None
    """Write one page here instead of printing."""


@frozen(kw_only=True)
class Check:
    """Compare a renderer with the chat template of the model; see that answers are read again."""

    model: str
    """Whose tokenizer to use."""
    data: Path
    """JSONL with `messages`, and `tools` where there are any."""
    renderer: str = "auto"
    """Name of the renderer."""


Command = (
    Annotated[Show, tyro.conf.subcommand("show")] | Annotated[Check, tyro.conf.subcommand("check")]
)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; ends with 1 where something is wrong."""
    command: Show | Check = tyro.cli(Command, prog="tinker-render", args=arguments)
    try:
        sys.exit(show(command) if isinstance(command, Show) else check(command))
    except PostTrainingError as error:
        sys.exit(f"tinker-render: {error}")


def show(command: Show) -> int:
    """Print rows, or write them as a page."""
    renderer = _renderer(command)
    shown = []
    for row, messages, tools in islice(_rows(command.data), command.limit):
        with _at(command.data, row):
            examples = renderer.build_supervised_examples(
                messages, command.train_on_what, tools=tools
            )
        shown += [spans(renderer, example, weights) for example, weights in examples]
    if command.html is None:
        print(f"\n{'-' * 80}\n".join(map(to_terminal, shown)))
    else:
        command.html.write_text(to_html(shown), encoding="utf-8")
    return 0


def check(command: Check) -> int:
    """Check every row; say yes, or show the first difference."""
    renderer = _renderer(command)
    count = 0
    for row, messages, tools in _rows(command.data):
        with _at(command.data, row):
            problem = first_problem(renderer, messages, tools)
        if problem:
            print(f"{command.data}:{row}: {problem}")
            return 1
        count += 1
    print(f"{renderer.name} fits {command.model}: {count} conversations")
    return 0


def _renderer(command: Show | Check) -> Renderer:
    named = command.renderer != "auto"
    name = command.renderer if named else get_recommended_renderer_name(command.model)
    return get_renderer(name, get_tokenizer(command.model), command.model)


@contextmanager
def _at(path: Path, row: int) -> Iterator[None]:
    """Errors within say where the row is."""
    try:
        yield
    except DataError as error:
        raise error.at(file=path, row=row) from error
    except RenderError as error:
        raise RenderError(f"{path}:{row}: {error}") from error


def _rows(path: Path) -> Iterator[tuple[int, list[dict[str, Any]], list[dict[str, Any]]]]:
    """Number, messages and tools of each row. Raises DataError with file and row."""
    with path.open(encoding="utf-8") as lines:
        for row, line in enumerate(lines, start=1):
            try:
                value = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"not JSON: {error}", file=path, row=row) from error
            if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
                raise DataError("not an object with messages", file=path, row=row)
            yield row, value["messages"], value.get("tools") or []
