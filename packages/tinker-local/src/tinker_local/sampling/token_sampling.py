"""Drawing tokens from logits: temperature, top-k, top-p, with a random number for each row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from attrs import frozen
from torch import Tensor

_CANDIDATES = 512
"""Top-p looks at so many of the most likely tokens before it sorts all of them."""


@frozen(kw_only=True)
class TokenSamplingParams:
    """The parameters by which one sequence draws its tokens."""

    temperature: float = 1.0
    """0: greedy."""
    top_k: int = -1
    """-1: off."""
    top_p: float = 1.0

    @property
    def truncates(self) -> bool:
        """Top-k or top-p excludes some tokens."""
        return self.temperature > 0 and (self.top_k > 0 or self.top_p < 1)


def sample_tokens(
    logp: Tensor, params: Sequence[TokenSamplingParams], uniforms: Sequence[float]
) -> Tensor:
    """One token (R,) for each row of log-softmaxed logits (R, V), by inverse transform sampling.

    The token of a row depends on that row, its parameters and its number in [0, 1) alone.
    Temperature 0 takes the most likely token, the first of equals.
    """
    greedy = [i for i, p in enumerate(params) if p.temperature == 0]
    truncated = [i for i, p in enumerate(params) if p.truncates]
    full = [i for i, p in enumerate(params) if p.temperature > 0 and not p.truncates]
    tokens = torch.empty(len(params), dtype=torch.long, device=logp.device)
    uniform = torch.tensor(uniforms, dtype=torch.float64, device=logp.device)
    if greedy:
        tokens[greedy] = logp[greedy].argmax(-1)
    if full:
        tokens[full] = _invert(_temper(logp, params, full), uniform[full])
    if truncated:
        candidates, probabilities = _truncate(
            _temper(logp, params, truncated), [params[i] for i in truncated]
        )
        chosen = _invert(probabilities, uniform[truncated])
        tokens[truncated] = candidates.gather(-1, chosen[:, None]).squeeze(-1)
    return tokens


def _temper(logp: Tensor, params: Sequence[TokenSamplingParams], rows: Sequence[int]) -> Tensor:
    """The probabilities of some rows at their temperatures."""
    chosen = logp if len(rows) == len(logp) else logp[rows]
    temperatures = [params[i].temperature for i in rows]
    if all(t == 1 for t in temperatures):
        return chosen.exp()
    # In float32 a temperature may underflow to 0 or overflow. Its nearest float32 draws the same.
    limits = torch.finfo(torch.float32)
    scale = torch.tensor(temperatures, dtype=torch.float64).clamp(limits.tiny, limits.max)
    shifted = chosen - chosen.amax(-1, keepdim=True)  # the largest is 0, also after the division
    return torch.softmax(shifted / scale.to(logp)[:, None], -1)


def _invert(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """The first column of (R, n) whose cumulative sum exceeds uniform * total; its p is > 0."""
    cumulative = probabilities.cumsum(-1, dtype=torch.float64)
    threshold = uniform * cumulative[:, -1]
    return (
        torch.searchsorted(cumulative, threshold[:, None], right=True)
        .squeeze(-1)
        .clamp_(max=probabilities.shape[-1] - 1)
    )


def _truncate(
    probabilities: Tensor, params: Sequence[TokenSamplingParams]
) -> tuple[Tensor, Tensor]:
    """Tokens (R, n), the most likely first, and their probabilities: 0 where they are excluded.

    Top-p keeps the smallest set of the most likely tokens, of those that top-k has left, whose
    probability is at least p (Holtzman et al. 2020, arXiv:1904.09751).
    """
    size = probabilities.shape[-1]
    device = probabilities.device
    top_k = [p.top_k if 0 < p.top_k < size else size for p in params]
    top_p = torch.tensor([p.top_p for p in params], device=device)
    candidates = min(size, max([_CANDIDATES, *(k for k in top_k if k < size)]))
    best, tokens = probabilities.topk(candidates)
    no_top_k = torch.tensor([k > candidates for k in top_k], device=device)
    if bool((no_top_k & (best.sum(-1) < top_p)).any()):
        best, tokens = probabilities.sort(dim=-1, descending=True, stable=True)
    ranks = torch.arange(best.shape[-1], device=device)
    best = best * (ranks < torch.tensor(top_k, device=device)[:, None])
    # Without top-k the total is 1: it includes the tokens beyond the candidates.
    total = torch.where(no_top_k, 1.0, best.sum(-1))
    before = best.cumsum(-1) - best
    kept = (before < (top_p * total)[:, None]) | (ranks == 0)  # a small p is 0 in float32
    return tokens, best * kept
