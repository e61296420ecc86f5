"""`tinker-render show` and `tinker-render check`: conversations as the model sees them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import tyro
from attrs import field, frozen, validators

from tinker_core import DataError, RenderError, ToolSpec, as_tools
from tinker_core.command_line import Command, run_command_line
from tinker_core.jsonl import read_jsonl
from tinker_render.cli.check import first_problem
from tinker_render.cli.show import spans, to_html, to_terminal
from tinker_render.registry import renderer_for
from tinker_render.train_on_what import DEFAULT_TRAIN_ON_WHAT, TrainOnWhat


@frozen(kw_only=True)
class Show:
    """Print conversations as the model sees them: trained text green, control tokens bold."""

    model: str
    """The model whose tokenizer is used."""
    data: Path
    """JSONL file of rows with `messages` and, optionally, `tools`."""
    renderer: str = "auto"
    """Name of the renderer; `auto` is the recommended one for the model."""
    train_on_what: TrainOnWhat = DEFAULT_TRAIN_ON_WHAT
    """The messages to train on."""
    limit: int = field(default=3, validator=validators.ge(1))
    """Number of rows to show."""
    html: Path | None = None
    """Write an HTML page to this file instead of printing."""


@frozen(kw_only=True)
class Check:
    """Compare a renderer with the chat template of the model, and parse its answers again."""

    model: str
    """The model whose tokenizer is used."""
    data: Path
    """JSONL file of rows with `messages` and, optionally, `tools`."""
    renderer: str = "auto"
    """Name of the renderer; `auto` is the recommended one for the model."""


Commands = (
    Annotated[Show, tyro.conf.subcommand("show")] | Annotated[Check, tyro.conf.subcommand("check")]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. The exit status is 1 if `check` finds a difference."""
    run_command_line("tinker-render", _parse, arguments)


def _parse(arguments: list[str]) -> Command:
    command: Show | Check = tyro.cli(Commands, prog="tinker-render", args=arguments)
    return lambda: show(command) if isinstance(command, Show) else check(command)


def show(command: Show) -> int:
    """Print rows, or write them to an HTML page."""
    renderer = renderer_for(command.model, command.renderer)
    shown = []
    for row, messages, tools in islice(_rows(command.data), command.limit):
        with _located(command.data, row):
            examples = renderer.build_supervised_examples(
                messages, command.train_on_what, tools=tools
            )
        shown += [spans(renderer, example, weights) for example, weights in examples]
    if command.html is None:
        print(f"\n{'-' * 80}\n".join(map(to_terminal, shown)))
    else:
        command.html.write_text(to_html(shown), encoding="utf-8")
        print(f"{command.html}: {len(shown)} rendered conversations")
    return 0


def check(command: Check) -> int:
    """Check every row, and print the first difference."""
    renderer = renderer_for(command.model, command.renderer)
    count = 0
    for row, messages, tools in _rows(command.data):
        with _located(command.data, row):
            problem = first_problem(renderer, messages, tools)
        if problem:
            print(f"{command.data}:{row}: {problem}")
            return 1
        count += 1
    print(f"{renderer.name} fits {command.model}: {count} conversations")
    return 0


@contextmanager
def _located(path: Path, row: int) -> Iterator[None]:
    """Add the place of the row to errors."""
    try:
        yield
    except DataError as error:
        raise error.at(file=path, row=row) from error
    except RenderError as error:
        raise RenderError(f"{path}:{row}: {error}", lacks=error.lacks) from error


def _rows(path: Path) -> Iterator[tuple[int, list[dict[str, Any]], tuple[ToolSpec, ...]]]:
    """Number, messages and tools of each row. Keys that are not read are named on stderr."""
    unread: set[str] = set()
    for row, value in read_jsonl(path):
        if not isinstance(value.get("messages"), list):
            raise DataError("not an object with messages", file=path, row=row)
        if fresh := sorted(value.keys() - {"messages", "tools"} - unread):
            print(f"{path}:{row}: keys that are not read: {', '.join(fresh)}", file=sys.stderr)
            unread.update(fresh)
        with _located(path, row):
            yield row, value["messages"], as_tools(value.get("tools"))
