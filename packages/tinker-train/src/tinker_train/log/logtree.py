"""Log trees: nested sections of text and tables, written as HTML for people and as JSON.

    with logtree.tree("step 12", folder / "step-000012"):
        with logtree.section("problem 3"):
            logtree.text(answer)
            logtree.table([{"reward": 1.0, "tokens": 80}])

Sections of concurrent asyncio tasks do not mix: a task logs to the section in which it was started.
Text is escaped. The files are written at the end of the block, also after an error.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from attrs import define, field

from tinker_train.files import atomic_write


@define
class Node:
    """A section, a text or a table."""

    kind: str
    title: str = ""
    content: Any = None
    children: list[Node] = field(factory=list)


_CURRENT: ContextVar[Node | None] = ContextVar("logtree", default=None)


@contextmanager
def tree(title: str, path: Path) -> Iterator[Node]:
    """Collect everything that is logged in the block, and write `<path>.html` and `<path>.json`."""
    root = Node(kind="section", title=title)
    token = _CURRENT.set(root)
    try:
        yield root
    finally:
        _CURRENT.reset(token)
        path.parent.mkdir(parents=True, exist_ok=True)
        name = path.name
        atomic_write(path.with_name(f"{name}.html"), as_html(root))
        atomic_write(path.with_name(f"{name}.json"), json.dumps(as_json(root), default=str))


@contextmanager
def section(title: str) -> Iterator[None]:
    """A collapsible section. It has no effect outside a tree."""
    parent = _CURRENT.get()
    if parent is None:
        yield
        return
    node = Node(kind="section", title=title)
    parent.children.append(node)
    token = _CURRENT.set(node)
    try:
        yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def silence() -> Iterator[None]:
    """Log nothing inside."""
    token = _CURRENT.set(None)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def text(content: str, *, title: str = "") -> None:
    """Log text; line breaks are kept."""
    _add(Node(kind="text", title=title, content=content))


def table(rows: Sequence[Mapping[str, Any]], *, title: str = "") -> None:
    """Log a table; the columns are the keys of the rows."""
    _add(Node(kind="table", title=title, content=[dict(row) for row in rows]))


def as_json(node: Node) -> dict[str, Any]:
    """The tree as JSON data."""
    plain: dict[str, Any] = {"kind": node.kind, "title": node.title}
    if node.content is not None:
        plain["content"] = node.content
    if node.children:
        plain["children"] = [as_json(child) for child in node.children]
    return plain


def as_html(root: Node) -> str:
    """The tree as a self-contained HTML page."""
    title = html.escape(root.title)
    body = "".join(_element(child) for child in root.children)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>\n"
    )


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
details { margin: .4rem 0 .4rem 1rem } summary { cursor: pointer; font-weight: 600 }
pre { white-space: pre-wrap; background: #f4f4f6; padding: .6rem; border-radius: 6px }
table { border-collapse: collapse }
td, th { border: 1px solid #ccc; padding: .2rem .5rem; text-align: left }
"""


def _add(node: Node) -> None:
    parent = _CURRENT.get()
    if parent is not None:
        parent.children.append(node)


def _element(node: Node) -> str:
    title = html.escape(node.title)
    heading = f"<h4>{title}</h4>" if title else ""
    if node.kind == "text":
        return f"{heading}<pre>{html.escape(node.content)}</pre>"
    if node.kind == "table":
        return f"{heading}{_table(node.content)}"
    inner = "".join(_element(child) for child in node.children)
    return f"<details open><summary>{title}</summary>{inner}</details>"


def _table(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    lines = [
        "".join(f"<td>{html.escape(str(row.get(name, '')))}</td>" for name in names) for row in rows
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><tr>{head}</tr>{body}</table>"
