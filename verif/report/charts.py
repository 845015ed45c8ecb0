"""Charts as SVG in the page: bars of SQNR, and histograms over a format's grid."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup, escape

from hfp8_hw.formats import parse_format

_WIDTH, _HEIGHT = 720, 150

_NAMES, _LETTERS = 190, 30
"""The width that names of nodes have, and how many letters that is."""

_LINE = 15
"""The height of a node in the chart of all."""


def sqnr_chart(nodes: list[dict[str, Any]]) -> Markup:
    """A line for each node, in the order in which they run: its name, or the end of it, and two
    bars in dB, of the node by itself and against the FP32 model. One that differs in nothing has no
    bar."""
    values = [n[key] for n in nodes for key in ("sqnr_db", "own_sqnr_db") if n[key] is not None]
    top = max([10.0, *values])
    high, wide = _LINE * len(nodes), _WIDTH - _NAMES
    parts = []
    for level in range(0, int(top) + 1, 10):
        x = _NAMES + level / top * wide
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{high}"/>')
        for y in (-4, high + 12):
            parts.append(f'<text class="axis middle" x="{x:.1f}" y="{y}">{level}</text>')
    for k, node in enumerate(nodes):
        y, name = k * _LINE, node["name"]
        shown = name if len(name) <= _LETTERS else f"\N{HORIZONTAL ELLIPSIS}{name[1 - _LETTERS :]}"
        parts.append(
            f'<text class="axis end" x="{_NAMES - 6}" y="{y + 11}">{escape(shown)}'
            f"<title>{escape(name)}</title></text>"
        )
        for key, kind, at in (("own_sqnr_db", "own", 2), ("sqnr_db", "all", 8)):
            value = node[key]
            if value is None:
                continue
            parts.append(
                f'<rect class="{kind}" x="{_NAMES}" y="{y + at}" '
                f'width="{max(0.0, value) / top * wide:.1f}" height="5">'
                f"<title>{escape(name)}: {value:.1f} dB</title></rect>"
            )
    return _svg("SQNR of each node in dB", parts, high + 16, "chart layers", above=10)


def grid_values(kind: str) -> list[float]:
    """The value of each code; NaN and infinities as they are."""
    if kind == "INT8":
        return [float(code - 256 if code > 127 else code) for code in range(256)]
    return [float(value) for value in parse_format(kind).decode_table()]


def histogram(operand: dict[str, Any]) -> Markup:
    """How often each magnitude of the format was: positive codes upward, negative ones downward, on
    a logarithmic scale; the bar of 0 is what became 0 or was."""
    values = grid_values(operand["kind"])
    counts = operand["histogram"] or [0] * len(values)
    found: dict[float, list[int]] = {}
    for code, (value, count) in enumerate(zip(values, counts, strict=True)):
        if math.isfinite(value):
            negative = code > 127
            found.setdefault(abs(value), [0, 0])[negative] += count
    grid = sorted(found)
    top = max(1.0, math.log10(1 + max(max(pair) for pair in found.values())))
    pitch, middle = _WIDTH / len(grid), _HEIGHT / 2
    parts = [f'<line class="grid" x1="0" x2="{_WIDTH}" y1="{middle}" y2="{middle}"/>']
    last = len(grid) - 1
    for k, value in enumerate(grid):
        for side, count in enumerate(found[value]):
            if not count:
                continue
            high = math.log10(1 + count) / top * middle
            kind = "zero" if value == 0 else "end" if k == last and operand["saturated"] else "all"
            y = middle if side else middle - high
            shown = f"{'-' if side and value else ''}{value * operand['scale']:.4g}"
            parts.append(
                f'<rect class="{kind}" x="{k * pitch:.2f}" y="{y:.1f}" '
                f'width="{max(0.6, pitch - 0.6):.2f}" height="{high:.1f}">'
                f"<title>{shown}: {count:,}</title></rect>"
            )
        if k and math.frexp(value)[0] == 0.5 and math.frexp(value)[1] % 2:
            label = f"{value * operand['scale']:.3g}"
            parts.append(
                f'<text class="axis" x="{k * pitch:.1f}" y="{_HEIGHT + 12}">{label}</text>'
            )
    return _svg(f"codes of {operand['kind']}", parts, _HEIGHT + 16)


def _svg(
    label: str, parts: list[str], height: float, kind: str = "chart", above: int = 0
) -> Markup:
    return Markup(
        f'<svg class="{kind}" role="img" aria-label="{escape(label)}" '
        f'viewBox="0 {-6 - above} {_WIDTH + 30} {height + above + 12}">{"".join(parts)}</svg>'
    )
