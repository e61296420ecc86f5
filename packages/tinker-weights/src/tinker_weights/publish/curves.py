"""Curves of a run's metrics as one SVG picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]
"""Step and value."""

_WIDTH, _HEIGHT, _MARGIN = 360, 200, 44
_COLUMNS = 2


def curve(rows: Iterable[Mapping[str, object]], name: str) -> list[tuple[float, float]]:
    """The finite values of a metric, with their steps."""
    found = []
    for row in rows:
        step, value = row.get("step"), row.get(name)
        if isinstance(step, int) and isinstance(value, int | float) and math.isfinite(value):
            found.append((float(step), float(value)))
    return found


def draw(curves: Sequence[tuple[str, Points]]) -> str:
    """Small charts side by side, each with its own axes."""
    width, height = _COLUMNS * _WIDTH, -(-len(curves) // _COLUMNS) * _HEIGHT
    charts = [
        f'<g transform="translate({index % _COLUMNS * _WIDTH} {index // _COLUMNS * _HEIGHT})">'
        f"{_chart(name, points)}</g>"
        for index, (name, points) in enumerate(curves)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(charts)}</svg>\n'
    )


def _chart(name: str, points: Points) -> str:
    (x_low, x_high), (y_low, y_high) = (
        (min(values), max(values)) for values in zip(*points, strict=True)
    )
    bottom, right = _HEIGHT - _MARGIN, _WIDTH - _MARGIN

    def place(step: float, value: float) -> str:
        x = _MARGIN + (right - _MARGIN) * (step - x_low) / ((x_high - x_low) or 1)
        y = bottom - (bottom - _MARGIN) * (value - y_low) / ((y_high - y_low) or 1)
        return f"{x:.1f},{y:.1f}"

    line = " ".join(place(*point) for point in points)
    return (
        f'<text x="{_WIDTH / 2}" y="24" text-anchor="middle">{escape(name)}</text>'
        f'<path d="M{_MARGIN} {_MARGIN}V{bottom}H{right}" fill="none" stroke="#888"/>'
        f'<polyline points="{line}" fill="none" stroke="#1f6feb" stroke-width="1.5"/>'
        f'<text x="{_MARGIN - 4}" y="{_MARGIN + 4}" text-anchor="end">{y_high:.4g}</text>'
        f'<text x="{_MARGIN - 4}" y="{bottom}" text-anchor="end">{y_low:.4g}</text>'
        f'<text x="{_MARGIN}" y="{bottom + 15}">{x_low:.4g}</text>'
        f'<text x="{right}" y="{bottom + 15}" text-anchor="end">step {x_high:.4g}</text>'
    )
