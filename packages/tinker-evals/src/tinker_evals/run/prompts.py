"""Prompts: an item to the tokens that are sent, and sampled tokens to the parsed reply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tinker
from attrs import frozen
from tinker import types

from tinker_core import ConfigError, CutShort, Message, Outcome, Reply, as_conversation, to_openai
from tinker_evals.dataset.item import Item
from tinker_evals.run.load_items import load_shots
from tinker_evals.run.settings import Sampling
from tinker_evals.tasks.task import Task
from tinker_render import Renderer


@frozen(kw_only=True)
class Prompt:
    """The prompt of one item."""

    model_input: tinker.ModelInput
    stop: list[int] | list[str]
    shown: str | list[dict[str, Any]]
    """The prompt for people: a text, or messages in the OpenAI chat format."""


@frozen(kw_only=True)
class Prompter:
    """Makes the prompts of one task for one renderer."""

    task: Task
    renderer: Renderer
    sampling: Sampling
    solved: Sequence[Item]
    """Items with solutions. A prompt shows them as shots, without the item that it asks."""

    @classmethod
    def of(cls, task: Task, renderer: Renderer, sampling: Sampling) -> Prompter:
        """With the shots that come with the package. Raises ConfigError for too few."""
        solved = load_shots(task, sampling.shots)
        return cls(task=task, renderer=renderer, sampling=sampling, solved=solved)

    def prompt(self, item: Item) -> Prompt:
        """The prompt of an item in the style of the settings, after its shots."""
        solved = [shot for shot in self.solved if shot.prompt != item.prompt]
        shots = solved[: self.sampling.shots]
        return self._text(item, shots) if self.sampling.style == "text" else self._chat(item, shots)

    def outcome(self, sequence: types.SampledSequence, item: Item) -> Outcome:
        """Parse a sampled sequence."""
        tokens = list(sequence.tokens)
        if self.sampling.style == "chat":
            return self.renderer.parse_response(tokens, tools=item.tools)
        end = self.renderer.tokenizer.eos_token_id
        ended = sequence.stop_reason == "stop" or end in tokens
        tokens = tokens[: tokens.index(end)] if end in tokens else tokens
        text = str(self.renderer.tokenizer.decode(tokens, skip_special_tokens=True))
        stops = [text.find(stop) for stop in self.task.text_format.stop if stop in text]
        message = Message(role="assistant", content=text[: min(stops)] if stops else text)
        return Reply(message) if ended or stops else CutShort(message)

    def _chat(self, item: Item, shots: Sequence[Item]) -> Prompt:
        messages: list[Message] = []
        if self.sampling.system_prompt is not None:
            messages.append(Message(role="system", content=self.sampling.system_prompt))
        for shot in shots:
            messages.append(Message(role="user", content=self._question(shot)))
            messages.append(Message(role="assistant", content=shot.solution))
        messages += as_conversation(item.earlier) if item.earlier else ()
        messages.append(Message(role="user", content=self._question(item)))
        return Prompt(
            model_input=self.renderer.build_generation_prompt(messages, tools=item.tools),
            stop=self.renderer.get_stop_sequences(),
            shown=[to_openai(message) for message in messages],
        )

    def _question(self, item: Item) -> str:
        instruction = self.task.instruction
        return f"{item.prompt}\n\n{instruction}" if instruction else item.prompt

    def _text(self, item: Item, shots: Sequence[Item]) -> Prompt:
        if item.tools:
            raise ConfigError(f"{self.task.name} has tools: set sampling.style to 'chat'")
        form = self.task.text_format
        solved = [
            f"{form.before}{shot.prompt}{form.between}{form.lead}{shot.solution}{form.separator}"
            for shot in shots
        ]
        text = "".join([*solved, f"{form.before}{item.prompt}{form.between}"])
        tokens = self.renderer.tokenizer.encode(text)  # with a BOS token, if the tokenizer has one
        model_input = tinker.ModelInput.from_ints(tokens)
        return Prompt(model_input=model_input, stop=list(form.stop), shown=text)
