"""How many incorrect responses calculate with a number that they were not given.

Of the greedy responses without a correct answer, over all seeds: the share in which a number of two
or more digits is neither in the question nor, in a text, the result of an earlier calculation.

  python docs/results/programs/miscopied.py runs/experiments
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rft_jax.files.jsonl import read_rows
from rft_jax.records import read_problems, read_samples
from rft_jax.verify.equations import find_annotations

CONDITIONS = ("rft_text", "rft_text_large", "rft_programs", "rft_programs_large")
_NUMBER = re.compile(r"\d{2,}")


def is_miscopied(question: str, response: str, is_program: bool) -> bool:
    """Whether the response calculates with a number that is not given."""
    known = set(_NUMBER.findall(question))
    if is_program:
        return bool(set(_NUMBER.findall(re.sub("#.*", "", response))) - known)
    for equation in find_annotations(response):
        left, _, right = equation.partition("=")
        if set(_NUMBER.findall(left)) - known:
            return True
        known.update(_NUMBER.findall(right))
    return False


def main(run: Path) -> None:
    """Prints a line per condition."""
    questions = {
        one.id: one.question
        for file in (run / "problems").glob("*.jsonl")
        for one in read_problems(str(file))
    }
    for condition in CONDITIONS:
        incorrect = miscopied = 0
        for folder in (run / "stages").glob(f"{condition}-[0-9]-evaluate-*/"):
            correct = {
                row["id"]: row["correct"][0] for _, row in read_rows(folder / "predictions.jsonl")
            }
            for _, one in read_samples(folder / "samples"):
                if not correct[one.id]:
                    incorrect += 1
                    is_program = "programs" in condition
                    miscopied += is_miscopied(questions[one.id], one.response, is_program)
        print(f"{condition}: {miscopied:,} of {incorrect:,} ({miscopied / incorrect:.1%})")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
