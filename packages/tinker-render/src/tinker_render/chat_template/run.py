"""Run the chat template of a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from tinker_core import ConfigError, RenderError, ToolSpec
from tinker_render.tools.json_calls import openai_tool

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FIXED_DATE = "{% macro strftime_now(format) %}26 Jul 2024{% endmacro %}"


@frozen(eq=False)
class ChatTemplate:
    """The chat template of a tokenizer; it may be several, of which one is for chats with tools."""

    tokenizer: PreTrainedTokenizerBase

    @property
    def source(self) -> str:
        """The source of all templates. Raises ConfigError if the tokenizer has none."""
        template = self.tokenizer.chat_template
        if not template:
            name = self.tokenizer.name_or_path
            raise ConfigError(
                f"the tokenizer {name!r} has no chat template; for a base model use role_colon"
            )
        return template if isinstance(template, str) else "".join(template.values())

    def run(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[ToolSpec] = (),
        *,
        prompt: bool = False,
    ) -> str:
        """The output of the template; with `prompt`, up to the next answer. Raises RenderError."""
        from jinja2 import TemplateError

        declared: list[Any] | None = [openai_tool(tool) for tool in tools] or None
        try:
            source = self.tokenizer.get_chat_template(None, declared)
            text = self.tokenizer.apply_chat_template(
                [dict(message) for message in messages],
                chat_template=_FIXED_DATE + source,
                tools=declared,
                add_generation_prompt=prompt,
                tokenize=False,
            )
        except (TemplateError, TypeError, ValueError) as error:
            raise RenderError(f"the chat template refuses the conversation: {error}") from error
        return str(text)

    def opening(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[ToolSpec] = ()) -> str:
        """The text that a generation prompt adds behind the messages. Raises RenderError."""
        closed, opened = self.run(messages, tools), self.run(messages, tools, prompt=True)
        if not opened.startswith(closed) or closed == opened:
            raise RenderError("the generation prompt of the chat template does not extend its text")
        return opened[len(closed) :]
