"""How many of the paper's models agree, counted from its tables."""

from __future__ import annotations

from typing import Any

from rft_jax.report.agreement import agreement_tables
from rft_jax.report.published import published


def _line(label: str, **values: float) -> dict[str, Any]:
    points = [
        {"x": float(x[1:]), "value": value / 100, "model": f"{label if x != 'x1000' else ''}{x}"}
        for x, value in values.items()
    ]
    return {"label": label, "points": points}


def _rows(paper: str, *lines: dict[str, Any]) -> dict[str, dict[str, tuple[str, str, str]]]:
    plot = {"paper": paper, "series": list(lines)}
    return {
        title: {row[0].text: (row[1].text, row[2].text, row[3].text) for row in table.rows}
        for title, table in agreement_tables(plot, published(paper))
    }


def test_step_matched_training_is_better_at_a_thirty_second_for_four_of_the_papers_seven() -> None:
    ours = _line("epoch-matched", x31=15.5, x62=21.4, x1000=57.1)
    steps = _line("step-matched", x31=20.4, x62=23.4, x1000=57.1)
    rows = _rows("supervised", ours, steps)["How many of the paper's models have the same sign"]
    difference, theirs, agree = rows["step-matched – epoch-matched, 1/32"]
    assert (difference, agree) == ("+4.9", "4 of 7")
    assert theirs == ("7B +1.7, 7B-2 -4.1, 13B +8.6, 13B-2 +11.2, 33B -6.7, 65B -3.7, 70B-2 +11.6")
    assert rows["step-matched – epoch-matched, 1/16"][2] == "2 of 7"
    assert "step-matched – epoch-matched, 1/1" not in rows  # the same training


def test_two_models_at_one_x_are_one_point() -> None:
    """Two pretrained models may have the same loss."""
    line = _line("RFT", x1=60.3, x3=67.0)
    line["points"].append({"x": 3.0, "value": 0.7, "model": "RFT"})
    (table,) = _rows("rft_k", line).values()
    assert {name: row[0] for name, row in table.items()} == {"RFT: 1 → 3": "+9.7"}


def test_steps_along_k_are_counted_over_the_models_that_were_published() -> None:
    rows = _rows("rft_k", _line("RFT", x1=60.3, x3=67.0, x7=70.0, x100=72.4))
    (table,) = rows.values()
    assert table["RFT: 1 → 3"] == ("+6.7", "7B +1.4, 7B-2 +1.9, 13B +2.5, 13B-2 -0.2", "3 of 4")
    assert table["RFT: 3 → 100"][2] == "4 of 4"  # k = 7 was not published


def test_votes_are_compared_at_their_largest_number() -> None:
    rows = _rows("votes", _line("SFT", x1=38.5, x32=72.9), _line("RFT", x1=60.9, x32=82.8))
    table = rows["How many of the paper's models have the same sign"]
    assert table == {
        "RFT – SFT, most votes": ("+9.9", "7B +4.0, 7B-2 +3.3, 13B +4.7, 13B-2 +3.7", "4 of 4")
    }


def test_lines_that_the_paper_does_not_have_are_left_out() -> None:
    assert _rows("rft_k", _line("RFT without dedup", x1=60.0, x3=66.0)) == {}
