"""Text and reasoning of a message, and the errors for messages that a format has no form for."""

from __future__ import annotations

from tinker_core import ImagePart, Message, RenderError, TextPart, ThinkingPart
from tinker_core.errors import Feature

RENDERERS_WITH: dict[Feature, tuple[str, ...]] = {
    "reasoning": (
        *("qwen3", "qwen3_vl", "qwen3_5", "qwen3_6", "qwen3_8_*_reasoning", "deepseekv3_thinking"),
        *("glm", "gpt_oss_*", "kimi_k2", "kimi_k25", "kimi_k26*", "nemotron3*"),
    ),
    "tools": ("qwen3*", "deepseekv3*", "glm*", "gpt_oss_*", "kimi_*", "nemotron3*"),
    "images": ("qwen3_vl*", "kimi_k25*", "kimi_k26*"),
}
"""Renderers of each feature, for error messages; `*` stands for any letters."""

_ADVICE: dict[Feature, str] = {
    "reasoning": "; or remove it: tinker_core.strip_reasoning(messages)",
    "tools": "; `template` has one if the chat template of the model writes calls as JSON or XML",
    "images": "",
}


def refuse(index: int, message: Message, problem: str) -> RenderError:
    """The error for a message that a format cannot express."""
    return RenderError(f"messages[{index}] ({message.role}): {problem}")


def no_form(family: str, feature: Feature, what: str, at: str = "") -> RenderError:
    """The error for a feature that a format lacks, with the renderers that have it."""
    renderers = ", ".join(RENDERERS_WITH[feature])
    return RenderError(
        f"{at}{family} has no form for {what}; renderers that have one: {renderers}"
        f"{_ADVICE[feature]}",
        lacks=feature,
    )


def refuse_tools(family: str) -> RenderError:
    """The error for declared tools that a format has no form for."""
    return no_form(family, "tools", "tools")


def refuse_reasoning(index: int, message: Message, family: str) -> RenderError:
    """The error for reasoning that a format has no form for."""
    return no_form(family, "reasoning", "reasoning", f"messages[{index}] ({message.role}): ")


def only_text(index: int, message: Message, family: str) -> str:
    """The text of the message. Raises RenderError for calls, reasoning and images."""
    if message.tool_calls or message.unparsed_tool_calls:
        raise no_form(family, "tools", "tool calls", f"messages[{index}] ({message.role}): ")
    return without_reasoning(index, message, family)


def without_reasoning(index: int, message: Message, family: str) -> str:
    """The text of the message. Raises RenderError for reasoning and images."""
    for part in message.content:
        if isinstance(part, ThinkingPart):
            raise refuse_reasoning(index, message, family)
        if isinstance(part, ImagePart):
            raise refuse_images(index, message, family)
    return message.text


def refuse_images(index: int, message: Message, family: str) -> RenderError:
    """The error for images that a format has no form for."""
    return no_form(family, "images", "images", f"messages[{index}] ({message.role}): ")


def reasoning_and_answer(index: int, message: Message, family: str) -> tuple[str, str]:
    """The reasoning of an assistant message ("" if it has none) and its text.

    Only thinking parts are reasoning; `</think>` in a text is text. Raises RenderError for
    reasoning behind text, and for images.
    """
    kinds = [type(part) for part in message.content]
    if ImagePart in kinds:
        raise refuse_images(index, message, family)
    if ThinkingPart in kinds[kinds.index(TextPart) :] if TextPart in kinds else False:
        raise refuse(index, message, f"{family} has no form for reasoning behind text")
    return message.thinking, message.text


def refuse_unparsed_calls(index: int, message: Message) -> None:
    """Raise RenderError if the message has a call that could not be parsed."""
    if message.unparsed_tool_calls:
        reason = message.unparsed_tool_calls[0].reason
        raise refuse(index, message, f"a tool call that could not be parsed: {reason}")
