"""Drawings of results as plain SVG: bars for comparisons, lines on logarithmic axes for growth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

PANEL_WIDTH: Final = 360
PANEL_HEIGHT: Final = 250
LEFT, RIGHT, TOP, BOTTOM = 76, 16, 34, 44
COLOURS: Final = ("#1f6feb", "#cf222e", "#1a7f37", "#8250df", "#9a6700")


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one line: x, and the low, middle and high of y."""

    name: str
    points: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One small chart on logarithmic axes. `proportional`: a dashed line shows what would be linear."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    proportional: bool = False


def panels(charts: Sequence[Panel], columns: int = 2) -> str:
    """Several charts as one drawing."""
    rows = math.ceil(len(charts) / columns)
    parts = [
        f'<g transform="translate({at % columns * PANEL_WIDTH},{at // columns * PANEL_HEIGHT})">{_panel(chart)}</g>'
        for at, chart in enumerate(charts)
    ]
    return _svg(PANEL_WIDTH * columns, PANEL_HEIGHT * rows, "".join(parts))


def bars(title: str, values: Sequence[tuple[str, float, float, float]], unit: str) -> str:
    """Horizontal bars on a logarithmic axis: name, low, middle, high."""
    width, height = PANEL_WIDTH * 2, TOP + 26 * len(values) + 16
    left, right = 190, width - 130
    floor = min(low for _, low, _, _ in values) / 2
    top = max(high for *_, high in values)

    def x(value: float) -> float:
        return left + (right - left) * math.log(value / floor) / math.log(top / floor)

    parts = [_text(width / 2, 20, title, "middle", bold=True)]
    for at, (name, low, middle, high) in enumerate(values):
        y = TOP + 26 * at
        parts.append(_text(left - 8, y + 15, name, "end"))
        parts.append(
            f'<rect x="{left}" y="{y + 3}" width="{x(middle) - left:.1f}" height="17" fill="{COLOURS[min(at, 1)]}"/>'
        )
        parts.append(_line(x(low), y + 11.5, x(high), y + 11.5, "#24292f", 1.5))
        parts.append(_text(x(high) + 8, y + 15, f"{_shown(middle)} {unit}", "start"))
    return _svg(width, height, "".join(parts))


def _panel(chart: Panel) -> str:
    points = [point for series in chart.series for point in series.points]
    x_low, x_high = _decades([x for x, *_ in points])
    y_low, y_high = _decades([y for _, *ys in points for y in ys])
    width, height = PANEL_WIDTH - LEFT - RIGHT, PANEL_HEIGHT - TOP - BOTTOM

    def place_x(value: float) -> float:
        return LEFT + width * (math.log10(value) - x_low) / (x_high - x_low)

    def place_y(value: float) -> float:
        return TOP + height * (1 - (math.log10(value) - y_low) / (y_high - y_low))

    parts = [_text(PANEL_WIDTH / 2, 20, chart.title, "middle", bold=True)]
    for power in range(x_low, x_high + 1):
        x = place_x(10**power)
        parts.append(_line(x, TOP, x, TOP + height, "#d0d7de", 0.7))
        parts.append(_text(x, TOP + height + 15, _shown(10**power), "middle"))
    for power in range(y_low, y_high + 1):
        y = place_y(10**power)
        parts.append(_line(LEFT, y, LEFT + width, y, "#d0d7de", 0.7))
        parts.append(_text(LEFT - 6, y + 4, _shown(10**power), "end"))
    parts.append(_text(LEFT + width / 2, PANEL_HEIGHT - 10, chart.x_label, "middle"))
    parts.append(
        f'<g transform="translate(14,{TOP + height / 2}) rotate(-90)">{_text(0, 0, chart.y_label, "middle")}</g>'
    )
    for at, series in enumerate(chart.series):
        colour = COLOURS[at % len(COLOURS)]
        if chart.proportional:
            first_x, _, first_y, _ = series.points[0]
            last_x = series.points[-1][0]
            end = min(first_y * last_x / first_x, 10**y_high)
            end_x = first_x * end / first_y
            parts.append(_line(place_x(first_x), place_y(first_y), place_x(end_x), place_y(end), "#8c959f", 1, "4 3"))
        path = " ".join(f"{place_x(x):.1f},{place_y(y):.1f}" for x, _, y, _ in series.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, low, middle, high in series.points:
            parts.append(_line(place_x(x), place_y(low), place_x(x), place_y(high), colour, 1.5))
            parts.append(f'<circle cx="{place_x(x):.1f}" cy="{place_y(middle):.1f}" r="3" fill="{colour}"/>')
        if len(chart.series) > 1:
            parts.append(_text(LEFT + 8, TOP + 14 + 15 * at, series.name, "start", colour=colour))
    return "".join(parts)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten around values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _text(x: float, y: float, text: str, anchor: str, *, bold: bool = False, colour: str = "#24292f") -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"{dashed}/>'


def _svg(width: float, height: float, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' font-family="sans-serif" font-size="12"><rect width="{width}" height="{height}" fill="#ffffff"/>'
        f"{body.replace('><', '>' + chr(10) + '<')}</svg>\n"
    )
