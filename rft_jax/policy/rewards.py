"""Rewards: a response to a number, by the grader's verdict or by a function of the user's.

    def brevity(problem: Problem, response: str) -> float: ...

`policy.reward = ['verdict', 'my_rewards:brevity']` is the product of the two. A reward sees the
response up to the end of its answer: nothing after it earns or loses anything.
"""

from __future__ import annotations

import inspect
import math
import os
import sys
from collections.abc import Callable, Sequence
from pkgutil import resolve_name
from typing import Any, NamedTuple

from rft_jax.errors import UserError
from rft_jax.files.identity import input_identity
from rft_jax.policy import USERS_FOLDER
from rft_jax.records import VERDICTS, Problem
from rft_jax.verify.answers import ARITHMETIC
from rft_jax.verify.grading import Grade, Grader
from rft_jax.verify.programs.reading import EVALUATOR

Reward = Callable[[Problem, str, Grade], float | None]
_SHOWN = 300  # characters of a response in a message


class Judged(NamedTuple):
    """What was decided about a response.

    Attributes:
      reward: None where it is undecided, or not asked for.
      grade: the grader's, of the response up to the end of its answer.
      end: number of characters up to there.
    """

    reward: float | None
    grade: Grade
    end: int


def _verdict(_problem: Problem, _response: str, grade: Grade) -> float | None:
    correct = VERDICTS[grade.verdict].answer_correct
    return None if correct is None else float(correct)


def _verdict_and_steps(_problem: Problem, _response: str, grade: Grade) -> float | None:
    undecided = VERDICTS[grade.verdict].answer_correct is None
    return None if undecided else float(grade.verdict == "correct")


class Rule(NamedTuple):
    """A registered reward.

    Attributes:
      reward: a function of problem, response and grade; None: undecided.
      checks_steps: whether it needs the steps of responses checked.
    """

    reward: Reward
    checks_steps: bool = False


REWARDS: dict[str, Rule] = {
    "verdict": Rule(_verdict),
    "verdict_and_steps": Rule(_verdict_and_steps, checks_steps=True),
}
"""Name -> reward."""
_STEPS = {ARITHMETIC: ("rounded", "steps")}
"""Answer format -> how equations are checked, and what is one; others as the paper does."""


class Judge:
    """Grades and rewards responses.

    Args:
      names: registered rewards, or `module:function`; their product is the reward.
      answers: where a response says its answer, one of `answers.answer_formats()`.
      timeout: CPU seconds that one comparison of formulas may take.
      programs: what becomes of programs, one of `programs.reading.RUNNERS`.

    Attributes:
      answers: the same.
      close: ends the grader's processes.
      form: by which a response is graded, of the one that its prompt asks for.

    Raises:
      UserError: there is no such reward.
    """

    def __init__(
        self,
        names: Sequence[str],
        answers: str = "first",
        timeout: float = 5.0,
        programs: str = EVALUATOR,
    ) -> None:
        self.answers = answers
        self._rules = [(name, REWARDS.get(name) or Rule(_of_the_user(name))) for name in names]
        check, source = _STEPS.get(answers, ("paper", "annotations"))
        checked = check if any(rule.checks_steps for _, rule in self._rules) else None
        self._grader = Grader(answers, checked, source, timeout, programs=programs)
        self.close, self.form = self._grader.close, self._grader.form

    def grade(
        self, problem: Problem, response: str, finish_reason: str, form: str = "text"
    ) -> Judged:
        """The grade of one response, which has no reward yet.

        Args:
          problem: with its reference solution.
          response: the text.
          finish_reason: `stop`, or `length` where the text was cut off.
          form: `text` or `program`, as its prompt asks.

        Raises:
          UserError: the problem has no answer.
        """
        form = self.form(form)
        reference = self._grader.reference(problem)
        end = self._grader.answer_end(response, reference, form)
        grade = self._grader.grade(response[:end], finish_reason, reference, form)
        return Judged(None, grade, end)

    def reward(self, problem: Problem, response: str, judged: Judged) -> float | None:
        """The reward of a response that is graded; None where it is undecided.

        Raises:
          UserError: a reward, or their product, is not a finite number.
        """
        response = response[: judged.end]
        product = 1.0
        for name, rule in self._rules:
            value = rule.reward(problem, response, judged.grade)
            if value is None:
                return None
            product *= _finite(value, f"reward {name!r}", problem, response)
        names = " × ".join(name for name, _ in self._rules)
        return _finite(product, f"the product {names}", problem, response)


def _finite(value: Any, what: str, problem: Problem, response: str) -> float:
    """A reward as a number.

    Raises:
      UserError: it is not a finite one; names problem and response.
    """
    try:
        number = math.nan if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        of = _of(what, problem)
        raise UserError(
            f"{of} is {value!r:.100}; a finite number is needed; {_beginning(response)}"
        )
    return number


def _of(what: str, problem: Problem) -> str:
    return f"{what} of problem {problem.id!r:.200}"


def _beginning(response: str) -> str:
    return f"the response begins {response[:_SHOWN]!r}"


def _of_the_user(name: str) -> Reward:
    """A user's function, which decides about every response."""
    function = _imported(name)

    def reward(problem: Problem, response: str, _grade: Grade) -> float:
        what = f"reward {name!r}"
        try:
            value = function(problem, response)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise UserError(f"{_of(what, problem)}: {why}; {_beginning(response)}") from error
        return _finite(value, what, problem, response)  # None decides nothing

    return reward


def _imported(name: str) -> Callable[[Problem, str], Any]:
    """The function at `module:function`, the module found from the user's folder too.

    Raises:
      UserError: there is none, or its module cannot be imported.
    """
    if ":" not in name:
        raise UserError(
            f"policy.reward {name!r}: one of {', '.join(REWARDS)} is needed, or module:function"
        )
    folder = os.environ.get(USERS_FOLDER) or os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found = resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"policy.reward {name!r}: {error}") from error
    except Exception as error:  # of the user's module
        raise UserError(f"policy.reward {name!r}: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise UserError(f"policy.reward {name!r}: is not a function")
    return found


def reward_identity(name: str) -> str:
    """What decides a reward: its name and, of a user's function, its file's content."""
    if name in REWARDS:
        return name
    file = _source_file(name)
    return f"{name} {input_identity(file)}" if file else name


def _source_file(name: str) -> str | None:
    """Where a user's function is defined; of a callable object, the file of the named module."""
    function = _imported(name)
    try:
        return inspect.getsourcefile(function)
    except TypeError:
        return getattr(sys.modules[name.partition(":")[0]], "__file__", None)
