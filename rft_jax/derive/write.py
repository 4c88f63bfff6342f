"""`rft derive`: the kinds by name, and the file that each of them writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path as FilePath
from typing import Any

from rft_jax.data.sources import problems_identity
from rft_jax.derive import controls, problems, text
from rft_jax.derive.inputs import Inputs
from rft_jax.derive.oracle import oracle_paths
from rft_jax.derive.steps import steps
from rft_jax.errors import UserError
from rft_jax.files.identity import input_identity
from rft_jax.files.jsonl import write_rows
from rft_jax.files.outputs import open_output
from rft_jax.progress import quantity
from rft_jax.records import FORMS, Path, Problem, to_row
from rft_jax.records import PATHS_FILE as PATHS_FILE
from rft_jax.verify.equations import find_annotations
from rft_jax.verify.programs.reading import program_equations

ARITHMETIC, STEPS = "arithmetic", "steps"
WORDS, WORDS_AND_ARITHMETIC = "words", "words_and_arithmetic"
CONTROLS: dict[str, Callable[[Inputs], Mapping[str, list[str]]]] = {
    "oracle": oracle_paths,
    "most_likely": controls.most_likely_samples,
    "random": controls.random_samples,
    "human": controls.reference_solutions,
    "unverified": controls.unverified_samples,
    "answer_checked": controls.answer_checked_samples,
    "majority": controls.majority_samples,
    "incorrect": controls.incorrect_samples,
}
PROBLEMS: dict[str, Callable[[Inputs], Iterable[Problem]]] = {
    "few_shot": problems.few_shot,
    "turned_round": problems.turned_round,
    "chains": problems.chains,
    "queried": problems.queried,
    "revisions": problems.revisions,
    "farthest_revisions": problems.farthest_revisions,
    STEPS: steps,
}
TEXT: dict[str, Callable[[Inputs], Iterable[dict[str, Any]]]] = {
    "one_shot_text": text.one_shot_text,
    ARITHMETIC: text.arithmetic,
    WORDS: text.words,
    WORDS_AND_ARITHMETIC: text.words_and_arithmetic,
}
KINDS = (*CONTROLS, *PROBLEMS, *TEXT)
OF_SAMPLES = tuple(kind for kind in CONTROLS if kind not in ("oracle", "human"))
"""Controls that are chosen among samples."""
PROBLEMS_FILE = "problems.jsonl"
_OF_FIRST_SAMPLES = ("problems", "samples", "count")
_READ: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(CONTROLS, ("problems", "collected")),
    **dict.fromkeys(OF_SAMPLES, ("problems", "collected", "samples")),
    **dict.fromkeys(("turned_round", STEPS), ("problems",)),
    **dict.fromkeys(("chains", "queried"), _OF_FIRST_SAMPLES),
    **dict.fromkeys(("revisions", "farthest_revisions"), _OF_FIRST_SAMPLES),
    "few_shot": ("problems", "examples", "count"),
    **dict.fromkeys(TEXT, ("count", "form")),
    "one_shot_text": ("count",),
}
"""Kind -> the inputs that it reads, beside the seed, which `rft run` gives every kind."""


def derived_file(kind: str) -> str:
    """The name of the file with a kind's rows."""
    return PATHS_FILE if kind in CONTROLS else PROBLEMS_FILE


def write_derived(kind: str, inputs: Inputs, output: str, config_text: str = "") -> None:
    """Writes the rows of a kind; does nothing in a finished folder.

    Args:
      config_text: the settings as a gin file, written into the output.

    Raises:
      UserError: there is no such kind, or one of its inputs is missing or invalid, or one is given
        that it does not read.
    """
    if kind not in KINDS:
        raise UserError(f"kind {kind!r}; there are {', '.join(KINDS)}")
    _check_inputs(kind, inputs)
    made_with = {
        "command": "derive",
        "kind": kind,
        "problems": _identity(inputs.problems),
        "collected": _identity(inputs.collected),
        "examples": _identity(inputs.examples),
        "samples": [input_identity(folder) for folder in inputs.samples],
        "count": inputs.count,
        "seed": inputs.seed,
        **_lines(kind, inputs),
    }
    with open_output(output, made_with, config_text) as folder:
        if not folder.is_complete:
            rows = list(_rows(kind, inputs))
            if not rows:
                raise UserError(f"{kind}: these inputs give no rows")
            write_rows(FilePath(output) / derived_file(kind), rows)
            folder.commit()
            print(f"{kind}: {quantity(len(rows), 'row')}{_lacking(kind, inputs, len(rows))}")


def _lacking(kind: str, inputs: Inputs, rows: int) -> str:
    """Says that a control has fewer rows than RFT, with which it is compared at equal rows."""
    if kind not in CONTROLS:
        return ""
    wanted = len(inputs.references()) + inputs.kept_counts().total()
    if rows == wanted:
        return ""
    return f", {wanted - rows:,} fewer than RFT has: there are no more such responses"


def _check_inputs(kind: str, inputs: Inputs) -> None:
    """Refuses inputs that a kind does not read."""
    for one in fields(Inputs):
        is_given = getattr(inputs, one.name) != one.default
        if is_given and one.name not in (*_READ[kind], "seed", "arithmetic"):
            raise UserError(f"--{one.name} has no effect with --kind {kind}; leave it out")


def _lines(kind: str, inputs: Inputs) -> dict[str, Any]:
    """What decides text with calculations, beside its number of tokens and seed."""
    form = {"form": inputs.form} if kind in (ARITHMETIC, WORDS, WORDS_AND_ARITHMETIC) else {}
    return form | (asdict(inputs.arithmetic) if kind == ARITHMETIC else {})


def _identity(spec: str) -> str:
    return problems_identity(spec) if spec else ""


def _rows(kind: str, inputs: Inputs) -> Iterable[dict[str, Any]]:
    if kind in CONTROLS:
        form = inputs.sampled_form() if kind in OF_SAMPLES else FORMS[0]
        return _path_rows(inputs, CONTROLS[kind](inputs), form)
    if kind in PROBLEMS:
        return map(to_row, _with_own_ids(kind, PROBLEMS[kind](inputs)))
    return TEXT[kind](inputs)


def _with_own_ids(kind: str, rows: Iterable[Problem]) -> Iterator[Problem]:
    """The problems; refuses an id that occurs twice, which no command would read."""
    seen = set()
    for one in rows:
        if one.id in seen:
            raise UserError(
                f"{kind}: two rows have the id {one.id!r}: --samples has two samples of one "
                "problem, model and number; name one folder of a model, or sample the other with a "
                "name of its own (rft sample --name)"
            )
        seen.add(one.id)
        yield one


def _path_rows(
    inputs: Inputs, chosen: Mapping[str, list[str]], form: str
) -> Iterator[dict[str, Any]]:
    """Each problem's reference solution, then the responses chosen for it, which have a form.

    Only the reference solutions that RFT has too: none that is only an answer.
    """
    references = inputs.references()
    for one in inputs.problem_list:
        if one.id in references:
            yield to_row(_path(one, one.answer, "human", one.form))
        for response in chosen[one.id]:
            is_copy = response == one.answer
            yield to_row(_path(one, response, "sampled", one.form if is_copy else form))


def _path(problem: Problem, response: str, origin: str, form: str) -> Path:
    equations = program_equations(response) if form == "program" else find_annotations(response)
    spelled = tuple(equation.replace(" ", "") for equation in equations)
    return Path(problem.id, problem.question, response, origin, (), spelled, form)
