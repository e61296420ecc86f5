"""Transcripts as one self-contained HTML page. All text is escaped.

A sampled token is red if it is less likely under the trained model than under the sampler, and blue
if it is more likely. It is white where the two agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
details{border:1px solid #ccc;border-radius:6px;margin:.4rem 0;padding:.2rem .6rem}
summary{cursor:pointer} pre{white-space:pre-wrap;margin:.3rem 0}
.prompt{color:#666} .sampled{border-left:3px solid #888;padding-left:.6rem}
.rewards{width:30rem;border-collapse:collapse}.rewards td{padding:0 .6rem;white-space:nowrap}
.rewards td:last-child{width:100%}.bar{background:#3b7dd8;height:.8em}
dl{display:grid;grid-template-columns:auto 1fr;gap:0 .8rem;font-size:90%}dt{color:#666}dd{margin:0}
"""
_FULL_COLOUR = 0.5
"""Difference in nats at which a token has its full colour."""


def page(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    token_texts: Sequence[str],
    rewards: ArrayLike = (),
) -> str:
    """The page of some rows.

    `token_texts` are the texts of their sampled tokens, in order, and `rewards` the rewards of the
    whole batch.
    """
    texts = iter(token_texts)
    episodes = "".join(_episode(row, texts) for row in rows) or "<p>No episode.</p>"
    body = f"{_histogram(np.asarray(rewards, dtype=np.float64))}{episodes}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )


def _histogram(rewards_N: NDArray[np.float64]) -> str:
    """The histogram of rewards as a table with bars."""
    if not rewards_N.size:
        return ""
    counts, edges = np.histogram(rewards_N, bins=min(10, len(np.unique(rewards_N))))
    bars = "".join(
        f"<tr><td>{low:.3g} to {high:.3g}</td><td>{count}</td>"
        f'<td><div class="bar" style="width:{count / counts.max():.1%}"></div></td></tr>'
        for count, low, high in zip(counts, edges, edges[1:], strict=False)
    )
    return (
        f'<table class="rewards"><tr><th>reward</th><th>episodes</th><th></th></tr>{bars}</table>'
    )


def _episode(row: Mapping[str, Any], texts: Iterator[str]) -> str:
    turns = "".join(_turn(turn, texts) for turn in row["turns"])
    title = (
        f"group {row['group']}, episode {row['episode']}: reward {row['reward']:.3g}, "
        f"{row['stop'].replace('_', ' ')}, {len(row['turns'])} turns"
    )
    about = {
        "tags": ", ".join(row["tags"]),
        "sampler step": row["sampler_step"],
        "final reward": row["final_reward"],
        "group reward": row["group_reward"],
        **row["stop_details"],
        **row["metrics"],
    }
    return f"<details><summary>{escape(title)}</summary>{turns}{_list(about)}</details>"


def _turn(turn: Mapping[str, Any], texts: Iterator[str]) -> str:
    count = len(turn["tokens"])
    trained = turn["trained_logprobs"] or [None] * count
    advantages = turn["advantages"] or [None] * count
    spans = "".join(
        _token(next(texts), *numbers)
        for numbers in zip(turn["tokens"], turn["logprobs"], trained, advantages, strict=True)
    )
    about = {"reward": turn["reward"], "cut short": turn["cut_short"]}
    return (
        f'<pre class="prompt">{escape(turn["prompt"])}</pre><pre class="sampled">{spans}</pre>'
        f"{_list({**about, **turn['metrics'], **turn['logs']})}"
    )


def _token(
    text: str, token: int, logprob: float, trained: float | None, advantage: float | None
) -> str:
    about = [f"token {token}", f"sampler {logprob:.3f}"]
    colour = ""
    if trained is not None:
        gap = trained - logprob
        strength = min(abs(gap) / _FULL_COLOUR, 1.0)
        colour = f"{'220,60,60' if gap < 0 else '60,110,220'},{strength:.2f}"
        about += [f"trainer {trained:.3f}"]
    if advantage is not None:
        about += [f"advantage {advantage:.3g}"]
    style = f' style="background:rgba({colour})"' if colour else ""
    return f'<span title="{escape("; ".join(about))}"{style}>{escape(text)}</span>'


def _list(about: Mapping[str, Any]) -> str:
    shown = {name: value for name, value in about.items() if value not in ("", 0, None, False)}
    items = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>"
        for name, value in shown.items()
    )
    return f"<dl>{items}</dl>" if items else ""
