"""Hybrid decoding: a program first, and a text where the program gives no answer.

A program that ran never falls back, however wrong its answer is: falling back must not depend on
the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.evaluation.graded import grade_all
from rft_jax.evaluation.inputs import NO_RESPONSES, Responses, read_responses
from rft_jax.evaluation.intervals import mean_with_ci
from rft_jax.evaluation.scoring import Graded, Scored
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.files.names import SAMPLES_FOLDER, TEXTS_FOLDER
from rft_jax.progress import quantity
from rft_jax.records import VERDICTS, Problem, to_row

_FALLBACK = "fallback.jsonl"  # in an evaluation's output: the problems that fall back


def sample_texts(
    model: str, problems: Sequence[Problem], output: Path, settings: EvaluateSettings, mesh: Any
) -> str | None:
    """Samples texts for the problems whose programs give no answer.

    Args:
      model: the model folder.
      problems: all.
      output: the evaluation's folder, with the programs in `samples`.

    Returns:
      The folder of the texts; None where every program gives an answer.
    """
    from rft_jax.devices import distributed
    from rft_jax.evaluation.calculator import calculator_of
    from rft_jax.sampling import sample

    asked = output / _FALLBACK

    def write_asked() -> None:
        if not asked.exists():  # in the sandbox, a program may end in another way now
            responses = read_responses([str(output / SAMPLES_FOLDER)], problems)
            found = _unanswered(grade_all(problems, responses, settings))
            write_rows(asked, map(to_row, found))

    distributed.on_main(write_asked, "programs evaluated", output)
    if not asked.stat().st_size:
        return None
    texts = str(output / TEXTS_FOLDER)
    forcing = calculator_of(settings)
    sample(model, str(asked), texts, None, settings.text_sampling(), mesh, forcing=forcing)
    return texts


def _unanswered(graded: Sequence[Graded]) -> list[Problem]:
    """The problems of which some sample's program gives no answer."""
    return [one.problem for one in graded if one.has_unanswered]


def read_texts(path: str | None, output: Path, graded: Sequence[Graded]) -> Responses:
    """The text samples of the problems that fall back.

    Args:
      path: folder or file of text samples; None for none.
      output: the evaluation's folder, which has the problems that fall back if texts were sampled.
      graded: the programs of all problems.

    Raises:
      UserError: a sample that falls back has no text of its index.
    """
    asked = output / _FALLBACK
    names = {row["id"] for _, row in read_rows(asked)} if asked.exists() else None
    falling = [one for one in graded if one.has_unanswered]
    needed = [one for one in falling if names is None or one.problem.id in names]
    if not needed:
        return NO_RESPONSES
    if path is None:
        raise UserError(
            f"evaluate.answers = 'hybrid': {quantity(len(needed), 'problem')} without an answer by "
            f"a program, the first is {needed[0].problem.id!r}; name text samples with --fallback"
        )
    texts = read_responses([path], [one.problem for one in needed])
    for one in needed:
        name, asked_for = one.problem.id, len(one.grades)
        if (found := len(texts.by_problem[name])) < asked_for:
            raise UserError(
                f"{path}: problem {name!r} has {quantity(found, 'text')} for "
                f"{quantity(asked_for, 'program')}; sample as many"
            )
    return texts


def hybrid_metrics(
    scored: Sequence[Scored], responses: Responses, texts: Responses
) -> dict[str, Any]:
    """How often programs fell back, how good either side was, and what both generations cost.

    Either side's accuracy is a mean over the problems of which it answered a sample.
    """
    fell_back = [one for problem in scored for one in problem.fell_back]
    return {
        "fallback": sum(fell_back) / len(fell_back),
        "programs": _side(scored, fell_back=False),
        "texts": _side(scored, fell_back=True),
        "programs_alone": _mean([_correct(problem.programs) for problem in scored]),
        "tokens": {"programs": responses.tokens, "texts": texts.tokens},
    }


def _side(scored: Sequence[Scored], fell_back: bool) -> dict[str, Any]:
    correct = [
        [
            ok
            for ok, back in zip(problem.correct, problem.fell_back, strict=True)
            if back is fell_back
        ]
        for problem in scored
    ]
    return {"samples": sum(map(len, correct)), "accuracy": _mean(correct)}


def _correct(programs: Sequence[str | None]) -> list[bool | None]:
    return [VERDICTS[verdict].answer_correct for verdict in programs if verdict is not None]


def _mean(correct: Iterable[Sequence[bool | None]]) -> dict[str, Any]:
    """Of each problem the share of correct ones among the decided; their mean with its interval."""
    decided = [[ok for ok in one if ok is not None] for one in correct]
    return mean_with_ci([float(Fraction(sum(one), len(one))) for one in decided if one])


def hybrid_lines(metrics: dict[str, Any]) -> list[str]:
    """What is printed of `hybrid_metrics`."""
    hybrid = metrics.get("hybrid")
    if hybrid is None:
        return []
    sides = [
        f"{hybrid[side]['accuracy']['value']:.1%} of {hybrid[side]['samples']:,} {side} correct"
        for side in ("programs", "texts")
        if hybrid[side]["samples"]
    ]
    counts = [(side, n) for side, n in hybrid["tokens"].items() if n is not None]
    tokens = [f"{quantity(n, 'token')} of {side}" for side, n in counts]
    return [f"  {hybrid['fallback']:.1%} fell back to a text: {', '.join([*sides, *tokens])}"]
