from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from rft_jax.arithmetic.files import generate_problems
from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.evaluation.arithmetic import arithmetic_metrics, score_line
from rft_jax.evaluation.evaluate import evaluate
from rft_jax.evaluation.inputs import Response
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import write_rows
from rft_jax.records import Problem
from tests.arithmetic.exact import exact

LONG_PRODUCT = "*".join(["9999"] * 1500)


def shares(question: str, *answers: str) -> dict[str, float]:
    problem = Problem("p", question, "")
    return score_line(problem, [Response(answer) for answer in answers]).shares


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("3.33", (1, 1, 1)),
        ("10/3", (1, 1, 1)),
        ("3.333", (0, 1, 1)),
        ("3.34", (0, 0, 1)),
        ("3.4", (0, 0, 0)),
        ("33.3e-1", (1, 1, 1)),
        ("--3.33", (0, 0, 0)),
        ("3.33=", (0, 0, 0)),
        ("", (0, 0, 0)),
        ("3+0.33", (0, 0, 0)),
        ("<33.3", (1, 1, 1)),
        ("{1+1+0=2}3.33", (1, 1, 1)),
        ("10/3+0=3.33", (1, 1, 1)),
        ("nan", (0, 0, 0)),
    ],
)
def test_answers_by_measure(answer: str, expected: tuple[int, ...]):
    assert tuple(shares("10/3=", answer).values()) == expected


def test_nothing_but_zero_is_within_one_percent_of_zero():
    assert shares("3-3=", "0", "0.001") == {"exact": 0.5, "rounded": 1.0, "within_1_percent": 0.5}


def random_answer(rng: Random, truth: Fraction) -> tuple[str, Fraction | None]:
    """An answer as a model may write it, and its value by another way of reading."""
    number = str(rng.randrange(10**4))
    near = truth * rng.choice([1, 1, Fraction(1009, 1000), Fraction(1011, 1000)])
    units = round(near * 1000)
    sign = "-" if units < 0 else ""
    digits = str(abs(units)).rjust(4, "0")
    kinds = {
        f"{number}e5": Fraction(int(number) * 10**5),
        f"-.{number}": -Fraction(int(number), 10 ** len(number)),
        f"1/{int(number) + 1}": Fraction(1, int(number) + 1),
        f"{near.numerator}/{near.denominator}": near,
        f"{sign}{digits[:-3]}.{digits[-3:]}": Fraction(units, 1000),
        f"{number}=": None,
        f"--{number}": None,
        f"{number}+1": None,
        f"7={number}": Fraction(int(number)),
    }
    return rng.choice(list(kinds.items()))


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_scores_equal_those_of_fractions(count: int):
    rng = Random(0)
    for problem in generate_problems("test", count, 0, ArithmeticSettings()):
        truth = exact(problem.question.removesuffix("="))
        text, value = random_answer(rng, truth)
        found = shares(problem.question, text)
        if value is None:
            assert set(found.values()) == {0.0}, text
            continue

        def cents(number: Fraction) -> int:
            return int(abs(number) * 100 + Fraction(1, 2)) * (-1 if number < 0 else 1)

        assert found["exact"] == (value in (truth, Fraction(cents(truth), 100))), text
        assert found["rounded"] == (cents(value) == cents(truth)), text
        assert found["within_1_percent"] == (100 * abs(value - truth) <= abs(truth)), text


def test_metrics_count_every_line_by_operations_digits_and_kind():
    found = arithmetic_metrics(
        [
            score_line(Problem("a", "12+3*4=", ""), [Response("12+12=24")]),
            score_line(Problem("b", "1.5+3=", ""), [Response("")]),
            score_line(Problem("c", "2+3=", ""), [Response("6")]),
        ]
    )
    assert (found["exact"]["value"], found["exact"]["n"]) == (pytest.approx(1 / 3), 3)
    assert [(r["operations"], r["exact"]["value"]) for r in found["by_operations"]] == [
        (1, 0.0),
        (2, 1.0),
    ]
    assert [(r["kind"], r["exact"]["n"]) for r in found["by_kind"]] == [
        ("decimal", 1),
        ("integer", 2),
    ]
    assert sum(row["exact"]["n"] for row in found["by_all"]) == 3
    low, high = found["exact"]["ci95"]
    assert low < 1 / 3 < high
    steps = {"responses": 3, "faulty": 2, "operation": 1, "copying": 0, "malformed": 1}
    assert found["steps"] == {**steps, "first_wrong_step": {"1": 2}}


RELEASED = """3468*4046/7424=
(5367/2768)-5113-3824+(4564-3141)*6622=
5082.0353310247--9979*-6938.043=

(7.5-2)*[3+4%]=
[1+2]*3=
"""


def test_the_released_file_is_read_and_scored_as_it_is(tmp_path: Path):
    file = tmp_path / "test.txt"
    file.write_text(RELEASED)
    problems = load_problems(str(file))
    assert [p.answer for p in problems] == [
        "1890.02",
        "9414170.94",
        "-69229649.06",
        "16.72",
        "9",
    ]
    answers = ["14031528/7424=1890.02", "9414170", "", "5.5*3.04=16.72", "3*3=10"]
    write_rows(
        tmp_path / "samples.jsonl",
        [
            {
                "id": p.id,
                "sample": 0,
                "model": "m",
                "seed": 0,
                "response": a,
                "finish_reason": "stop",
            }
            for p, a in zip(problems, answers, strict=True)
        ],
    )
    metrics = evaluate(
        str(file),
        str(tmp_path / "out"),
        EvaluateSettings(),
        samples=str(tmp_path / "samples.jsonl"),
    )
    assert metrics["accuracy"]["value"] == metrics["arithmetic"]["exact"]["value"] == 0.4
    assert metrics["arithmetic"]["within_1_percent"]["value"] == pytest.approx(0.6)
    rows = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").open()]
    assert rows[4]["faults"] == [{"step": 2, "kind": "operation"}]
    assert rows[0]["faults"] == [None] and rows[0]["kind"] == "integer"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3+4=\n3+x=\n", r"x\.txt:2: '3\+x=' is not an expression"),
        ("1+1=\n4/(2-2)=\n", "2: .* zero"),
        (f"1+1=\n{LONG_PRODUCT}=\n", "2: .* too many digits"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str):
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        load_problems(str(tmp_path / "x.txt"))


@pytest.mark.parametrize(
    ("question", "message"),
    [("4/(2-2)=", "'b' .* divides by zero"), (f"{LONG_PRODUCT}=", "'b' .* too many digits")],
)
def test_a_question_without_a_value_is_named(tmp_path: Path, question: str, message: str):
    rows = [{"id": "a", "question": "1+1=", "answer": "2"}]
    write_rows(tmp_path / "p.jsonl", [*rows, {"id": "b", "question": question, "answer": "1"}])
    samples = [{"id": name, "sample": 0, "model": "m", "response": "1"} for name in "ab"]
    write_rows(tmp_path / "samples.jsonl", samples)
    given = str(tmp_path / "p.jsonl"), str(tmp_path / "out"), EvaluateSettings()
    with pytest.raises(UserError, match=message):
        evaluate(*given, samples=str(tmp_path / "samples.jsonl"))


def test_an_answer_of_thousands_of_digits_is_scored():
    digits = "9" * 5000
    assert shares("10/3=", digits, f"{digits}/3", f"10/3={digits}+1={digits}") == {
        "exact": 0.0,
        "rounded": 0.0,
        "within_1_percent": 0.0,
    }
