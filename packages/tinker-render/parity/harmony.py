"""Prompts of gpt-oss by OpenAI's own library, `openai-harmony`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai_harmony as h

Messages = list[dict[str, Any]]


def opinion(effort: str) -> Callable[[Messages, Messages], str]:
    """The function that writes the prompt behind messages, given the tools."""
    encoding = h.load_harmony_encoding(h.HarmonyEncodingName.HARMONY_GPT_OSS)
    system = h.SystemContent.new().with_reasoning_effort(h.ReasoningEffort(effort.title()))

    def prompt(messages: Messages, tools: Messages) -> str:
        head = [h.Message.from_role_and_content(h.Role.SYSTEM, system)]
        if tools or messages[0]["role"] == "system":
            content = developer(messages, tools)
            head.append(h.Message.from_role_and_content(h.Role.DEVELOPER, content))
        said = [part for message in messages for part in parts(message)]
        whole = h.Conversation.from_messages([*head, *said])
        ids = encoding.render_conversation_for_completion(whole, h.Role.ASSISTANT)
        return str(encoding.decode(ids))

    return prompt


def developer(messages: Messages, tools: Messages) -> h.DeveloperContent:
    """The system's text and the tools."""
    content = h.DeveloperContent.new()
    if messages[0]["role"] == "system":
        content = content.with_instructions(messages[0]["content"])
    if tools:
        described = [
            h.ToolDescription.new(tool["name"], tool["description"], tool["parameters"])
            for tool in tools
        ]
        content = content.with_function_tools(described)
    return content


def parts(message: dict[str, Any]) -> Iterator[h.Message]:
    """The messages of Harmony that one of ours is."""
    match message["role"]:
        case "user":
            yield h.Message.from_role_and_content(h.Role.USER, message["content"])
        case "tool":
            author = h.Author.new(h.Role.TOOL, f"functions.{message['name']}")
            text = json.dumps(message["content"], ensure_ascii=False)
            answer = h.Message.from_author_and_content(author, text)
            yield answer.with_channel("commentary").with_recipient("assistant")
        case "assistant":
            yield from spoken(message)


def spoken(message: dict[str, Any]) -> Iterator[h.Message]:
    """Reasoning, text and calls, each on its channel."""
    calls = message.get("tool_calls", [])
    if "reasoning_content" in message:
        yield on("analysis", message["reasoning_content"])
    if message["content"] or not calls:
        yield on("commentary" if calls else "final", message["content"])
    for call in calls:
        made = on("commentary", call["function"]["arguments"]).with_content_type("json")
        yield made.with_recipient(f"functions.{call['function']['name']}")


def on(channel: str, text: str) -> h.Message:
    """What the assistant says on a channel."""
    return h.Message.from_role_and_content(h.Role.ASSISTANT, text).with_channel(channel)
