from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from rft_jax.report import axes, bars, svg

HOSTILE = "<script>\"&'"


def _marks(chart: str) -> list[tuple[float, float]]:
    """The centres of all circles; the chart must be well-formed."""
    root = ElementTree.fromstring(f"<div>{chart}</div>")
    return [(float(c.get("cx", "nan")), float(c.get("cy", "nan"))) for c in root.iter("circle")]


def test_higher_values_are_higher_and_later_ones_further_right() -> None:
    points = [svg.Point(1, 0.2, 0.1, 0.3), svg.Point(2, 0.4), svg.Point(4, 0.3)]
    chart = svg.line_chart([svg.Series("a", points, 0)], "k", "share", axes.percent)
    (x1, y1), (x2, y2), (x4, y4) = _marks(chart)
    assert x1 < x2 < x4
    assert y2 < y4 < y1
    assert (x4 - x2) == pytest.approx(2 * (x2 - x1), abs=0.2)


def test_a_logarithmic_axis_spaces_doublings_evenly() -> None:
    points = [svg.Point(k, k) for k in (1, 2, 4, 8)]
    xs = [x for x, _ in _marks(svg.line_chart([svg.Series("a", points, 0)], "k", "n", log_x=True))]
    assert xs[1] - xs[0] == pytest.approx(xs[3] - xs[2], abs=0.2)


def test_an_axis_with_many_values_stays_logarithmic_and_its_fit_a_line_through_the_marks() -> None:
    ks = range(1, 31)
    marks = svg.Series("a", [svg.Point(k, 1 + math.log2(k)) for k in ks], 0)
    ends = [svg.Point(k, 1 + math.log2(k)) for k in (1, 30)]
    fit = svg.Series("", ends, 0, dashed=True, marks=False)
    chart = svg.line_chart([marks, fit], "k", "n", log_x=True)
    (x0, y0), *_, (x1, y1) = found = _marks(chart)
    assert len(found) == 30
    for x, y in found:
        assert y == pytest.approx(y0 + (y1 - y0) * (x - x0) / (x1 - x0), abs=0.2)
    (dashed,) = re.findall(r'points="([^"]*)" stroke-dasharray', chart)
    assert dashed == f"{x0:.1f},{y0:.1f} {x1:.1f},{y1:.1f}"


def test_named_ticks_have_their_lines_below_each_other_and_marks_say_them() -> None:
    points = [svg.Point(0, 0.2), svg.Point(1, 0.4)]
    names = {0: "2\nn 40", 1: "3–6\nn 31"}
    chart = svg.line_chart([svg.Series("a", points, 0)], "steps", "y", axes.percent, x_names=names)
    root = ElementTree.fromstring(f"<div>{chart}</div>")
    at = {e.text: (float(e.get("x", "nan")), float(e.get("y", "nan"))) for e in root.iter("text")}
    assert at["n 31"][0] == at["3–6"][0] and at["n 31"][1] > at["3–6"][1]
    assert at["n 31"][1] < at["steps"][1] - 10
    assert "<title>a, 3–6, n 31: 40 %</title>" in chart


def test_an_interval_is_drawn_around_its_dot_and_said_on_hovering() -> None:
    chart = svg.interval_chart([("RFT", [svg.Point(0.5, 0, 0.4, 0.6)], 3)], "right")
    root = ElementTree.fromstring(chart)
    (line,) = [e for e in root.iter("line") if e.get("class") == "interval"]
    (circle,) = root.iter("circle")
    x1, x2, cx = (float(v or "nan") for v in (line.get("x1"), line.get("x2"), circle.get("cx")))
    assert cx == pytest.approx((x1 + x2) / 2, abs=0.1)
    assert "RFT: 50 %, 95 % interval 40 % to 60 %" in chart


@pytest.mark.parametrize("x", [3.0, 0.0, -1.0])
def test_one_point_and_equal_points_can_be_drawn(x: float) -> None:
    assert len(_marks(svg.line_chart([svg.Series("a", [svg.Point(x, x)], 0)], "x", "y"))) == 1
    assert len(_marks(svg.interval_chart([("a", [svg.Point(x, 0)] * 2, 0)], "x"))) == 2


def test_nothing_to_draw_gives_nothing() -> None:
    assert bars.histogram([], "x", "y") == ""
    assert bars.histogram([("a", {}, 0)], "x", "y") == ""
    assert svg.interval_chart([], "x") == ""
    assert svg.line_chart([], "x", "y") == svg.line_chart([svg.Series("a", [], 0)], "x", "y") == ""
    assert svg.legend({}) == ""


def test_labels_are_text_whatever_they_hold() -> None:
    point = svg.Point(1, 0.5, 0.4, 0.6)
    charts = [
        svg.line_chart([svg.Series(HOSTILE, [point], 0)], HOSTILE, HOSTILE),
        svg.interval_chart([(HOSTILE, [point], 0)], HOSTILE),
        bars.histogram([(HOSTILE, {1: 2}, 0), ("b", {1: 1}, 1)], HOSTILE, HOSTILE),
        bars.stacked_bars({HOSTILE: {"correct": 1}}, {"correct": "c0"}),
        svg.legend({HOSTILE: 0}),
    ]
    for chart in charts:
        ElementTree.fromstring(f"<div>{chart}</div>")
        assert "<script" not in chart


def test_a_chart_as_a_file_has_namespace_size_and_styles() -> None:
    chart = svg.interval_chart([("a", [svg.Point(0.5, 0, 0.4, 0.6)], 0)], "accuracy")
    root = ElementTree.fromstring(svg.standalone(chart))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox") == f"-8 -8 {root.get('width')} {root.get('height')}"
    assert root.get("role") == "img" and len(list(root.iter())) > 8
    style = root.findtext("{http://www.w3.org/2000/svg}style")
    assert style is not None and ".c0 { --c: var(--c0); }" in style


def test_a_long_name_is_cut_and_whole_in_its_title() -> None:
    name = "m" * 300
    chart = svg.interval_chart([(name, [svg.Point(0.5, 0)], 0)], "accuracy")
    assert f">{'m' * 47}…<title>{name}</title></text>" in chart
    divided = bars.stacked_bars({name: {"correct": 1}}, {"correct": "c2"})
    assert f">{'m' * 42}…<title>{name}</title></text>" in divided
