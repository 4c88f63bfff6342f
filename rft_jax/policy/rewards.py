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
from rft_jax.records import VERDICTS, Problem
from rft_jax.verify.grading import Grade, Grader
from rft_jax.verify.programs.reading import EVALUATOR

Reward = Callable[[Problem, str, Grade], float | None]
_SHOWN = 300  # characters of a response in a message


class Judged(NamedTuple):
    """What was decided about a response.

    Attributes:
      reward: None where it is undecided whether the answer is correct.
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


REWARDS: dict[str, Reward] = {"verdict": _verdict, "verdict_and_steps": _verdict_and_steps}
"""Name -> the function of problem, response and grade; None: undecided."""
_CHECK_STEPS = ("verdict_and_steps",)


class Judge:
    """Grades and rewards responses.

    Args:
      names: registered rewards, or `module:function`; their product is the reward.
      answers: where a response says its answer, one of `answers.answer_formats()`.
      timeout: seconds that one comparison of formulas may take.
      programs: what becomes of programs, one of `programs.reading.RUNNERS`.

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
        self._rewards = {name: REWARDS.get(name) or _of_the_user(name) for name in names}
        check = "paper" if any(name in _CHECK_STEPS for name in names) else None
        self._grader = Grader(answers, check, timeout=timeout, programs=programs)
        self.close = self._grader.close

    def judge(self, problem: Problem, response: str, finish_reason: str) -> Judged:
        """The reward of one response, and why.

        Args:
          problem: with its reference solution.
          response: the text.
          finish_reason: `stop`, or `length` where the text was cut off.

        Raises:
          UserError: the problem has no answer, or a reward is not a finite number.
        """
        reference = self._grader.reference(problem)
        form = self._grader.form(problem.form)
        end = self._grader.answer_end(response, reference, form)
        response = response[:end]
        grade = self._grader.grade(response, finish_reason, reference, form)
        product = 1.0
        for reward in self._rewards.values():
            value = reward(problem, response, grade)
            if value is None:
                return Judged(None, grade, end)
            product *= value
        return Judged(product, grade, end)


def _of_the_user(name: str) -> Reward:
    """A user's function, whose values are checked."""
    function = _imported(name)

    def reward(problem: Problem, response: str, _grade: Grade) -> float:
        where = f"reward {name!r} of problem {problem.id!r:.200}"
        shown = f"the response begins {response[:_SHOWN]!r}"
        try:
            value: Any = function(problem, response)
        except Exception as error:
            raise UserError(f"{where}: {type(error).__name__}: {error}; {shown}") from error
        try:
            number = math.nan if isinstance(value, str) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise UserError(f"{where} is {value!r:.100}; a finite number is needed; {shown}")
        return number

    return reward


def _imported(name: str) -> Callable[[Problem, str], Any]:
    """The function at `module:function`, the module found from the current folder too."""
    if ":" not in name:
        raise UserError(
            f"policy.reward {name!r}: one of {', '.join(REWARDS)} is needed, or module:function"
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"policy.reward {name!r}: {error}") from error
    if not callable(found):
        raise UserError(f"policy.reward {name!r}: is not a function")
    return found


def reward_identity(name: str) -> str:
    """What decides a reward: its name and, of a user's function, its file's content."""
    if name in REWARDS:
        return name
    file = inspect.getsourcefile(_imported(name))
    return f"{name} {input_identity(file)}" if file else name
