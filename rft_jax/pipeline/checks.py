"""What a plan needs of its problems and settings, before its first stage starts."""

from __future__ import annotations

from collections.abc import Sequence

from rft_jax.data.preprocess import check_solutions
from rft_jax.derive.write import PROBLEMS as DERIVED_PROBLEMS
from rft_jax.errors import UserError
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.gin_settings import Config
from rft_jax.pipeline.builder import POLICY, VOTE
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Given
from rft_jax.progress import quantity
from rft_jax.prompts import TEMPLATES, get_template
from rft_jax.records import Problem
from rft_jax.rft.budgets import check_answers
from rft_jax.rft.decontaminate import words
from rft_jax.rft.settings import CollectSettings
from rft_jax.verify.grading import check_references


def check_plan(plan: Plan, config: Config) -> None:
    """Refuses a plan that a stage of it would refuse, or with settings of no condition.

    Raises:
      UserError: names problems and settings, and what to do.
    """
    _check_oracle(plan)
    _check_training(plan)
    _check_templates(plan)
    _check_budgets(plan)
    _check_references(plan)
    _check_scopes(config, plan)


def shared_questions(plan: Plan) -> list[str]:
    """A sentence if test problems are training problems too, of the same words; else none."""
    trained = {tuple(words(one.question)) for one in plan.train_list}
    shared = [one for one in plan.test_list if tuple(words(one.question)) in trained]
    if not shared:
        return []
    train, test = plan.settings.train_problems, plan.settings.test_problems
    return [
        f"{len(shared):,} of {quantity(len(plan.test_list), 'test problem')} in {test} with the "
        f"question of a training problem in {train}, the first of them {shared[0].id!r}: what is "
        "measured on them is in part memory; leave them out of either file"
    ]


def _check_oracle(plan: Plan) -> None:
    is_used = any(stage.arguments.get("--kind") == Given("oracle") for stage in plan.stages)
    if is_used and not plan.settings.train_problems.startswith("wordproblems:"):
        raise UserError(
            f"the oracle needs a generator of paths, and run.train_problems is "
            f"{plan.settings.train_problems}: only wordproblems:… have one; leave that condition "
            "out (run.arms)"
        )


def _check_training(plan: Plan) -> None:
    """Refuses problems without solutions that a stage would train on."""
    trained = [stage.arguments["--data"] for stage in plan.stages if stage.command == "train"]
    if plan.train_problems in trained:
        check_solutions(plan.train_list, plan.settings.train_problems)


def _check_templates(plan: Plan) -> None:
    """Refuses a name of no template, which a stage would refuse once the others are finished."""
    anyone = TEMPLATES["plain"]  # in the place of the model's own
    for stage in plan.stages:
        for name, settings in stage.settings.items():
            try:
                get_template(getattr(settings, "template", ""), anyone, lambda: anyone)
            except UserError as error:
                raise UserError(f"{name}.template: {error}") from error


def _check_budgets(plan: Plan) -> None:
    """Refuses ways to read answers that a sampling's budget does not know."""
    for stage in plan.stages:
        if stage.command == "sample" and stage.settings["sample"].budget_kind != "fixed":
            check_answers(stage.settings["sample"].answers)


def _check_references(plan: Plan) -> None:
    """Refuses problems without a final answer that a stage would grade by."""
    files = {
        plan.train_problems: (plan.train_list, plan.settings.train_problems),
        plan.test_problems: (plan.test_list, plan.settings.test_problems),
    }
    graded = {
        (given, _graded_by(stage.settings[stage.command], files[given][0]))
        for stage in plan.stages
        if stage.command in ("collect", "evaluate")
        and (given := stage.arguments["--problems"]) in files
    }
    for given, answers in sorted(graded, key=str):
        problems, spec = files[given]
        check_references(problems, answers, spec)


def _graded_by(settings: CollectSettings | EvaluateSettings, problems: Sequence[Problem]) -> str:
    """How a stage reads the references."""
    if isinstance(settings, EvaluateSettings):
        return settings.reading(problems).graded_by
    return settings.answers


def _check_scopes(config: Config, plan: Plan) -> None:
    arms = {
        *(one.arm for one in plan.measured),
        *(stage.arm for stage in plan.stages),
        VOTE,
        POLICY,
    }
    for scope, where in config.scopes.items():
        if scope not in arms and scope not in DERIVED_PROBLEMS:
            raise UserError(
                f"{where}: no condition {scope!r} in this run; there are {', '.join(sorted(arms))}"
            )
