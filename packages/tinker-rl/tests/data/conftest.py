"""Files of rows, and the questions of groups."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def questions(builders: Any) -> list[str]:
    return [asyncio.run(builder.make_envs())[0].get_question() for builder in builders]


@pytest.fixture(scope="session", name="write")
def _write() -> Callable[[Path, list[Any]], Path]:
    """Writes rows to a file."""
    return write


@pytest.fixture(scope="session", name="questions")
def _questions() -> Callable[[Any], list[str]]:
    """The questions of groups."""
    return questions
