"""What a sample request may ask about its prompt, computed from the hidden states of prefill."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tinker_local.request_types import SampleRequest, TopK
from tinker_local.sampling.token_sampling import Rule, choose

EMPTY_LOGPROB = -99999.0


class PromptReport:
    """Filled row by row: row i of the prompt's logits speaks of the token at i + 1."""

    def __init__(self, request: SampleRequest, rng: np.random.Generator) -> None:
        self._request = request
        length = len(request.prompt)
        last_n = request.prompt_logprobs_last_n
        self._from = 0 if last_n is None else max(0, length - last_n - 1)
        """First row that prompt_logprobs and topk_prompt_logprobs speak of."""
        self.logprobs = np.full(length, np.nan, np.float32) if request.prompt_logprobs else None
        self.topk = _empty(length, request.topk_prompt_logprobs)
        targets = request.target_prompt_logprobs
        self.targets = None if targets is None else np.zeros(targets.shape, np.float32)
        k = request.prompt_alt_tokens_k
        self._uniforms = rng.random((length - 1, k))
        """Drawn at once: which rows come together depends on what else is served."""
        self.alt_tokens = np.zeros((length - 1, k), np.int32) if k else None
        self.alt_logprobs = np.zeros((length - 1, k), np.float32) if k else None

    @property
    def first_row(self) -> int:
        """The first row whose logits are needed; the prompt's last row when none is."""
        last = len(self._request.prompt) - 1
        if self.targets is not None or self.alt_tokens is not None:
            return 0
        if self.logprobs is not None or self.topk is not None:
            return min(self._from, last)
        return last

    def fill(self, start: int, logp: Tensor) -> None:
        """Take log-softmaxed logits (R, V) of prompt rows from `start` on, but for its last."""
        end = start + len(logp)
        asked = slice(max(0, self._from - start), None)
        after = slice(max(start, self._from) + 1, end + 1)
        if self.logprobs is not None:
            following = torch.from_numpy(self._request.prompt[after].astype(np.int64))
            self.logprobs[after] = _gather(logp[asked], following[:, None])[:, 0]
        if self.topk is not None:
            fill_topk(self.topk, after, logp[asked])
        if self.targets is not None and self._request.target_prompt_logprobs is not None:
            wanted = torch.from_numpy(
                self._request.target_prompt_logprobs[start:end].astype(np.int64)
            )
            found = _gather(logp, wanted.clamp(min=0))
            self.targets[start:end] = np.where(wanted.numpy() < 0, 0.0, found)
        if self.alt_tokens is not None and self.alt_logprobs is not None:
            rules = [Rule(temperature=self._request.temperature)] * len(logp)
            for column in range(self.alt_tokens.shape[1]):
                tokens = choose(logp, rules, self._uniforms[start:end, column].tolist())
                self.alt_tokens[start:end, column] = tokens.cpu().numpy()
                self.alt_logprobs[start:end, column] = _gather(logp, tokens[:, None])[:, 0]


def _gather(logp: Tensor, tokens: Tensor) -> NDArray[np.float32]:
    return logp.gather(-1, tokens.to(logp.device)).cpu().numpy()


def _empty(rows: int, k: int) -> TopK | None:
    if k <= 0:
        return None
    return TopK(
        ids=np.zeros((rows, k), np.int32), logprobs=np.full((rows, k), EMPTY_LOGPROB, np.float32)
    )


def fill_topk(into: TopK, rows: slice, logp: Tensor) -> None:
    """Write the likeliest tokens of logp (R, V) into rows of a table, as many as it has columns."""
    k = min(into.ids.shape[1], logp.shape[1])
    best, tokens = logp.topk(k)
    into.ids[rows, :k] = tokens.cpu().numpy()
    into.logprobs[rows, :k] = best.cpu().numpy()
