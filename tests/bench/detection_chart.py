"""The trade-off curve as SVG: the delay of a hard cut to the right, false alarms a vendor-year upwards."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from tests.bench.detection_curve import Point

WIDTH, HEIGHT, MARGIN = 760, 440, 60
_MINUTES = (1, 3, 10, 30, 100, 300, 1000)
_ALARMS = (0.0, 0.1, 1.0, 10.0, 100.0, 1000.0)
_LEAST = 0.03
"""Alarms a vendor-year: what is below stands at the bottom, as none."""


def chart(points: Sequence[Point]) -> str:
    """Points that miss a loss are hollow."""
    marks = [_mark(one) for one in points if math.isfinite(one.median)]
    grid = [
        *(f'<text x="{_x(one):.0f}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">{one}</text>' for one in _MINUTES),
        *(f'<text x="{MARGIN - 8}" y="{_y(one) + 4:.0f}" text-anchor="end">{one:g}</text>' for one in _ALARMS),
        *(f'<path class="g" d="M{_x(one):.0f} {MARGIN}V{HEIGHT - MARGIN}"/>' for one in _MINUTES),
        *(f'<path class="g" d="M{MARGIN} {_y(one):.0f}H{WIDTH - MARGIN}"/>' for one in _ALARMS),
    ]
    style = (
        "text{font:12px sans-serif;fill:#333}.g{stroke:#ddd;fill:none}.o{fill:#000091;stroke:#000091}"
        ".r{fill:#c9191e;stroke:#c9191e}.m{fill:#fff}"
    )
    said = (
        f'<text x="{MARGIN}" y="24">False alarms a vendor-year</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 14}" text-anchor="end">Median delay of a hard cut, minutes</text>'
        f'<circle class="o" cx="{WIDTH - 230}" cy="20" r="5"/><text x="{WIDTH - 220}" y="24">verdicts</text>'
        f'<circle class="r" cx="{WIDTH - 140}" cy="20" r="4"/><text x="{WIDTH - 130}" y="24">usual rules</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f"<title>Delay of a hard cut against false alarms</title><style>{style}</style>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{"".join(grid)}{said}{"".join(marks)}</svg>\n'
    )


def _mark(one: Point) -> str:
    missing = " m" if one.found < len(one.delays) else ""
    kind, size = ("o", 5) if one.ours else ("r", 4)
    title = f"{one.name}: {one.median / 60:.0f} min, {one.false:.2f} false alarms a vendor-year"
    return (
        f'<circle class="{kind}{missing}" cx="{_x(one.median / 60):.1f}" cy="{_y(one.false):.1f}" r="{size}">'
        f"<title>{escape(title)}</title></circle>"
    )


def _x(minutes: float) -> float:
    share = math.log(max(minutes, 1.0) / _MINUTES[0]) / math.log(_MINUTES[-1] / _MINUTES[0])
    return MARGIN + min(share, 1.0) * (WIDTH - 2 * MARGIN)


def _y(alarms: float) -> float:
    share = math.log(max(alarms, _LEAST) / _LEAST) / math.log(_ALARMS[-1] / _LEAST)
    return HEIGHT - MARGIN - min(share, 1.0) * (HEIGHT - 2 * MARGIN)
