"""Text from configs and files, made safe for Markdown and YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#$~])")


def inline(value: object) -> str:
    """A value as text that Markdown takes literally, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; its cells are escaped."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(inline(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def code(text: str, language: str) -> str:
    """A block of code, fenced so that nothing in it ends the block."""
    longest = max((len(found) for found in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def front_matter(fields: Mapping[str, Any]) -> str:
    """YAML between lines of dashes. JSON is YAML, so strings are written as JSON."""
    lines = ["---"]
    for key, value in fields.items():
        if isinstance(value, list):
            lines += [f"{key}:", *(f"- {json.dumps(each, ensure_ascii=False)}" for each in value)]
        else:
            lines.append(f"{key}: {json.dumps(value, ensure_ascii=False)}")
    return "\n".join([*lines, "---"])


def without_places(value: Any) -> Any:
    """A config without the folders of the machine: of an absolute path, the file's name stays."""
    if isinstance(value, Mapping):
        return {key: without_places(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_places(inner) for inner in value]
    if isinstance(value, str) and (value.startswith(("/", "~", "..")) or "\\" in value):
        return PurePath(value.replace("\\", "/")).name
    return value
