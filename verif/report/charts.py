"""Charts as SVG in the page: bars of SQNR, and histograms over a format's grid."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup, escape

from hfp8_hw.formats import parse_format

_WIDTH, _HEIGHT = 720, 150


def sqnr_chart(nodes: list[dict[str, Any]]) -> Markup:
    """Two bars a node, in dB: against the FP32 model, and of the node by itself."""
    values = [n[key] for n in nodes for key in ("sqnr_db", "own_sqnr_db") if n[key] is not None]
    top = max([10.0, *values])
    pitch = _WIDTH / max(1, len(nodes))
    parts = []
    for level in range(0, int(top) + 1, 10):
        y = _HEIGHT - level / top * _HEIGHT
        parts.append(f'<line class="grid" x1="0" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="axis" x="{_WIDTH + 4}" y="{y + 4:.1f}">{level}</text>')
    for k, node in enumerate(nodes):
        for key, kind, at in (("own_sqnr_db", "own", 0.1), ("sqnr_db", "all", 0.5)):
            value = node[key]
            if value is None:
                continue
            high = max(0.0, value) / top * _HEIGHT
            parts.append(
                f'<rect class="{kind}" x="{(k + at) * pitch:.1f}" y="{_HEIGHT - high:.1f}" '
                f'width="{max(1.0, 0.4 * pitch - 0.5):.1f}" height="{high:.1f}">'
                f"<title>{escape(node['name'])}: {value:.1f} dB</title></rect>"
            )
    return _svg("SQNR of each node in dB", parts, _HEIGHT)


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


def _svg(label: str, parts: list[str], height: float) -> Markup:
    return Markup(
        f'<svg class="chart" role="img" aria-label="{escape(label)}" '
        f'viewBox="0 -6 {_WIDTH + 30} {height + 12}">{"".join(parts)}</svg>'
    )
