"""The tables of a plot: values and slopes, each with what its interval is about."""

from __future__ import annotations

from typing import Any

from rft_jax.report.plot_tables import interval_note, plot_tables, shown_interval

FIT = {"slope": 0.02, "intercept": 0.5, "r2": 0.9, "n": 3, "ci95_questions": [0.01, 0.03]}
POINTS = [{"x": k, "value": 0.5 + k / 100, "ci95": [0.4, 0.6]} for k in (1, 4, 16)]


def _plot(**changes: Any) -> dict[str, Any]:
    plot = {
        "x": "samples",
        "y": "accuracy",
        "x_label": "samples a problem",
        "log_x": True,
        "fit": True,
        "paper": "rft_k",
        "series": [{"label": "RFT", "points": POINTS, "fit": FIT | {"by_seed": [0.02]}}],
        "baselines": [{"label": "SFT", "x": None, "value": 0.48, "ci95": [0.46, 0.5]}],
    }
    return plot | changes


def test_the_tables_have_values_with_intervals_and_slopes_in_percentage_points():
    (_, ours), (_, theirs), (_, fits) = plot_tables(_plot())
    assert ours.header == ["samples a problem", "RFT"]
    assert [cell.text for cell in ours.rows[1]] == ["4", "54.0 %"]
    assert ours.rows[1][1].small == "[40.0, 60.0]"
    assert [cell.text for cell in ours.rows[3]] == ["SFT", "48.0 %"]
    assert [cell.text for cell in theirs.rows[0]] == [
        *("1", "37.6 %", "43.4 %", "42.7 %", "52.1 %", "–")
    ]
    assert [cell.text for cell in fits.rows[0]][:3] == ["RFT", "+2.00", "[+1.00, +3.00]"]
    assert not any("method" in title for title in fits.header)
    assert fits.rows[1][0].text == "the paper's 7B"


def test_published_lines_of_nested_samples_have_no_interval():
    *_, (_, fits) = plot_tables(_plot())
    assert len(fits.rows) > 1
    for row in fits.rows[1:]:
        assert row[2].text == "–"


def test_a_slope_of_several_seeds_has_the_intervals_of_the_method():
    method = {"trainings": 2, "ci95": [0.0, 0.04], "ci95_t": [-0.1, 0.14]}
    fit = FIT | {"by_seed": [0.01, 0.03], "method": method}
    series = [{"label": "RFT", "points": POINTS, "fit": fit}]
    ((_, _), (_, fits)) = plot_tables(_plot(paper="", series=series))
    texts = [cell.text for cell in fits.rows[0]]
    assert texts[2:4] == ["[+0.00, +4.00]", "[-10.00, +14.00]"]
    assert texts[-1] == "2"


def test_all_models_of_the_paper_are_rows_where_they_are_many():
    series = [{"label": name, "points": POINTS} for name in ("epoch-matched", "step-matched")]
    tables = dict(plot_tables(_plot(paper="supervised", series=series, fit=False)))
    table = next(table for title, table in tables.items() if title.startswith("The paper"))
    names = [row[0].text for row in table.rows]
    assert len(names) == 14 and names[2] == "13B, 3 epochs" and names[-1] == "70B-2, step-matched"


def test_points_show_the_interval_of_the_method_where_there_is_one_and_say_so():
    model = {"ci95": [0.1, 0.2]}
    both = model | {"method": {"ci95": [0.0, 0.3], "ci95_t": [0.0, 0.4]}}
    trainings = model | {"method": {"ci95": None, "ci95_t": [0.0, 0.4]}}
    assert [shown_interval(p) for p in (model, both, trainings)] == [
        *([0.1, 0.2], [0.0, 0.3], [0.0, 0.4])
    ]
    notes = [interval_note({"series": [{"points": [p]}]}) for p in (model, both, trainings)]
    assert notes[0] == "One training of each; 95 % intervals over questions, about these models."
    assert "over trainings and questions, about the method" in notes[1]
    assert "over trainings (Student's t), about the method" in notes[2]
