"""The one place that decides about a response: is its answer correct, and are its steps?

A response is read (where does it say its answer, or what does its program print?), its answer is
compared with the reference, and its equations are checked. `rft collect`, `rft evaluate` and the
sampling budgets ask a `Grader` and nothing else, so a response has the same grade in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rft_jax.errors import MistakeList, UserError
from rft_jax.records import PROGRAM, VERDICTS, Problem, Reason
from rft_jax.verify.answer_end import end_of_answer
from rft_jax.verify.answers import (
    ARITHMETIC,
    IN_RUNNING_TEXT,
    Reader,
    answer_reader,
    read_marked,
    reference_answer,
)
from rft_jax.verify.comparison import AnswerComparer, Comparer, NumberComparer, PaperComparer
from rft_jax.verify.equations import EquationChecker, explain
from rft_jax.verify.programs.reading import EVALUATOR, read_program_answer
from rft_jax.verify.programs.source import read_program
from rft_jax.verify.programs.trace import as_equations
from rft_jax.verify.running_text import equation_source

_SHOWN = 60  # characters of a question in an error


class Grade(NamedTuple):
    """What was decided about a response.

    Attributes:
      answer: as the response writes it; None where it gives none.
      equations: as the response writes them, or as its program executes them; empty where steps
        are not checked.
      verdict: one of `records.VERDICTS`.
      reason: None where the verdict says all.
    """

    answer: str | None
    equations: list[str]
    verdict: str
    reason: Reason | None


class _Comparison:
    """Compares answers with one reference after another; an answer that comes again is remembered.

    Args:
      comparer: decides.
    """

    def __init__(self, comparer: Comparer) -> None:
        self._comparer = comparer
        self._reference: str | None = None
        self._results: dict[str, tuple[str, Reason | None]] = {}

    def compare(self, answer: str, reference: str) -> tuple[str, Reason | None]:
        """The verdict on an answer and its reason."""
        if reference != self._reference:
            self._reference, self._results = reference, {}
        return self._results.get(answer) or self._compare(answer, reference)

    def _compare(self, answer: str, reference: str) -> tuple[str, Reason | None]:
        result: tuple[str, Reason | None] = "correct", None
        try:
            if not self._comparer.equal(reference, answer):
                detail = f"answers {answer:.70}, the reference is {reference:.70}"
                result = "wrong_answer", Reason("answer", detail)
        except TimeoutError:
            detail = f"comparing {answer:.70} with {reference:.70} took longer than allowed"
            result = "timeout", Reason("comparison", detail)
        self._results[answer] = result
        return result


def check_references(problems: Iterable[Problem], answers: str, of: str) -> None:
    """Refuses problems whose reference solutions, as texts, give no final answer, all at once.

    Args:
      answers: where responses say their answers, as a `Grader` takes it.
      of: names the problems: the file, say.

    Raises:
      UserError: there are such problems; names them by id and question.
    """
    mistakes = MistakeList()
    for problem in problems:
        if problem.form != PROGRAM:
            with mistakes.caught():
                _answer_of(problem, _of_texts(answers))
    mistakes.raise_any(of)


def _of_texts(answers: str) -> str:
    """Where a text says its answer if responses are read by `answers`."""
    return "the_answer_is" if answers == PROGRAM else answers


def _answer_of(problem: Problem, answers: str) -> str:
    """The final answer of a text's reference solution.

    Raises:
      UserError: it gives none.
    """
    reference = reference_answer(problem.answer, answers)
    if reference is None:
        raise UserError(
            f"problem {problem.id!r} ({problem.question[:_SHOWN]!r}) has no answer; end its "
            "solution with '#### n' or \\boxed"
        )
    return reference


class Grader:
    """Grades responses by one set of settings.

    Args:
      answers: where a response says its answer, one of `answers.answer_formats()`. With `program`
        every response is a program, and what else is a text is read by `answers.read_marked`.
      equations: how equations are checked, one of `equations.CHECKS`; None checks none.
      source: what counts as an equation, one of `running_text.EQUATION_SOURCES`.
      timeout: CPU seconds that one comparison of formulas may take.
      paper_tolerance: whether floats may differ by 1e-4, as in the paper's evaluation script.
      comparer: decides whether two answers are equal, instead of `AnswerComparer`, or
        `NumberComparer` for `arithmetic`.
      programs: what becomes of programs, one of `programs.reading.RUNNERS`; the caller has called
        `check_programs`.
    """

    def __init__(
        self,
        answers: str = "first",
        equations: str | None = None,
        source: str = "annotations",
        timeout: float = 5.0,
        paper_tolerance: bool = False,
        comparer: Comparer | None = None,
        programs: str = EVALUATOR,
    ) -> None:
        self._runner = programs
        self.reads_programs = answers == PROGRAM
        self._answers = _of_texts(answers)
        if answers == ARITHMETIC:
            comparer = comparer or NumberComparer()
        exact = comparer or AnswerComparer(timeout, floats=self._answers == "first")
        of_programs = comparer or AnswerComparer(timeout)
        self.value = exact.value
        self._closed = (exact.close, of_programs.close)
        self._texts = _Comparison(PaperComparer(exact) if paper_tolerance else exact)
        self._programs = _Comparison(PaperComparer(of_programs) if paper_tolerance else of_programs)
        self._checker = EquationChecker(equations) if equations else None
        self._find_equations = equation_source(source)
        self._reference: str | None = None

    def close(self) -> None:
        """Ends what runs for the comparisons."""
        for close in self._closed:
            close()

    def _reader(self, reference: str) -> Reader:
        return read_marked if self.reads_programs else answer_reader(self._answers, reference)

    def form(self, form: str) -> str:
        """The form by which a sample is graded: what its row says, unless all are programs."""
        return PROGRAM if self.reads_programs else form

    def reference(self, problem: Problem) -> str:
        """The final answer of a problem's reference solution, by the form of the problem.

        Raises:
          UserError: it gives none.
        """
        if problem.form == PROGRAM:
            return self._program_reference(problem)
        return _answer_of(problem, self._answers)

    def answer_end(self, response: str, reference: str, form: str = "text") -> int:
        """Number of characters of a response up to the end of its answer, or of its program."""
        if form == PROGRAM:
            return end_of_answer(response, lambda text: read_program(text) or None)
        is_closed = self._answers in IN_RUNNING_TEXT
        return end_of_answer(response, self._reader(reference), is_closed)

    def grade(self, response: str, finish_reason: str, reference: str, form: str = "text") -> Grade:
        """Grades one response.

        Args:
          finish_reason: `stop`, or `length` where the text was cut off.
          reference: the problem's final answer.
          form: `text` or `program`.
        """
        if form == PROGRAM:
            return self._grade_program(response, finish_reason, reference)
        if reference != self._reference:
            self._reference = reference
            self._read = self._reader(reference)
        equations = self._find_equations(response) if self._checker else []
        answer = self._read(response)
        if answer is None:
            verdict = "truncated" if finish_reason == "length" else "no_answer"
            return Grade(None, equations, verdict, None)
        verdict, reason = self._texts.compare(answer, reference)
        if verdict == "correct" and self._checker:
            fault = self._checker.first_fault(equations)
            if fault:
                equation, verdict = fault
                line = self._line_of(equation, response)
                reason = Reason("equation", explain(equation, verdict), line)
        return Grade(answer, equations, verdict, reason)

    def _grade_program(self, response: str, finish_reason: str, reference: str) -> Grade:
        """Grades what the response's program prints; its steps are what it executes."""
        read = read_program_answer(response, finish_reason == "length", self._runner)
        equations = as_equations(read.operations) if self._checker else []
        if read.answer is None:
            return Grade(None, equations, read.verdict, read.reason)
        verdict, reason = self._programs.compare(read.printed, reference)
        if verdict == "wrong_answer" and read.answer != read.printed:
            rounded, _ = self._programs.compare(read.answer, reference)
            if rounded == "correct":
                detail = f"prints {read.printed:.70}, which is {read.answer:.70} when rounded"
                verdict, reason = rounded, Reason("rounding", detail)
        return Grade(read.answer, equations, verdict, reason)

    def _line_of(self, equation: str, response: str) -> int | None:
        """The line of a response with the equation; None if the equation has a line break."""
        for number, line in enumerate(response.split("\n"), start=1):
            if equation in self._find_equations(line):
                return number
        return None

    def _program_reference(self, problem: Problem) -> str:
        read = read_program_answer(problem.answer, False, self._runner)
        if read.answer is None:
            said = read.reason.detail if read.reason else VERDICTS[read.verdict].words
            raise UserError(
                f"problem {problem.id!r} has no answer: the program of its solution is not "
                f"accepted ({read.verdict}: {said}); give the answer as text, or remove the problem"
            )
        return read.answer
