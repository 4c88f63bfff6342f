"""Whether an answer is correct depends on no command, and not on how the reference is spelled."""

from __future__ import annotations

import random
from contextlib import closing
from fractions import Fraction
from itertools import cycle, product
from pathlib import Path
from typing import Any

import pytest

from rft_jax.evaluation.evaluate import evaluate
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.records import VERDICTS
from rft_jax.rft.collect import collect
from rft_jax.rft.settings import EQUATION_SOURCES, CollectSettings
from rft_jax.verify.answers import READERS
from rft_jax.verify.equations import CHECKS
from rft_jax.verify.grading import Grader

PROBLEMS, SAMPLES = 60, 8
FORMULAS = (r"\sqrt{2}", r"9\pi", "x+1", "(1,2)", r"\text{east}", "B")
FRAMES = {
    "first": "so it is\n#### {}",
    "last": "#### 3\nor else\n#### {}",
    "boxed": r"that makes \boxed{{{}}}.",
    "the_answer_is": "The answer is {}.",
    "strict": "so it is\n#### {}",
    "flexible": "it must be {}",
    "arithmetic": "7*9={}",
}


def _spelling(rng: random.Random, value: Fraction) -> str:
    """One of the many ways to write a number, exactly or nearly."""
    n, d = value.numerator, value.denominator
    digits = rng.choice((0, 2, 4, 6, 9, 15, 20))
    near = f"{n / d:.{digits}f}"
    spellings = [
        f"{n}/{d}", rf"\frac{{{n}}}{{{d}}}", rf"\frac{n}{d}", rf"\dfrac{{{n}}}{{{d}}}", near,
        f"${near}", f"{near}0", f"{n / d:e}", f"{100 * n / d:.{digits}f}%", rf"\text{{{near}}}",
        f"{n / d:,.{digits}f}", f" {near} ", f"{near} apples", f"x = {near}",
    ]  # fmt: skip
    return rng.choice([str(n), f"{n}.0", f"{n:,}", f"${n}", f"{n}."] if d == 1 else spellings)


def _value(rng: random.Random) -> Fraction:
    return Fraction(rng.randrange(1, 2000), rng.choice((1, 1, 1, 2, 3, 4, 6, 7, 8, 9, 11, 12)))


def _write(folder: Path, mode: str) -> tuple[str, str]:
    """Problems, and samples whose answers are equal, nearly equal and different."""
    rng = random.Random(mode)
    problems, samples = [], []
    frames = (mode, "first", "first" if mode == "arithmetic" else "boxed")  # which reads no boxes
    for number in range(PROBLEMS):
        is_formula = rng.random() < 0.03
        value = _value(rng)
        reference = rng.choice(FORMULAS) if is_formula else _spelling(rng, value)
        solution = FRAMES[rng.choice(frames)].format(reference)
        problems.append({"id": f"p{number}", "question": "?", "answer": solution})
        for sample in range(SAMPLES):
            other = value if rng.random() < 0.6 else _value(rng)
            answer = _spelling(rng, other) if rng.random() < 0.97 else rng.choice(FORMULAS)
            equation = rng.choice(("", "<<1+1=2>> ", "<<1+1=3>> ", "2+2=5 ", "<<x>> "))
            response = equation + FRAMES[mode].format(answer) * (rng.random() < 0.98)
            samples.append(
                {
                    "id": f"p{number}",
                    "sample": sample,
                    "model": "m",
                    "response": response,
                    "finish_reason": rng.choice(("stop", "length")),
                }
            )
    write_rows(folder / "problems.jsonl", problems)
    write_rows(folder / "samples.jsonl", samples)
    return str(folder / "problems.jsonl"), str(folder / "samples.jsonl")


def _collected(folder: Path, files: tuple[str, str], **settings: Any) -> list[bool | None]:
    """Whether the answer of each sample is correct, from the ledger of `rft collect`."""
    problems, samples = files
    collect(problems, [samples], str(folder), CollectSettings(workers=1, **settings))
    return [
        VERDICTS[row["verdict"]].answer_correct for _, row in read_rows(folder / "ledger.jsonl")
    ]


def _evaluated(folder: Path, files: tuple[str, str], **settings: Any) -> list[bool | None]:
    """Whether the answer of each sample is correct, from the predictions of `rft evaluate`."""
    problems, samples = files
    options = EvaluateSettings(bootstrap_resamples=1, **settings)
    evaluate(problems, str(folder), options, samples=samples)
    rows = read_rows(folder / "predictions.jsonl")
    return [correct for _, row in rows for correct in row["correct"]]


FAST = ("first",)
EVERY = [
    pytest.param(*pair, marks=[] if pair[0] in FAST else [pytest.mark.slow])
    for pair in zip(READERS, cycle(product(CHECKS, EQUATION_SOURCES)), strict=False)
]


@pytest.mark.parametrize(("mode", "steps"), EVERY)
def test_collect_and_evaluate_agree_about_every_answer(
    tmp_path: Path, mode: str, steps: tuple[str, str]
) -> None:
    files = _write(tmp_path, mode)
    evaluated = _evaluated(tmp_path / "evaluated", files, answers=mode)
    assert len(evaluated) == PROBLEMS * SAMPLES
    assert 0.1 < evaluated.count(True) / len(evaluated) < 0.9
    equations, source = steps
    options = {"answers": mode, "equations": equations, "equation_source": source}
    assert _collected(tmp_path / "collected", files, **options) == evaluated


def test_collect_and_evaluate_agree_about_every_program_in_any_order(tmp_path: Path) -> None:
    rng = random.Random("programs")
    problems, samples = [], []
    for number in range(20):
        value = rng.randrange(2, 99)
        problems.append({"id": f"p{number}", "question": "?", "answer": f"#### {value}"})
        programs = [
            f"print({value})", f"x = {value} / 3\nprint(x * 3)", f"print({value} + 1)", "print(",
            f"print({value}, 1)", f"x = {value}", "import sympy", f"print('{value} apples')",
            f"print({value} + 1e-13)", "while True: pass",
        ]  # fmt: skip
        for index, text in enumerate(programs):
            samples.append({"id": f"p{number}", "sample": index, "model": "m", "response": text})
    write_rows(tmp_path / "problems.jsonl", problems)
    verdicts = []
    for order in ("in order", "shuffled"):
        write_rows(tmp_path / f"{order}.jsonl", samples)
        files = str(tmp_path / "problems.jsonl"), str(tmp_path / f"{order}.jsonl")
        evaluated = _evaluated(tmp_path / f"{order} evaluated", files, answers="program")
        assert _collected(tmp_path / f"{order} collected", files, answers="program") == evaluated
        verdicts.append(evaluated)
        rng.shuffle(samples)
    assert verdicts[0] == verdicts[1]
    assert verdicts[0].count(True) == 4 * 20


def _exact_spellings(value: Fraction) -> list[str]:
    """Texts with exactly this value."""
    n, d = value.numerator, value.denominator
    texts = [f"{n}/{d}", rf"\frac{{{n}}}{{{d}}}", rf"\dfrac{{{2 * n}}}{{{2 * d}}}", f"${n}/{d}$"]
    if d in (1, 2, 4, 5, 8):
        decimal = f"{n / d:.3f}"
        texts += [decimal, f"{n / d:,.4f}", f"${decimal}", f"{n / d:.5e}", rf"\text{{{decimal}}}"]
    return texts if d > 1 else [*texts[4:], str(n), f"{n:,}", f"{n}.", f"+{n}"]


@pytest.mark.parametrize("mode", ["last", "boxed", "the_answer_is"])
def test_an_answer_is_as_correct_for_every_spelling_of_the_reference(mode: str) -> None:
    rng = random.Random(mode)
    with closing(Grader(mode)) as grader:
        for _ in range(200):
            value = _value(rng)
            answer = _spelling(rng, rng.choice((value, value, value + Fraction(1, 10**6))))
            response = FRAMES[mode].format(answer)
            verdicts = {
                reference: grader.grade(response, "stop", reference).verdict
                for reference in _exact_spellings(value)
            }
            assert len(set(verdicts.values())) == 1, (answer, verdicts)
