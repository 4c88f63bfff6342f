"""The verdict of one sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rft_jax.rft.settings import CollectSettings
from rft_jax.verify.answers import answer_reader, answers_equal
from rft_jax.verify.equations import EquationChecker, find_annotations
from rft_jax.verify.numbers import parse_number
from rft_jax.verify.running_text import text_equations

_EQUATION_VERDICTS = {
    "right": "correct",
    "wrong": "wrong_equation",
    "malformed": "malformed_equation",
}


class Comparer(Protocol):
    """Compares what two formulas mean."""

    def equal(self, reference: str, answer: str) -> bool:
        """Whether they mean the same; raises TimeoutError when that takes too long."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A sample's verdict (one of `records.VERDICTS`), its answer and its equations."""

    verdict: str
    answer: str | None
    equations: list[str]


class Judge:
    """Judges samples by one set of settings.

    Args:
      symbolic: compares answers that are no plain numbers.
    """

    def __init__(self, settings: CollectSettings, symbolic: Comparer) -> None:
        self._read = answer_reader(settings.answers)
        self.equations = _equation_source(settings.equation_source)
        self._checker = EquationChecker(settings.equations)
        self._as_floats = settings.equations == "paper" and settings.answers == "first"
        self._symbolic = symbolic

    def for_reference(self, reference: str) -> Callable[[str, str], Judgement]:
        """Returns the function from (response, finish_reason) to its judgement."""
        known: dict[str, bool | None] = {}

        def judge(response: str, finish_reason: str) -> Judgement:
            answer = self._read(response)
            equations = self.equations(response)
            if answer is None:
                verdict = "truncated" if finish_reason == "length" else "no_answer"
                return Judgement(verdict, None, equations)
            if answer not in known:
                known[answer] = self._matches(answer, reference)
            if not known[answer]:
                verdict = "timeout" if known[answer] is None else "wrong_answer"
                return Judgement(verdict, answer, equations)
            finding = self._checker.worst(equations) if equations else "right"
            return Judgement(_EQUATION_VERDICTS[finding], answer, equations)

        return judge

    def _matches(self, answer: str, reference: str) -> bool | None:
        """Whether the answer is right; None when that could not be decided in time."""
        if answers_equal(answer, reference):
            return True
        if self._as_floats and _equal_floats(answer, reference):
            return True
        if parse_number(answer) is not None and parse_number(reference) is not None:
            return False
        try:
            return self._symbolic.equal(reference, answer)
        except TimeoutError:
            return None


def _equal_floats(answer: str, reference: str) -> bool:
    """How the paper's script compares answers when it collects."""
    try:
        return float(answer) == float(reference)
    except ValueError:
        return False


def _equation_source(name: str) -> Callable[[str], list[str]]:
    if name == "annotations":
        return find_annotations
    if name == "text":
        return text_equations
    return lambda response: find_annotations(response) or text_equations(response)
