"""Errors on embedded problems, decomposed by the stories' expression trees.

Every problem that is not solved has one kind of error:

- `plan`: the response works out another tree than the story's;
- `arithmetic`: the text's equations come to the story's value when each is worked out exactly, so
  the tree is the right one and a value is incorrect;
- `no_answer`: the response gives no answer.

A program's values are exact, so its errors are of the first and the last kind. For an answer that
is a name, both people's amounts must be those of the tree.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rft_jax.derive.stories import stories_of
from rft_jax.files.jsonl import read_rows
from rft_jax.files.names import PREDICTIONS_FILE, SAMPLES_FOLDER, TEXTS_FOLDER
from rft_jax.pipeline.stages import Stage
from rft_jax.records import read_problems, read_samples
from rft_jax.verify.plans import plan_values
from rft_jax.wordproblems.expressions import Number, Tree, Winner

KINDS = ("plan", "arithmetic", "no_answer")


@dataclass(frozen=True)
class ErrorShare:
    """The share of the problems whose greedy answer has an error of the kind.

    Attributes:
      stage: an evaluation of embedded problems.
      kind: one of `KINDS`.
    """

    stage: Stage
    kind: str

    def read(self, root: Path) -> float:
        """The share, from the evaluation's output in a run's folder."""
        problems = root / str(self.stage.arguments["--problems"].resolve(root))
        return error_shares(root / self.stage.folder, problems)[self.kind]


@lru_cache(maxsize=64)
def error_shares(folder: Path, problems: Path) -> dict[str, float]:
    """Each kind's share of the decided problems of an evaluation.

    Args:
      folder: an output of `rft evaluate` with one sample per problem.
      problems: the file of its problems.

    Raises:
      UserError: a problem is not one of the embedded problems.
    """
    rows = [row for _, row in read_rows(folder / PREDICTIONS_FILE)]
    decided = [row for row in rows if row["correct"][0] is not None]
    wrong = {row["id"]: row for row in decided if not row["correct"][0]}
    stories = stories_of([one for one in read_problems(problems) if one.id in wrong])
    texts = _texts(folder / SAMPLES_FOLDER)
    if any(_fell_back(row) for row in wrong.values()):
        fallback = _texts(folder / TEXTS_FOLDER)
        texts |= {name: fallback[name] for name, row in wrong.items() if _fell_back(row)}
    kinds = Counter(
        error_kind(story.tree, wrong[problem.id], texts[problem.id]) for problem, story in stories
    )
    return {kind: kinds[kind] / max(1, len(decided)) for kind in KINDS}


def error_kind(tree: Tree, row: dict[str, Any], text: str) -> str:
    """The kind of error of one incorrect response.

    Args:
      tree: the story's.
      row: of `predictions.jsonl`.
      text: the response that gave the answer.
    """
    if row["answers"][0] is None:
        return "no_answer"
    is_program = row.get("programs", [None])[0] is not None and not _fell_back(row)
    if is_program or not has_plan_of(tree, text):
        return "plan"
    return "arithmetic"


def has_plan_of(tree: Tree, text: str) -> bool:
    """Whether the text's equations come to the tree's value when each is worked out exactly."""
    values = plan_values(text)
    if not isinstance(tree, Winner):
        return bool(values) and tree.value in values[-1]
    amounts = [node for _, node in tree.people if not isinstance(node, Number)]
    return all(any(node.value in found for found in values) for node in amounts)


def _fell_back(row: dict[str, Any]) -> bool:
    """Whether hybrid decoding took the text's answer."""
    return row.get("fell_back", [False])[0]


def _texts(folder: Path) -> dict[str, str]:
    """Problem id -> its response."""
    return {sample.id: sample.response for _, sample in read_samples(folder)}
