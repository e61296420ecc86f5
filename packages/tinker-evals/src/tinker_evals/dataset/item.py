"""One problem of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen, validators


@frozen(kw_only=True)
class Item:
    """What is asked, and what a grader needs to know to judge the answer."""

    id: str = field(validator=validators.min_len(1))
    """The same in every run, since stored answers and comparisons go by it."""
    prompt: str
    earlier: tuple[Mapping[str, Any], ...] = ()
    """Messages before the prompt, in the OpenAI chat format; in a chat alone."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """What the model may call: each a name, a description and a JSON schema of its parameters."""
    target: Any = None
    """What the grader compares with: JSON data."""
    solution: str = ""
    """A whole answer as a model should write it; few-shot prompts show it."""
    choices: tuple[str, ...] = ()
    """Of a multiple choice: the texts, in the order of their letters."""
    cluster: str | None = None
    """The passage or template that it shares with other items; their errors are not independent."""
    group: str | None = None
    """The subject or level under which its score is also reported."""
