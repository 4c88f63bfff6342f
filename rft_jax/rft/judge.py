"""The verdict of one sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from rft_jax.rft.dedup import key_function
from rft_jax.rft.rows import Row
from rft_jax.rft.settings import CollectSettings
from rft_jax.verify.answers import answer_reader, answers_equal, is_number
from rft_jax.verify.equations import EquationChecker
from rft_jax.verify.running_text import equation_source


class Comparer(Protocol):
    """Compares what two formulas mean."""

    def equal(self, reference: str, answer: str) -> bool:
        """Whether they mean the same; raises TimeoutError when that takes too long."""


class Judged(NamedTuple):
    """A sample and what was decided about it.

    Attributes:
      row: the sample.
      verdict: one of `records.VERDICTS`.
      answer: as the response says it, None where it says none.
      equations: as the response writes them.
      key: equal for samples of a problem that count as the same path.
    """

    row: Row
    verdict: str
    answer: str | None
    equations: list[str]
    key: str


class Judge:
    """Judges samples by one set of settings.

    Args:
      symbolic: compares answers that are no plain numbers.
    """

    def __init__(self, settings: CollectSettings, symbolic: Comparer) -> None:
        self.equations = equation_source(settings.equation_source)
        self.key = key_function(settings.dedup)
        self._read = answer_reader(settings.answers)
        self._checker = EquationChecker(settings.equations)
        self._as_floats = settings.equations == "paper" and settings.answers == "first"
        self._symbolic = symbolic

    def judge(self, rows: Sequence[Row], reference: str) -> list[Judged]:
        """Judges the samples of one problem, whose final answer is `reference`."""
        responses = [row.response for row in rows]
        answers = list(map(self._read, responses))
        equations = list(map(self.equations, responses))
        number = _as_float(reference) if self._as_floats else None
        faults = {
            a: self._fault(a, reference, number) for a in dict.fromkeys(answers) if a is not None
        }
        verdicts = []
        for row, answer, found in zip(rows, answers, equations, strict=True):
            if answer is None:
                verdicts.append("truncated" if row.finish_reason == "length" else "no_answer")
            else:
                verdicts.append(faults[answer] or self._checker.verdict(found))
        return list(map(Judged, rows, verdicts, answers, equations, map(self.key, rows, equations)))

    def _fault(self, answer: str, reference: str, number: float | None) -> str:
        """`wrong_answer`, `timeout` where that could not be decided, or "" for a right answer.

        Args:
          number: the reference as a float, where answers are compared as the paper's script does.
        """
        if number is not None:
            return "" if float(answer) == number else "wrong_answer"
        if answers_equal(answer, reference):
            return ""
        if is_number(answer) and is_number(reference):
            return "wrong_answer"
        try:
            return "" if self._symbolic.equal(reference, answer) else "wrong_answer"
        except TimeoutError:
            return "timeout"


def _as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
