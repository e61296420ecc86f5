"""What a format takes from a message, and what it says about one that it cannot express."""

from __future__ import annotations

from tinker_core import ImagePart, Message, RenderError, TextPart, ThinkingPart


def refuse(index: int, message: Message, problem: str) -> RenderError:
    """The error that names the message."""
    return RenderError(f"messages[{index}] ({message.role}): {problem}")


def only_text(index: int, message: Message, family: str) -> str:
    """The message's text; raises RenderError where there is anything else."""
    if message.tool_calls or message.unparsed_tool_calls:
        raise refuse(index, message, f"{family} has no form for tool calls")
    return without_reasoning(index, message, family)


def without_reasoning(index: int, message: Message, family: str) -> str:
    """The message's text; raises RenderError where there is reasoning or an image."""
    kinds = {ImagePart: "images", ThinkingPart: "reasoning"}
    for part in message.content:
        if type(part) in kinds:
            raise refuse(index, message, f"{family} has no form for {kinds[type(part)]}")
    return message.text


def reasoning_and_answer(index: int, message: Message, family: str) -> tuple[str, str]:
    """An assistant's reasoning ("" for none) and its text.

    Where no part is marked as reasoning, what stands before `</think>` in the text is, as the
    vendors' templates have it. Raises RenderError for reasoning after text, and for images.
    """
    thought = [part for part in message.content if isinstance(part, ThinkingPart)]
    if not thought and "</think>" in message.text:
        before, _, after = message.text.rpartition("</think>")
        reasoning = before.rstrip("\n").rpartition("<think>")[2].lstrip("\n")
        return reasoning, after.lstrip("\n")
    kinds = [type(part) for part in message.content]
    if ImagePart in kinds:
        raise refuse(index, message, f"{family} has no form for images of the assistant")
    if ThinkingPart in kinds[kinds.index(TextPart) :] if TextPart in kinds else False:
        raise refuse(index, message, f"{family} has no form for reasoning after text")
    return message.thinking, message.text
