"""Models of the Tinker API in lm-evaluation-harness, log-likelihood included.

The harness (0.4.13) has no entry points for models, so this command registers ours and hands over:

    tinker-lm-eval run --model tinker --model_args model=local/tiny --tasks arc_easy

`--model_args` may also hold checkpoint, renderer, max_length and concurrency.
"""
# mypy: disable-error-code="import-not-found,misc,no-any-unimported,untyped-decorator"

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import tinker
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from tinker_core import as_conversation
from tinker_evals.model.open_model import open_model, process_service
from tinker_train import task_group

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
Scored = tuple[float, bool]


@register_model("tinker")
class TinkerLM(TemplateLM):
    """A base model, or a checkpoint of it."""

    def __init__(  # noqa: PLR0913  # the harness passes every setting by name
        self,
        model: str,
        checkpoint: str | None = None,
        renderer: str | None = None,
        max_length: int = 2048,
        concurrency: int = 64,
        batch_size: Any = None,
        max_batch_size: Any = None,
        device: Any = None,
    ) -> None:
        super().__init__()
        opened = asyncio.run(open_model(process_service(), model, checkpoint, renderer))
        self.name, self.client, self.renderer = opened.name, opened.client, opened.renderer
        self.tokenizer = opened.renderer.tokenizer
        self.max_length, self.concurrency = int(max_length), int(concurrency)
        self._rendered: dict[str, list[int]] = {}
        """Chats as text: their tokens, so that nothing is lost by tokenizing the text again."""

    @property
    def eot_token_id(self) -> int:
        """What ends a text."""
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """What a text begins with where nothing else comes before it."""
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else int(bos)

    @property
    def tokenizer_name(self) -> str:
        """Distinguishes cached prompts."""
        return f"{self.name} by {self.renderer.name}".replace("/", "__")

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **_: Any
    ) -> list[int]:
        """Tokens of a text; of a rendered chat, the renderer's own."""
        if string in self._rendered:
            return list(self._rendered[string])
        bos = self.tokenizer.bos_token
        if add_special_tokens is None:
            add_special_tokens = not (bos and string.startswith(bos))
        return list(self.tokenizer.encode(string, add_special_tokens=add_special_tokens))

    def apply_chat_template(
        self, chat_history: Sequence[Mapping[str, Any]], add_generation_prompt: bool = True
    ) -> str:
        """A chat as text, by our renderer; without a prompt, the last message is gone on with."""
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
        """Stands in the harness's results; the renderer's name, since it is no template."""
        return f"tinker-render: {self.renderer.name}"

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """What the model says up to the first of the stop texts, its own end, or the limit."""
        return self._all([request.args for request in requests], self._generate)

    async def _generate(self, request: tuple[str, Mapping[str, Any]]) -> str:
        context, settings = request
        stops = settings.get("until") or []
        stops = [stops] if isinstance(stops, str) else [stop for stop in stops if stop]
        max_tokens = int(settings.get("max_gen_toks") or 256)
        sampled = settings.get("do_sample", True)
        params = tinker.SamplingParams(
            max_tokens=max_tokens,
            temperature=float(settings.get("temperature", 0.0)) if sampled else 0.0,
            top_p=float(settings.get("top_p", 1.0)),
            stop=stops or None,
        )
        tokens = self.tok_encode(context)[-(self.max_length - max_tokens) :]
        response = await self.client.sample(tinker.ModelInput.from_ints(tokens), 1, params)
        said = list(response.sequences[0].tokens)
        ends = {self.eot_token_id, *(s for s in self._stop_tokens() if s is not None)}
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
        """The log-likelihood of whole texts, in windows where they are longer than the context."""
        return self._all([request.args[0] for request in requests], self._rolling)

    async def _rolling(self, text: str) -> float:
        windows = get_rolling_token_windows(
            token_list=self.tok_encode(text, add_special_tokens=False),
            prefix_token=self.prefix_token_id,
            max_seq_len=self.max_length - 1,
            context_len=1,
        )
        scored = [await self._score(make_disjoint_window(window)) for window in windows]
        return sum(logprob for logprob, _ in scored)

    async def _score(self, request: tuple[list[int], list[int]]) -> Scored:
        """Summed logprob of the tokens after others, and whether each was the likeliest."""
        before, after = request
        tokens = [*before, *after][-self.max_length :]
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
        self, asked: Sequence[Asked], ask: Callable[[Asked], Awaitable[Answer]]
    ) -> list[Answer]:
        async def run() -> list[Answer]:
            slots = asyncio.Semaphore(self.concurrency)

            async def one(request: Asked) -> Answer:
                async with slots:
                    return await ask(request)

            async with task_group() as group:
                tasks = [group.create_task(one(request)) for request in asked]
            return [task.result() for task in tasks]

        return asyncio.run(run())
