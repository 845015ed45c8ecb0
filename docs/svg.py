"""The little of SVG that the pictures need: each on white paper, so that dark pages show it too."""

from __future__ import annotations

from html import escape

INK, PALE, PAPER = "#1f2933", "#7b8794", "#ffffff"
BLUE, GREEN, AMBER = "#dbeafe", "#dcfce7", "#fef3c7"
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


def text(
    x: float, y: float, words: str, size: int = 13, anchor: str = "middle", weight: str = "normal",
    fill: str = INK, mono: bool = False,
) -> str:  # fmt: skip
    """A line of text; ``y`` is its base line."""
    family = ' font-family="ui-monospace, Menlo, Consolas, monospace"' if mono else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" '
        f'font-weight="{weight}" fill="{fill}"{family}>{escape(words)}</text>'
    )


def box(x: float, y: float, width: float, height: float, fill: str, radius: int = 8) -> str:
    """A box with an outline."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius}" '
        f'fill="{fill}" stroke="{INK}" stroke-width="1.2"/>'
    )


def path(points: list[tuple[float, float]], ink: str = INK, end: bool = False) -> str:
    """A line through points, with an arrow's head at its end if asked for."""
    moves = " ".join(f"{x:g},{y:g}" for x, y in points)
    head = ' marker-end="url(#head)"' if end else ""
    return f'<polyline points="{moves}" fill="none" stroke="{ink}" stroke-width="1.5"{head}/>'


def picture(width: int, height: int, title: str, parts: list[str]) -> str:
    """The whole file."""
    marker = (
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        f'markerHeight="7" orient="auto-start-reverse"><path d="M0,0 L10,5 L0,10 z" fill="{INK}"/>'
        "</marker></defs>"
    )
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="{FONT}">',
        f"<title>{escape(title)}</title>",
        marker,
        f'<rect width="{width}" height="{height}" rx="10" fill="{PAPER}"/>',
        *parts,
        "</svg>\n",
    ))  # fmt: skip
