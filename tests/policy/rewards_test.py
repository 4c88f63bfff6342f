"""Rewards: verdicts and the user's functions; nothing after the answer counts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.policy import USERS_FOLDER
from rft_jax.policy.rewards import REWARDS, Judge, Judged, Rule, reward_identity
from rft_jax.records import Problem

PROBLEM = Problem("p", "What is 1 + 2?", "<<1+2=3>>\n#### 3")

MODULE = """
import functools

class Half:
    def __call__(self, problem, response):
        return 0.5

def some(factor, problem, response):
    return factor

instance = Half()
part = functools.partial(some, 0.5)
cached = functools.lru_cache(instance)

def huge(problem, response):
    return 1e200

def beyond(problem, response):
    return 10**400

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


def judge(
    one: Judge, problem: Problem, response: str, finish: str = "stop", form: str = "text"
) -> Judged:
    graded = one.grade(problem, response, finish, form)
    return graded._replace(reward=one.reward(problem, response, graded))


def reward(response: str, *names: str) -> float | None:
    return judge(Judge(names or ("verdict",)), PROBLEM, response).reward


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
    judged = judge(Judge([name]), PROBLEM, answered + rest, "length")
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


@pytest.mark.parametrize(
    ("module", "text", "says"),
    [
        ("unfinished_rewards", "def f(:", "SyntaxError: "),
        ("failing_rewards", "raise KeyError('x')", "KeyError: 'x'"),
    ],
)
def test_a_users_module_that_cannot_be_imported_is_named_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, text: str, says: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"{module}.py").write_text(text)
    with pytest.raises(UserError, match=rf"policy\.reward '{module}:f': {says}"):
        Judge([f"{module}:f"])


def test_a_stage_of_a_run_finds_rewards_where_the_run_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "rewards_of_a_run.py").write_text("def f(problem, response):\n return 2")
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setenv(USERS_FOLDER, str(tmp_path / "users"))
    assert reward("#### 3", "rewards_of_a_run:f") == 2


def test_an_undecided_sample_has_no_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> bool:
        raise TimeoutError

    monkeypatch.setattr("rft_jax.verify.comparison.AnswerComparer.equal", never)
    judged = judge(Judge(["verdict"]), PROBLEM, "#### 4")
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
    one = Judge(["verdict"])
    assert judge(one, problem, "print(4 - 1)", form="program").reward == 1.0
    assert judge(one, problem, "print(4)", form="program").reward == 0.0
    judged = judge(one, problem, program + "\nthanks\nthanks", form="program")
    assert (judged.reward, judged.end) == (1.0, len(program))


def test_a_program_for_a_problem_in_words_is_graded_as_its_prompt_asks() -> None:
    asked = judge(Judge(["verdict"]), PROBLEM, "print(1 + 2)", form="program")
    assert (asked.reward, asked.grade.verdict) == (1.0, "correct")
    assert judge(Judge(["verdict"], "program"), PROBLEM, "print(1 + 2)").reward == 1.0
    assert judge(Judge(["verdict"]), PROBLEM, "print(1 + 2)").grade.verdict == "no_answer"


def test_steps_of_an_expression_are_checked_as_those_of_arithmetic() -> None:
    problem = Problem("p", "(1+2)*3=", "3*3=9")
    one = Judge(["verdict_and_steps"], "arithmetic")
    assert judge(one, problem, "3*3=9").reward == 1.0
    assert judge(one, problem, "4*3=9").reward == 0.0
    assert judge(Judge(["verdict"], "arithmetic"), problem, "4*3=9").reward == 1.0


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["their_rewards:huge"] * 2, r"product their_rewards:huge × their_rewards:huge .*is inf"),
        (["not_finite"], "reward 'not_finite' of problem 'p' is nan; a finite number is needed"),
        (["their_rewards:beyond"], "their_rewards:beyond' of problem 'p' is 1000000"),
    ],
)
def test_every_reward_and_their_product_are_finite(
    monkeypatch: pytest.MonkeyPatch, names: list[str], message: str
) -> None:
    monkeypatch.setitem(REWARDS, "not_finite", Rule(lambda *_: float("nan")))
    with pytest.raises(UserError, match=message):
        judge(Judge(names), PROBLEM, "#### 3")


def test_a_reward_that_is_listed_twice_counts_twice() -> None:
    assert reward("#### 4", "their_rewards:fraction", "their_rewards:fraction") == 0.3 * 0.3


@pytest.mark.parametrize("name", ["instance", "part", "cached"])
def test_a_callable_object_is_a_reward_and_its_identity_is_the_modules_content(name: str) -> None:
    assert reward("#### 3", f"their_rewards:{name}") == 0.5
    identity = reward_identity(f"their_rewards:{name}")
    assert identity.startswith(f"their_rewards:{name} their_rewards.py ")


def test_a_reward_without_a_source_file_has_its_name_as_identity() -> None:
    assert reward_identity("builtins:divmod") == "builtins:divmod"
