"""Conversations to compare on: fixed ones, and random ones from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]
Conversation = list[Message]

TOOLS = [
    {
        "name": "get_weather",
        "description": "The weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "City, as in Zürich"},
                "days": {"type": "integer", "description": "How many days"},
            },
            "required": ["place"],
        },
    },
    {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}},
]


COMPLEX_TOOLS = [
    {
        "name": "plan_trip",
        "description": "Plans.\nA trip.",
        "parameters": {
            "type": "object",
            "properties": {
                "stops": {"type": "array", "items": {"type": "string"}},
                "class": {"type": "string", "enum": ["first", "second"], "default": "second"},
                "budget": {"type": "number", "default": 100, "description": "In euros"},
                "who": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "ages": {"type": "array", "items": {"type": "integer"}},
                    },
                    "required": ["name"],
                },
                "legs": {"type": "array", "items": {"type": "object"}, "nullable": True},
                "when": {"oneOf": [{"type": "string"}, {"type": "number", "default": 1}]},
                "note": {"type": ["string", "null"]},
                "quiet": {"type": "boolean", "default": False},
                "label": {"type": "string", "nullable": True},
                "anything": {},
            },
            "required": ["stops", "who"],
        },
    }
]


def system(text: str) -> Message:
    """A message of the system."""
    return {"role": "system", "content": text}


def user(text: str) -> Message:
    """A message of the user."""
    return {"role": "user", "content": text}


def assistant(text: str, thinking: str | None = None, *calls: Message) -> Message:
    """A message of the assistant."""
    message: Message = {"role": "assistant", "content": text}
    if thinking is not None:
        message["reasoning_content"] = thinking
    if calls:
        message["tool_calls"] = list(calls)
    return message


def call(name: str, **arguments: Any) -> Message:
    """A call of a tool, its arguments as JSON text."""
    text = json.dumps(arguments, ensure_ascii=False)
    return {"type": "function", "function": {"name": name, "arguments": text}}


def tool(text: str, name: str = "get_weather") -> Message:
    """What a tool answered."""
    return {"role": "tool", "content": text, "name": name}


PLAIN: list[Conversation] = [
    [user("Hi"), assistant("Hello!")],
    [system("Be brief."), user("What is 2+2?"), assistant("4")],
    [
        system("You are a poet.\nAnswer in verse."),
        user("Größe 東京 🙂?"),
        assistant("Yes.\n\nNo."),
        user("def f(x):\n    return x  # code\n"),
        assistant("```python\nf(1)\n```"),
    ],
    [user("one"), assistant("two"), user("three"), assistant("four"), user("five")],
]

THINKING: list[Conversation] = [
    [user("2+2?"), assistant("4", "Two and two\nmake four.")],
    [
        system("Think."),
        user("2+2?"),
        assistant("4", "easy"),
        user("3+3?"),
        assistant("6", "still easy"),
    ],
    [user("a"), assistant("b"), user("c"), assistant("d", "now I think")],
]

CALLS: list[Conversation] = [
    [
        system("Use tools."),
        user("Weather in Zürich?"),
        assistant("", None, call("get_weather", place="Zürich", days=2)),
        tool('{"sky": "clear"}'),
        assistant("Clear."),
    ],
    [
        user("Weather and time?"),
        assistant("I look.", None, call("get_weather", place="Rom"), call("now")),
        tool("sunny"),
        tool("12:00", "now"),
        assistant("Sunny at noon."),
        user("Thanks"),
    ],
]

THINKING_CALLS: list[Conversation] = [
    [
        user("Weather?"),
        assistant("", "I must ask.", call("get_weather", place="Rom")),
        tool("rain"),
        assistant("Let me check again.", "Odd.", call("get_weather", place="Roma", days=3)),
        tool("sun"),
        assistant("Sun.", "The second is right."),
        user("Sure?"),
        assistant("Yes.", "Quite."),
    ],
]

_WORDS = ["the", " answer", "42", "\n", " is", "ü", "東", "{", '"', "<b>", " x ", "...", "🙂", "A"]


def random_conversations(count: int, *, thinking: bool, calls: bool) -> Iterator[Conversation]:
    """Conversations of one to four exchanges; every text begins and ends with a letter."""
    rng = random.Random(20261)

    def words() -> str:
        return "W" + "".join(rng.choice(_WORDS) for _ in range(rng.randint(0, 6))) + "w"

    for _ in range(count):
        messages: Conversation = [system(words())] if rng.random() < 0.5 else []
        for _ in range(rng.randint(1, 4)):
            messages.append(user(words()))
            while calls and rng.random() < 0.4:
                thought = words() if thinking and rng.random() < 0.5 else None
                text = words() if rng.random() < 0.5 else ""
                messages.append(assistant(text, thought, call("get_weather", place=words())))
                messages.append(tool(words()))
            thought = words() if thinking and rng.random() < 0.5 else None
            messages.append(assistant(words(), thought))
        yield messages
