"""Show an example: trained text, given text and control tokens in different styles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

import numpy as np
import tinker
from attrs import frozen
from numpy.typing import ArrayLike

from tinker_render.renderer import Renderer

_ANSI = {"trained": "\033[32m", "given": "\033[2m"}
_CONTROL, _RESET = "\033[1m", "\033[0m"
_PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Rendered conversations</title>
<style>
body {{ font: 15px/1.5 monospace; max-width: 100ch; margin: 2em auto; padding: 0 1em }}
pre {{ white-space: pre-wrap; border: 1px solid #ccc; padding: 1em }}
.trained {{ background: #c9f0cf }} .given {{ color: #666 }} .control {{ font-weight: bold }}
</style>
<p><span class="trained">trained on</span> <span class="given">given</span>
<span class="control">control token</span></p>
{conversations}
"""


@frozen
class Span:
    """Adjacent tokens of one kind."""

    text: str
    trained: bool
    control: bool


def spans(renderer: Renderer, example: tinker.ModelInput, weights: ArrayLike) -> list[Span]:
    """The T tokens of the example as text, split where their weight (T,) or their kind changes.

    An image is shown as its number of tokens.
    """
    trained_T = np.asarray(weights, dtype=bool).tolist()
    shown: list[Span] = []
    start = 0
    for chunk in example.chunks:
        end = start + chunk.length
        if isinstance(chunk, tinker.EncodedTextChunk):
            shown += _text_spans(renderer, chunk.tokens, trained_T[start:end])
        else:
            shown.append(Span(f"[{chunk.type}: {chunk.length} tokens]", False, True))
        start = end
    return shown


def _text_spans(renderer: Renderer, tokens: Sequence[int], trained: Sequence[bool]) -> list[Span]:
    control = renderer.codec.control_names
    kinds = [(w, token in control, token) for token, w in zip(tokens, trained, strict=True)]
    return [
        Span(renderer.codec.decode([token for *_, token in group]), is_trained, is_control)
        for (is_trained, is_control), group in groupby(kinds, key=lambda kind: kind[:2])
    ]


def to_terminal(shown: Iterable[Span]) -> str:
    """Text for a terminal: trained text green, given text faint, control tokens bold."""
    return "".join(
        f"{_ANSI['trained' if span.trained else 'given']}{_CONTROL if span.control else ''}"
        f"{span.text}{_RESET}"
        for span in shown
    )


def to_html(conversations: Iterable[Iterable[Span]]) -> str:
    """A self-contained HTML page."""
    blocks = (
        "".join(
            f'<span class="{"trained" if span.trained else "given"}'
            f'{" control" if span.control else ""}">{escape(span.text)}</span>'
            for span in shown
        )
        for shown in conversations
    )
    return _PAGE.format(conversations="\n".join(f"<pre>{block}</pre>" for block in blocks))
