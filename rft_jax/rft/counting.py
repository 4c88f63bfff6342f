"""What one problem adds to a tally."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from rft_jax.records import VERDICTS, Problem
from rft_jax.rft.dedup import DEDUP_LEVELS, coarser_key, equations_key
from rft_jax.rft.graded import Graded
from rft_jax.rft.problem import Selection, models_by_key
from rft_jax.rft.tally import Tally

# Fewer samples say nothing about a reference.
_MIN_SUSPICIOUS_SAMPLES = 4


def count_problem(tally: Tally, graded: Sequence[Graded], selection: Selection, dedup: str) -> None:
    """Adds one problem to a tally.

    Args:
      graded: all of its samples.
      dedup: the level whose keys the samples have.
    """
    tally.problems += 1
    tally.human += selection.has_solution
    tally.kept[sum(number >= 0 for number in selection.samples)] += 1
    models = {one.row.model for one in graded}
    for model in models if len(models) > 1 else ():
        mine = [one for one in graded if one.row.model == model]
        _count_samples(tally, (model,), mine, dedup)
    _count_samples(tally, ("", *models) if len(models) == 1 else ("",), graded, dedup)
    tally.found_by.update(tuple(sorted(found)) for found in models_by_key(graded).values())


def count_reference(
    tally: Tally, number: int, problem: Problem, reference: str, solution: Graded
) -> None:
    """Adds the verdict on a problem's reference solution, graded as if it were a sample.

    Args:
      number: index of the problem.
      reference: its final answer.
    """
    verdict, reason = solution.grade.verdict, solution.grade.reason
    tally.references[verdict] += 1
    if verdict != "correct":
        detail = reason.detail if reason else VERDICTS[verdict].words
        row = {"id": problem.id, "reference": reference, "verdict": verdict, "detail": detail}
        tally.failing[number] = row


def _count_samples(
    tally: Tally, names: Sequence[str], graded: Sequence[Graded], dedup: str
) -> None:
    """Counts samples of a problem under each of the model names."""
    verdicts = Counter([one.grade.verdict for one in graded])
    undecided = sum(verdicts[name] for name in verdicts if VERDICTS[name].answer_correct is None)
    correct = [one for one in graded if one.grade.verdict == "correct"]
    n = len(graded) - undecided
    counts = {name: Counter(keys.values()) for name, keys in level_counts(correct, dedup).items()}
    for name in names:
        tally.samples[name] += len(graded)
        tally.correct[name, n, len(correct)] += 1
        for verdict, number in verdicts.items():
            tally.verdicts[name, verdict] += number
        for level, times in counts.items():
            for count, keys in times.items():
                tally.distinct[level, name, n, count] += keys


def level_counts(correct: Sequence[Graded], dedup: str) -> dict[str, Counter[str]]:
    """For each dedup level, how many of the correct samples have each key.

    Args:
      dedup: the level whose keys the samples have.
    """
    lists = [one.grade.equations for one in correct]
    keys = [one.key for one in correct] if dedup == "equations" else list(map(equations_key, lists))
    counts = {
        "exact_text": Counter([one.row.response for one in correct]),
        "equations": Counter(keys),
    }
    distinct = dict(zip(keys, lists, strict=True))
    for level in DEDUP_LEVELS[2:]:
        coarser = counts[level] = Counter()
        for key, count in counts["equations"].items():
            coarser[coarser_key(level, distinct[key])] += count
    return counts


def suspicion(
    graded: Sequence[Graded], reference: str, share: float, value_of: Callable[[str], Hashable]
) -> dict[str, str | int] | None:
    """The answer most samples agree on where none agrees with the reference; None for none.

    Args:
      share: of the samples that have to agree with each other.
      value_of: what equal answers have in common.
    """
    if len(graded) < _MIN_SUSPICIOUS_SAMPLES:
        return None
    if any(VERDICTS[one.grade.verdict].answer_correct is not False for one in graded):
        return None
    answers = Counter(one.grade.answer for one in graded if one.grade.answer is not None)
    votes: Counter[Hashable] = Counter()
    spelling: dict[Hashable, str] = {}
    for answer, count in answers.items():
        value = value_of(answer)
        votes[value] += count
        spelling.setdefault(value, answer)
    if not votes:
        return None
    value, count = votes.most_common(1)[0]
    if count < share * len(graded):
        return None
    return {
        "reference": reference,
        "answer": spelling[value],
        "votes": count,
        "samples": len(graded),
    }
