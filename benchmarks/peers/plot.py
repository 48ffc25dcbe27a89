"""Draws the chart as SVG text: time by the size of a list, and answers per second relative to PostGraphile."""

import math
from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.peers.cases import LISTS
from benchmarks.peers.measuring import Key
from benchmarks.peers.servers import JSON, OURS, POSTGRAPHILE, ROWS, STOCK, YOGA
from benchmarks.peers.table import AT_ONCE, Results, questions

COLOURS: Final = {
    OURS: "#0b6e4f",
    POSTGRAPHILE: "#c2571a",
    YOGA: "#7a3b9c",
    STOCK: "#b0122b",
    ROWS: "#5c6670",
    JSON: "#9aa4ad",
}
WIDTH: Final = 900
HEIGHT: Final = 420
TOP: Final = 40
BOTTOM: Final = 350
LEFT: Final = (60, 390)
RIGHT: Final = (500, 880)
"""The left and right edges of both halves in pixels."""


def picture(results: Results) -> str:
    """Return the SVG."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            *_growth(results),
            *_speeds(results),
            *_legend(),
            "</svg>",
            "",
        ]
    )


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="#222222"{more}>{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke="#dddddd"/>'


def _growth(results: Results) -> Iterator[str]:
    """Milliseconds by the size of a list, both scales logarithmic."""
    found = {
        name: [
            (size, results[key].median) for size in LISTS if (key := _list(name, size)) in results
        ]
        for name in COLOURS
    }
    values = [value for points in found.values() for _, value in points]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def x(size: float) -> float:
        return _scaled(math.log10(size), math.log10(LISTS[0]), math.log10(LISTS[-1]), *LEFT)

    def y(value: float) -> float:
        return _scaled(math.log10(value), low, high, BOTTOM, TOP)

    yield _text(
        LEFT[0], 22, "A list of so many messages, milliseconds, one client", ' font-weight="bold"'
    )
    for power in range(low, high + 1):
        yield _line(LEFT[0], y(10**power), LEFT[1], y(10**power))
        yield _text(LEFT[0] - 6, y(10**power) + 4, f"{10**power:g}", ' text-anchor="end"')
    for size in LISTS:
        yield _text(x(size), BOTTOM + 18, f"{size:,}", ' text-anchor="middle"')
    for name, points in found.items():
        path = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in points)
        dashed = ' stroke-dasharray="5 4"' if name in (ROWS, JSON) else ""
        yield f'<polyline points="{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="2.5"{dashed}/>'


def _list(name: str, size: int) -> Key:
    return Key(name, f"list of {size:,}", 1)


def _speeds(results: Results) -> Iterator[str]:
    """Answers per second of eight clients, relative to PostGraphile; a logarithmic scale from a tenth to ten."""
    low, high = -1, 1

    def x(ratio: float) -> float:
        return _scaled(math.log10(min(max(ratio, 0.1), 10)), low, high, RIGHT[0] + 100, RIGHT[1])

    yield _text(
        RIGHT[0], 22, "Answers a second beside PostGraphile's, 8 clients", ' font-weight="bold"'
    )
    for ratio in (0.1, 0.3, 1, 3, 10):
        yield _line(x(ratio), TOP, x(ratio), BOTTOM)
        yield _text(x(ratio), BOTTOM + 18, f"{ratio:g}×", ' text-anchor="middle"')
    rows = questions(results)
    bars = [name for name in COLOURS if name not in (POSTGRAPHILE, JSON)]
    step = (BOTTOM - TOP) / len(rows)
    for number, question in enumerate(rows):
        top = TOP + number * step
        yield _text(
            RIGHT[0] + 92, top + step / 2 + 3, question, ' text-anchor="end" font-size="10"'
        )
        peer = results.get(Key(POSTGRAPHILE, question, AT_ONCE))
        for place, name in enumerate(bars):
            own = results.get(Key(name, question, AT_ONCE))
            if own and peer:
                yield _bar(
                    x(1), x(own.a_second / peer.a_second), top + 3, place, step, COLOURS[name]
                )


def _bar(base: float, end: float, top: float, place: int, step: float, colour: str) -> str:
    thickness = (step - 8) / 4
    return (
        f'<rect x="{min(base, end):.1f}" y="{top + place * thickness:.1f}" width="{abs(end - base):.1f}"'
        f' height="{thickness:.1f}" fill="{colour}"/>'
    )


def _legend() -> Iterator[str]:
    places: Sequence[float] = [LEFT[0] + 140 * number for number in range(len(COLOURS))]
    for x, (name, colour) in zip(places, COLOURS.items(), strict=True):
        yield f'<rect x="{x:.0f}" y="{HEIGHT - 28}" width="14" height="10" fill="{colour}"/>'
        yield _text(x + 20, HEIGHT - 19, name)


def _scaled(value: float, low: float, high: float, start: float, end: float) -> float:
    return start + (value - low) / (high - low) * (end - start)
