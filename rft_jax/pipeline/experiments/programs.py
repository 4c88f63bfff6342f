"""Programs against text: where is which better, and what are the errors?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rft_jax.derive.stories import stories_of
from rft_jax.derive.write import PATHS_FILE
from rft_jax.pipeline.experiments.error_rows import ENDINGS, arm_on, errors_plot, measure_errors
from rft_jax.pipeline.measures import Measured, Plot
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument, Many, OutputOf, Stage
from rft_jax.prompts import PROGRAM_SUFFIX
from rft_jax.records import PROGRAM

TEXT: dict[str, Any] = {}
PROGRAMS = {"answers": PROGRAM, "template": PROGRAM_SUFFIX}
HYBRID = {"answers": "hybrid"}


@dataclass(frozen=True)
class Programs:
    """SFT and RFT on texts, on programs and on both, for each set of test problems.

    Attributes:
      k: samples per problem and form.
      train_names: training problems whose answers are names, beside `run.train_problems`.
      test_large: test problems with larger numbers.
      test_names: test problems whose answers are names.
    """

    k: int = 8
    train_names: str = "wordproblems:train-names"
    test_large: str = "wordproblems:test-large"
    test_names: str = "wordproblems:test-names"

    def add_to(self, plan: Plan) -> None:
        """The problems' programs are the generator's, so they are embedded problems."""
        data = training_data(plan, self.train_names)
        sets: dict[str, Argument | None] = {
            "ordinary numbers": None,
            "large numbers": plan.further_file(self.test_large, "test-large"),
            "names": plan.further_file(self.test_names, "test-names"),
        }
        for seed in plan.seeds:
            rows = {
                (arm, name): measure_errors(
                    *(plan, (arm, name), seed, model, label, problems),
                    votes=arm in _VOTING,
                    forced=forced,
                )
                for arm, model, label, forced in self._conditions(plan, seed, data)
                for name, problems in sets.items()
            }
            for name in sets:
                _measure_together(plan, name, seed, [rows[arm, name] for arm in _TOGETHER])
        for name in sets:
            for a, b in _COMPARED:
                plan.compare(arm_on(a, name), arm_on(b, name))
        plan.plots.append(errors_plot())
        plan.plots += [_votes_plot(plan, name) for name in sets]

    def _conditions(
        self, plan: Plan, seed: int, data: dict[str, Any]
    ) -> Sequence[tuple[str, Stage, str, dict[str, Any]]]:
        """Each condition's name, model, label and settings of its evaluations."""
        sft, rft, kept = models_of_forms(plan, seed, data, self.k)
        both = plan.train("rft_both", seed, Many(tuple(kept.values())))
        return (
            ("sft_text", sft["text"], "SFT on texts", TEXT),
            ("sft_programs", sft["programs"], "SFT on programs", PROGRAMS),
            ("rft_text", rft["text"], "RFT on texts", TEXT),
            ("rft_programs", rft["programs"], "RFT on programs", PROGRAMS),
            ("both_text", both, "RFT on both, asked for a text", TEXT),
            ("both_programs", both, "RFT on both, asked for a program", PROGRAMS),
            ("hybrid", both, "RFT on both, hybrid", HYBRID),
        )


_COMPARED = (
    ("rft_text", "sft_text"),
    ("rft_programs", "sft_programs"),
    ("rft_programs", "rft_text"),
    ("both_text", "rft_text"),
    ("both_programs", "rft_programs"),
    ("hybrid", "both_programs"),
)
_VOTING = ("rft_text", "rft_programs", "both_text", "hybrid")
# Of one model, these two's votes are counted together: hybrid decoding's are its programs.
_TOGETHER, _BOTH = ("both_text", "hybrid"), "votes_both"


def training_data(plan: Plan, train_names: str) -> dict[str, Argument]:
    """The training problems and those whose answers are names, as texts and as programs.

    Raises:
      UserError: they are not embedded problems, which the generator has programs for.
    """
    texts = [*plan.train_list, *plan.further(train_names)]
    programs = [story.problem(PROGRAM) for _, story in stories_of(texts)]
    return {"text": plan.file("train-text", texts), "programs": plan.file("train-p", programs)}


def models_of_forms(
    plan: Plan, seed: int, data: Mapping[str, Argument], k: int
) -> tuple[dict[str, Stage], dict[str, Stage], dict[str, OutputOf]]:
    """SFT, RFT and RFT's paths, by form.

    Args:
      data: the training problems, by form.
      k: samples per problem.
    """
    sft, kept = {}, {}
    for form, settings in (("text", TEXT), ("programs", PROGRAMS)):
        arm = f"sft_{form}"
        sft[form] = plan.train(arm, seed, data[form])
        template = settings.get("template", "")
        samples = plan.sample(
            arm, seed, OutputOf(sft[form]), data[form], num_samples=k, template=template
        )
        read = {"answers": PROGRAM, "dedup": "program"} if settings else {}
        collected = plan.collect(f"rft_{form}", seed, [samples], data[form], **read)
        kept[form] = OutputOf(collected, PATHS_FILE)
    rft = {form: plan.train(f"rft_{form}", seed, paths) for form, paths in kept.items()}
    return sft, rft, kept


def _measure_together(plan: Plan, name: str, seed: int, rows: Sequence[Measured]) -> None:
    """A row for votes over texts and programs of the same model and problems, by value."""
    title = f"RFT on both, texts and programs vote: {name}"
    plan.measure_together(arm_on(_BOTH, name), seed, rows, title, title)


def _votes_plot(plan: Plan, name: str) -> Plot:
    arms = {arm_on(one, name) for one in (*_VOTING, _BOTH)}
    return Plot(
        name=f"votes{ENDINGS[name]}",
        title=f"Majority votes: {name}",
        x="votes",
        y="maj@k",
        kind="votes",
        series=tuple(dict.fromkeys(one.label for one in plan.measured if one.arm in arms)),
        x_label="votes (k)",
        log_x=True,
    )
