"""An item: one problem of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen, validators


@frozen(kw_only=True)
class Item:
    """One problem, with what its grader needs."""

    id: str = field(validator=validators.min_len(1))
    """Stored samples and comparisons refer to it, so it must not change between runs."""
    prompt: str
    earlier: tuple[Mapping[str, Any], ...] = ()
    """Messages before the prompt in the OpenAI chat format, for chats only."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """Tools the model may call: each a name, a description and a JSON schema of its parameters."""
    target: Any = None
    """JSON data that the grader compares with the answer."""
    solution: str = ""
    """A whole reply in the form the task asks for; few-shot prompts show it."""
    choices: tuple[str, ...] = ()
    """Texts of the choices of a multiple-choice question, in the order of their letters."""
    cluster: str | None = None
    """Passage or template that the item shares with others, whose errors are not independent."""
    group: str | None = None
    """Subject or level under which the score is also reported."""
