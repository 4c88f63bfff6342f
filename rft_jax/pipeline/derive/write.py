"""`rft derive`: the kinds by name, and the file that each writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from rft_jax.errors import UserError
from rft_jax.identity import input_identity
from rft_jax.jsonl import write_rows
from rft_jax.outputs import open_output
from rft_jax.pipeline.derive.controls import human_paths, most_likely_samples, random_samples
from rft_jax.pipeline.derive.inputs import Inputs
from rft_jax.pipeline.derive.oracle import oracle_paths
from rft_jax.records import Path, to_row
from rft_jax.verify.equations import find_annotations

Responses = Mapping[str, list[str]]
CONTROLS: dict[str, Callable[[Inputs], Responses]] = {
    "oracle": oracle_paths,
    "most_likely": most_likely_samples,
    "random": random_samples,
    "human": human_paths,
}
KINDS = (*CONTROLS,)
PATHS = "paths.jsonl"


def write_derived(kind: str, inputs: Inputs, output: str) -> None:
    """Writes the rows of a kind; does nothing in a finished folder.

    Raises:
      UserError: no such kind, or an input that it needs is missing or bad.
    """
    if kind not in KINDS:
        raise UserError(f"kind {kind!r}; there are {', '.join(KINDS)}")
    made_with = {
        "command": "derive",
        "kind": kind,
        "problems": input_identity(inputs.problems),
        "collected": inputs.collected and input_identity(inputs.collected),
        "samples": [input_identity(folder) for folder in inputs.samples],
        "count": inputs.count,
        "seed": inputs.seed,
    }
    with open_output(output, made_with) as folder:
        if not folder.is_complete:
            rows = list(_path_rows(inputs, CONTROLS[kind](inputs)))
            write_rows(FilePath(output) / PATHS, rows)
            folder.commit()
            print(f"{kind}: {len(rows):,} rows for {len(inputs.asked):,} problems")


def _path_rows(inputs: Inputs, chosen: Responses) -> Iterator[dict[str, Any]]:
    """Each problem's human path, then what was chosen for it."""
    for problem in inputs.asked:
        responses = [("human", problem.answer), *(("sampled", r) for r in chosen[problem.id])]
        for origin, response in responses:
            equations = tuple(e.replace(" ", "") for e in find_annotations(response))
            yield to_row(Path(problem.id, problem.question, response, origin, (), equations))
