"""Problems decide where responses say their answers, as they do for an evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.files.identity import added_setting
from rft_jax.policy.inputs import Inputs, answers_for_both
from rft_jax.policy.rewards import Judge
from rft_jax.policy.settings import PolicySettings
from rft_jax.policy.shared_settings import RolloutSettings, UpdateSettings
from rft_jax.records import Problem

WORDS = [Problem("p", "What is 1 + 2?", "#### 3")]


def test_the_reference_solution_of_an_expression_is_rewarded() -> None:
    problems = load_problems("arithmetic:train")[:20]
    judge = Judge(["verdict"], answers_for_both(problems, problems, "first"))
    for problem in problems:
        judged = judge.grade(problem, problem.answer, "stop")
        assert judge.reward(problem, problem.answer, judged) == 1.0


def test_models_and_problems_that_the_settings_do_not_use_are_refused() -> None:
    unmeasured = PolicySettings(measure_kl=False)
    given = Inputs("m", "p", reference_model="r")
    with pytest.raises(UserError, match=r"--reference_model has no effect .* set one of them"):
        given.check(unmeasured)
    given.check(PolicySettings(measure_kl=True))
    given.check(PolicySettings(measure_kl=False, kl="loss", kl_coefficient=0.1))
    with pytest.raises(UserError, match=r"policy\.held_out = 0: how many problems of p2"):
        Inputs("m", "p", held_out="p2").check(PolicySettings(held_out=0))


def test_an_added_setting_of_sampling_leaves_the_identity_of_earlier_runs() -> None:
    @dataclass(frozen=True)
    class Extended(RolloutSettings):
        min_p: float = added_setting(0.0)

    inputs, policy = Inputs("m", "wordproblems:dev"), PolicySettings()
    one, other = (
        inputs.made_with(policy, UpdateSettings(), rollout)
        for rollout in (RolloutSettings(), Extended())
    )
    assert one == other
    assert one["sample.answers"] == "first" and "sample.calculator" not in one


def test_words_and_expressions_are_not_read_alike_and_refused_together() -> None:
    expressions = [Problem("p", "1+2=", "3")]
    assert answers_for_both(WORDS, [], "first") == "first"
    assert answers_for_both(expressions, [], "last") == "last"
    with pytest.raises(UserError, match=r"--held_out: .* read by 'arithmetic', .* by 'first'"):
        answers_for_both(WORDS, expressions, "first")
