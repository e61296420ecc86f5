"""Logprobs of a prompt, and its top-k, target and alternative tokens."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tinker_local.request_types import SampleRequest, TopK
from tinker_local.sampling.token_sampling import TokenSamplingParams, sample_tokens

UNSET_LOGPROB = -99999.0


class PromptLogprobs:
    """Filled from the logits of prefill. Row i of the prompt's logits predicts token i + 1."""

    def __init__(self, request: SampleRequest, rng: np.random.Generator) -> None:
        self._request = request
        length = len(request.prompt)
        last_n = request.prompt_logprobs_last_n
        self._first = 0 if last_n is None else max(0, length - last_n - 1)
        """The first row for prompt_logprobs and topk_prompt_logprobs."""
        self.logprobs = np.full(length, np.nan, np.float32) if request.prompt_logprobs else None
        self.topk = _empty_topk(length, request.topk_prompt_logprobs)
        targets = request.target_prompt_logprobs
        self.targets = None if targets is None else np.zeros(targets.shape, np.float32)
        k = request.prompt_alt_tokens_k
        self._uniforms = rng.random((length - 1, k))
        """Drawn at once, so that they do not depend on how prefill is chunked."""
        self.alt_tokens = np.zeros((length - 1, k), np.int32) if k else None
        self.alt_logprobs = np.zeros((length - 1, k), np.float32) if k else None

    @property
    def first_row(self) -> int:
        """The first row whose logits are needed. It is the prompt's last row where none is."""
        last = len(self._request.prompt) - 1
        if self.targets is not None or self.alt_tokens is not None:
            return 0
        if self.logprobs is not None or self.topk is not None:
            return min(self._first, last)
        return last

    def fill(self, start: int, logp: Tensor) -> None:
        """Take log-softmaxed logits (R, V) of the rows from `start` on, without the last row."""
        end = start + len(logp)
        asked = slice(max(0, self._first - start), None)
        after = slice(max(start, self._first) + 1, end + 1)
        if self.logprobs is not None:
            following = torch.from_numpy(self._request.prompt[after].astype(np.int64))
            self.logprobs[after] = _gather(logp[asked], following[:, None])[:, 0]
        if self.topk is not None:
            _fill_topk(self.topk, after, logp[asked])
        if self.targets is not None and self._request.target_prompt_logprobs is not None:
            wanted = torch.from_numpy(
                self._request.target_prompt_logprobs[start:end].astype(np.int64)
            )
            found = _gather(logp, wanted.clamp(min=0))
            self.targets[start:end] = np.where(wanted.numpy() < 0, 0.0, found)
        if self.alt_tokens is not None and self.alt_logprobs is not None:
            params = [TokenSamplingParams(temperature=self._request.temperature)] * len(logp)
            for column in range(self.alt_tokens.shape[1]):
                uniforms = self._uniforms[start:end, column].tolist()
                tokens = sample_tokens(logp, params, uniforms)
                self.alt_tokens[start:end, column] = tokens.cpu().numpy()
                self.alt_logprobs[start:end, column] = _gather(logp, tokens[:, None])[:, 0]


def _gather(logp: Tensor, tokens: Tensor) -> NDArray[np.float32]:
    return logp.gather(-1, tokens.to(logp.device)).cpu().numpy()


def _empty_topk(rows: int, k: int) -> TopK | None:
    if k <= 0:
        return None
    return TopK(
        ids=np.zeros((rows, k), np.int32), logprobs=np.full((rows, k), UNSET_LOGPROB, np.float32)
    )


def _fill_topk(table: TopK, rows: slice, logp: Tensor) -> None:
    """Write the most likely tokens of logp (R, V) into rows of the table."""
    k = min(table.ids.shape[1], logp.shape[1])
    best, tokens = logp.topk(k)
    table.ids[rows, :k] = tokens.cpu().numpy()
    table.logprobs[rows, :k] = best.cpu().numpy()
