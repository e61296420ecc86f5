"""Drawing tokens from logits: temperature, top-k, top-p, with a random number for each row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from attrs import frozen
from torch import Tensor

_CANDIDATES = 512
"""How many of the likeliest tokens are tried first for top-p, before all are sorted."""


@frozen(kw_only=True)
class Rule:
    """How one sequence draws its tokens."""

    temperature: float = 1.0
    top_k: int = -1
    top_p: float = 1.0

    @property
    def narrow(self) -> bool:
        """Whether some tokens are ruled out before drawing."""
        return self.temperature > 0 and (self.top_k > 0 or self.top_p < 1)


def choose(logp: Tensor, rules: Sequence[Rule], uniforms: Sequence[float]) -> Tensor:
    """One token for each row of log-softmaxed logits (R, V), shape (R,).

    A row's token depends on that row, its rule and its number in [0, 1) alone: it is the inverse
    of the distribution function. Temperature 0 takes the likeliest token, the first of equals.
    """
    greedy = [i for i, rule in enumerate(rules) if rule.temperature == 0]
    narrow = [i for i, rule in enumerate(rules) if rule.narrow]
    wide = [i for i, rule in enumerate(rules) if rule.temperature > 0 and not rule.narrow]
    tokens = torch.empty(len(rules), dtype=torch.long, device=logp.device)
    drawn = torch.tensor(uniforms, dtype=torch.float64, device=logp.device)
    if greedy:
        tokens[greedy] = logp[greedy].argmax(-1)
    if wide:
        probabilities = _tempered(logp, rules, wide)
        tokens[wide] = _invert(probabilities, drawn[wide])
    if narrow:
        candidates, probabilities = _candidates(
            _tempered(logp, rules, narrow), [rules[i] for i in narrow]
        )
        at = _invert(probabilities, drawn[narrow])
        tokens[narrow] = candidates.gather(-1, at[:, None]).squeeze(-1)
    return tokens


def _tempered(logp: Tensor, rules: Sequence[Rule], rows: Sequence[int]) -> Tensor:
    chosen = logp if len(rows) == len(logp) else logp[rows]
    temperatures = [rules[i].temperature for i in rows]
    if all(t == 1 for t in temperatures):
        return chosen.exp()
    scale = torch.tensor(temperatures, device=logp.device)
    return torch.softmax(chosen / scale[:, None], -1)


def _invert(probabilities: Tensor, drawn: Tensor) -> Tensor:
    """The first place where the running sum of (R, n) exceeds drawn * total: one of p > 0."""
    running = probabilities.cumsum(-1, dtype=torch.float64)
    wanted = drawn * running[:, -1]
    return (
        torch.searchsorted(running, wanted[:, None], right=True)
        .squeeze(-1)
        .clamp_(max=probabilities.shape[-1] - 1)
    )


def _candidates(probabilities: Tensor, rules: Sequence[Rule]) -> tuple[Tensor, Tensor]:
    """Tokens (R, n), likeliest first, and their probabilities, 0 where they are ruled out.

    Top-p keeps the smallest set of the likeliest tokens, of those that top-k left, whose share is
    at least p (Holtzman et al. 2020, arXiv:1904.09751).
    """
    size = probabilities.shape[-1]
    device = probabilities.device
    limits = [rule.top_k if 0 < rule.top_k < size else size for rule in rules]
    shares = torch.tensor([rule.top_p for rule in rules], device=device)
    tried = min(size, max([_CANDIDATES, *(k for k in limits if k < size)]))
    best, tokens = probabilities.topk(tried)
    open_ended = torch.tensor([k > tried for k in limits], device=device)
    if bool((open_ended & (best.sum(-1) < shares)).any()):
        best, tokens = probabilities.sort(dim=-1, descending=True, stable=True)
    ranks = torch.arange(best.shape[-1], device=device)
    best = best * (ranks < torch.tensor(limits, device=device)[:, None])
    # What the tokens beyond the candidates hold belongs to the whole only where top-k leaves them
    # in.
    total = torch.where(open_ended, 1.0, best.sum(-1))
    before = best.cumsum(-1) - best
    return tokens, best * (before < (shares * total)[:, None])
