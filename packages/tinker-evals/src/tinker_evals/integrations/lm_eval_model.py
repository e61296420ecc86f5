"""Models of the Tinker API in lm-evaluation-harness, log-likelihood included.

The harness (0.4.13) has no entry points for models. `tinker-lm-eval` registers ours and runs the
harness's own command:

    tinker-lm-eval run --model tinker --model_args model=local/tiny --tasks arc_easy

`--model_args` may also hold checkpoint, renderer, max_length and concurrency.
"""
# mypy: disable-error-code="import-not-found,misc,no-any-unimported,untyped-decorator"

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import tinker
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from tinker_core import ConfigError, as_conversation
from tinker_evals.model.open_model import open_model, process_service
from tinker_train import gather

Request = TypeVar("Request")
Result = TypeVar("Result")
Scored = tuple[float, bool]

_MAX_GEN_TOKS = 256
"""The harness's default."""


@register_model("tinker")
class TinkerLM(TemplateLM):
    """A base model, or a checkpoint of it."""

    def __init__(  # noqa: PLR0913  # the harness passes every setting by name
        self,
        model: str,
        checkpoint: str | None = None,
        renderer: str | None = None,
        max_length: int | None = None,
        concurrency: int = 64,
        batch_size: Any = None,
        max_batch_size: Any = None,
        device: Any = None,
    ) -> None:
        super().__init__()
        opened = asyncio.run(open_model(process_service(), model, checkpoint, renderer))
        self.name, self.client, self.renderer = opened.name, opened.client, opened.renderer
        self.tokenizer = opened.renderer.tokenizer
        self.max_length = context_length(opened.context_length, max_length)
        self._longest_text = self.max_length
        """Tokens of a text that is scored. Scoring samples one token after the text."""
        if self.max_length == opened.context_length:
            self._longest_text -= 1
        self.concurrency = int(concurrency)
        self._rendered: dict[str, list[int]] = {}
        """Texts of rendered chats, with their tokens: the text alone may tokenize differently."""
        self._cut: list[str] = []
        """Prompts of the current requests that were cut."""

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text."""
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """The token before a text without context."""
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else int(bos)

    @property
    def tokenizer_name(self) -> str:
        """Part of the key of cached prompts."""
        return f"{self.name} by {self.renderer.name}".replace("/", "__")

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **_: Any
    ) -> list[int]:
        """The tokens of a text; for a rendered chat, the renderer's tokens."""
        if string in self._rendered:
            return list(self._rendered[string])
        bos = self.tokenizer.bos_token
        if add_special_tokens is None:
            add_special_tokens = not (bos and string.startswith(bos))
        return list(self.tokenizer.encode(string, add_special_tokens=add_special_tokens))

    def apply_chat_template(
        self, chat_history: Sequence[Mapping[str, Any]], add_generation_prompt: bool = True
    ) -> str:
        """A chat as text, by our renderer. Without a prompt, the last message is a prefill."""
        messages = as_conversation(list(chat_history))
        if add_generation_prompt:
            prompt = self.renderer.build_generation_prompt(messages)
        else:
            *before, last = messages
            prompt = self.renderer.build_generation_prompt(before, prefill=last.text)
        tokens = prompt.to_ints()
        text = str(self.tokenizer.decode(tokens, skip_special_tokens=False))
        self._rendered[text] = tokens
        return text

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """The name of the renderer, for the harness's results."""
        return f"tinker-render: {self.renderer.name}"

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Sampled text up to the first stop string, the end of the text, or the token limit."""
        return self._all([request.args for request in requests], self._generate)

    async def _generate(self, request: tuple[str, Mapping[str, Any]]) -> str:
        context, settings = request
        stops = settings.get("until") or []
        stops = [stops] if isinstance(stops, str) else [stop for stop in stops if stop]
        max_tokens = int(settings.get("max_gen_toks") or _MAX_GEN_TOKS)
        sampled = settings.get("do_sample", True)
        params = tinker.SamplingParams(
            max_tokens=max_tokens,
            temperature=float(settings.get("temperature", 0.0)) if sampled else 0.0,
            top_p=float(settings.get("top_p", 1.0)),
            stop=stops or None,
        )
        tokens = self._fit(self.tok_encode(context), self.max_length, max_tokens)
        response = await self.client.sample(tinker.ModelInput.from_ints(tokens), 1, params)
        said = list(response.sequences[0].tokens)
        ends = {self.eot_token_id, *self._stop_tokens()}
        end = next((i for i, token in enumerate(said) if token in ends), len(said))
        text = str(self.tokenizer.decode(said[:end], skip_special_tokens=True))
        places = [text.find(stop) for stop in stops if stop in text]
        return text[: min(places)] if places else text

    def _stop_tokens(self) -> list[int]:
        return [stop for stop in self.renderer.get_stop_sequences() if isinstance(stop, int)]

    def _loglikelihood_tokens(
        self, requests: list[tuple[Any, list[int], list[int]]], **_: Any
    ) -> list[Scored]:
        return self._all([(before, after) for _, before, after in requests], self._score)

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """The log-likelihood of whole texts, in windows of the context's length."""
        return self._all([request.args[0] for request in requests], self._rolling)

    async def _rolling(self, text: str) -> float:
        windows = get_rolling_token_windows(
            token_list=self.tok_encode(text, add_special_tokens=False),
            prefix_token=self.prefix_token_id,
            max_seq_len=self._longest_text - 1,
            context_len=1,
        )
        scored = [await self._score(make_disjoint_window(window)) for window in windows]
        return sum(logprob for logprob, _ in scored)

    async def _score(self, request: tuple[list[int], list[int]]) -> Scored:
        """The summed logprob of tokens after others, and whether each was the likeliest."""
        before, after = request
        tokens = [*self._fit(before, self._longest_text, len(after)), *after]
        client: Any = self.client  # the likeliest tokens are the SDK's own, not our protocol's
        response = await client.sample(
            tinker.ModelInput.from_ints(tokens),
            1,
            tinker.SamplingParams(max_tokens=1),
            include_prompt_logprobs=True,
            topk_prompt_logprobs=1,
        )
        places = range(len(tokens) - len(after), len(tokens))
        logprobs, likeliest = response.prompt_logprobs, response.topk_prompt_logprobs
        return (
            sum(float(logprobs[i]) for i in places),
            all(likeliest[i][0][0] == tokens[i] for i in places),
        )

    def _all(
        self, requests: Sequence[Request], ask: Callable[[Request], Coroutine[Any, Any, Result]]
    ) -> list[Result]:
        self._cut.clear()
        results = asyncio.run(gather((ask(each) for each in requests), limit=self.concurrency))
        if self._cut:
            cut = f"{len(self._cut)} of {len(requests)} prompts were cut from the left, the first"
            warnings.warn(f"{cut} {self._cut[0]}", stacklevel=2)
        return results

    def _fit(self, tokens: list[int], length: int, reserved: int) -> list[int]:
        """The last tokens of a prompt that leave `reserved` of `length` tokens after it.

        Raises ConfigError where they leave no room for a prompt.
        """
        room = length - reserved
        if room < 1:
            raise ConfigError(
                f"a context of {length} tokens has no room for a prompt before {reserved}"
                " tokens: lower max_gen_toks, or shorten the continuations"
            )
        if len(tokens) > room:
            self._cut.append(
                f"from {len(tokens)} tokens to {room}, because the context has {length}"
                f" tokens and {reserved} follow the prompt"
            )
        return tokens[-room:]


def context_length(of_engine: int | None, max_length: int | None) -> int:
    """Tokens of prompt and continuation together: the engine's limit, or `max_length` below it.

    Warns of a `max_length` above it. Raises ConfigError where neither is known.
    """
    if max_length is None and of_engine is None:
        raise ConfigError(
            "the engine does not state the model's context length: pass --model_args max_length=..."
        )
    if max_length is None or of_engine is None:
        return int(max_length or of_engine or 0)
    if int(max_length) > of_engine:
        warnings.warn(f"max_length {max_length} exceeds the engine's {of_engine}", stacklevel=2)
    return min(int(max_length), of_engine)
