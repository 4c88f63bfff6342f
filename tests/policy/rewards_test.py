"""Rewards: verdicts and the user's functions; nothing after the answer counts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.policy.rewards import Judge, reward_identity
from rft_jax.records import Problem

PROBLEM = Problem("p", "What is 1 + 2?", "<<1+2=3>>\n#### 3")

MODULE = """
def fraction(problem, response):
    return 0.7 if response.endswith("3") else 0.3

def length(problem, response):
    return len(response)

def nothing(problem, response):
    pass

def words(problem, response):
    return "1"

def infinite(problem, response):
    return float("inf")

def broken(problem, response):
    return 1 / 0
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "their_rewards.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "their_rewards", raising=False)
    return tmp_path


def reward(response: str, *names: str) -> float | None:
    return Judge(names or ("verdict",)).judge(PROBLEM, response, "stop").reward


@pytest.mark.parametrize(
    ("response", "expected"),
    [("<<1+2=3>>\n#### 3", 1.0), ("#### 4", 0.0), ("three", 0.0), ("<<1+1=3>>\n#### 3", 1.0)],
)
def test_the_verdict_is_one_for_a_correct_answer(response: str, expected: float) -> None:
    assert reward(response) == expected


def test_incorrect_steps_cost_the_reward_where_steps_count() -> None:
    assert reward("<<1+2=3>>\n#### 3", "verdict_and_steps") == 1.0
    assert reward("<<1+1=3>>\n#### 3", "verdict_and_steps") == 0.0


def test_fractions_survive_and_several_rewards_are_multiplied() -> None:
    assert reward("#### 3", "their_rewards:fraction") == 0.7
    assert reward("#### 4", "their_rewards:fraction") == 0.3
    assert reward("#### 3", "verdict", "their_rewards:fraction") == 0.7
    assert reward("#### 4", "verdict", "their_rewards:fraction") == 0.0


@pytest.mark.parametrize("rest", ["\nthanks\nthanks", " thanks", "\n#### 4", "\n<<1+1=3>>"])
@pytest.mark.parametrize("name", ["verdict", "verdict_and_steps", "their_rewards:length"])
def test_what_is_written_after_the_answer_earns_and_loses_nothing(rest: str, name: str) -> None:
    answered = "<<1+2=3>>\n#### 3"
    judged = Judge([name]).judge(PROBLEM, answered + rest, "length")
    assert judged.reward == reward(answered, name)
    assert judged.end == len(answered)
    assert judged.grade.verdict == "correct"


@pytest.mark.parametrize("name", ["nothing", "words", "infinite", "broken"])
def test_a_reward_that_is_not_a_finite_number_is_refused_with_problem_and_response(
    name: str,
) -> None:
    with pytest.raises(UserError, match=rf"their_rewards:{name}.*'p'.*begins '#### 3'"):
        reward("#### 3", f"their_rewards:{name}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("verdicts", "one of verdict, verdict_and_steps is needed, or module:function"),
        ("no_such_module:f", "No module named 'no_such_module'"),
        ("their_rewards:missing", "has no attribute 'missing'"),
        ("their_rewards:__name__", "is not a function"),
    ],
)
def test_a_reward_that_does_not_exist_is_refused_by_name(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Judge([name])


def test_an_undecided_sample_has_no_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> bool:
        raise TimeoutError

    monkeypatch.setattr("rft_jax.verify.comparison.AnswerComparer.equal", never)
    judged = Judge(["verdict"]).judge(PROBLEM, "#### 4", "stop")
    assert (judged.reward, judged.grade.verdict) == (None, "timeout")


def test_the_identity_of_a_users_reward_is_its_files_content(module: Path) -> None:
    before = reward_identity("their_rewards:fraction")
    assert reward_identity("verdict") == "verdict"
    assert before.startswith("their_rewards:fraction their_rewards.py ")
    with open(module / "their_rewards.py", "a") as file:
        file.write("# changed\n")
    assert reward_identity("their_rewards:fraction") != before


def test_a_program_is_rewarded_for_what_it_prints_and_prose_after_it_earns_nothing() -> None:
    problem = Problem("p", "What is 1 + 2?", "print(1 + 2)", form="program")
    program = "```python\nprint(2 + 1)\n```"
    judge = Judge(["verdict"])
    assert judge.judge(problem, "print(4 - 1)", "stop").reward == 1.0
    assert judge.judge(problem, "print(4)", "stop").reward == 0.0
    judged = judge.judge(problem, program + "\nthanks\nthanks", "stop")
    assert (judged.reward, judged.end) == (1.0, len(program))
