from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from rft_jax.report import axes, bars


def test_bars_are_as_high_as_their_counts() -> None:
    chart = bars.histogram([("a", {0: 10, 2: 5}, 0)], "paths", "problems")
    heights = [float(r.get("height", "nan")) for r in ElementTree.fromstring(chart).iter("rect")]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)
    assert re.findall(r">(\d)</text>", chart)[-3:] == ["2", "1", "0"]


def test_stacked_bars_fill_their_width_by_share() -> None:
    rows = {"sft": {"correct": 30, "wrong": 10}, "none": {}}
    chart = bars.stacked_bars(rows, {"correct": "c2", "wrong": "c1"})
    widths = [float(r.get("width", "nan")) for r in ElementTree.fromstring(chart).iter("rect")]
    assert widths[0] == pytest.approx(3 * widths[1])
    assert sum(widths[:2]) == pytest.approx(axes.WIDTH - 4)
    assert widths[2:] == [0.0, 0.0]


def _texts(chart: str) -> list[str]:
    return [str(e.text).replace("\xa0", " ") for e in ElementTree.fromstring(chart).iter("text")]


def test_every_count_of_a_divided_bar_can_be_read_without_hovering() -> None:
    counts = {"correct": 8482, "wrong_answer": 5362, "no_output": 3, "program_error": 153}
    chart = bars.stacked_bars({"sft": counts}, dict.fromkeys(counts, "c1"))
    assert _texts(chart) == [
        "sft",
        "n = 14,000",
        "60.6 %",
        "38.3 %",
        "no output 3 (< 0.1 %) · program error 153 (1.1 %)",
    ]


def test_counts_below_a_bar_wrap_and_move_the_next_bar_down() -> None:
    small = {f"verdict number {i}": 1 for i in range(6)}
    classes = dict.fromkeys(["correct", *small], "c1")
    chart = bars.stacked_bars({"a": {"correct": 94, **small}, "b": {"correct": 1}}, classes)
    root = ElementTree.fromstring(chart)
    at = {str(e.text): float(e.get("y", "nan")) for e in root.iter("text")}
    lines = [y for text, y in at.items() if "verdict" in text]
    assert len(lines) == 3 and max(lines) < at["b"] - 10
    assert all(len(text) <= 62 for text in at)
    last = max(float(r.get("y", "nan")) + 16 for r in root.iter("rect"))
    assert last <= float(root.attrib["viewBox"].split()[3])


def test_a_share_stands_in_the_middle_of_its_segment() -> None:
    root = ElementTree.fromstring(
        bars.stacked_bars({"a": {"x": 1, "y": 1}}, {"x": "c0", "y": "c1"})
    )
    rects = [(float(r.get("x", "nan")), float(r.get("width", "nan"))) for r in root.iter("rect")]
    inside = [float(t.get("x", "nan")) for t in root.iter("text") if t.get("class") == "inside"]
    assert inside == pytest.approx([x + width / 2 for x, width in rects], abs=0.1)
