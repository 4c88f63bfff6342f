"""What one problem adds to a tally."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from rft_jax.records import PROGRAM, VERDICTS, Problem
from rft_jax.rft.dedup import KEYS, content_key, equations_key
from rft_jax.rft.graded import Graded
from rft_jax.rft.problem import Selection, models_by_key
from rft_jax.rft.settings import CollectSettings
from rft_jax.rft.tally import Tally
from rft_jax.verify.answers import readers_of
from rft_jax.verify.grading import Grade

# Fewer samples say nothing about a reference.
_MIN_SUSPICIOUS_SAMPLES = 4
_LONGEST_PART = 60  # of Python, as it is named where it is unsupported


def count_problem(
    tally: Tally,
    graded: Sequence[Graded],
    solution: Graded,
    selection: Selection,
    settings: CollectSettings,
) -> None:
    """Adds one problem to a tally.

    Args:
      graded: all of its samples.
      solution: its reference solution.
    """
    tally.problems += 1
    tally.human += selection.has_solution
    tally.unsolved += not solution.row.is_solution
    _count_unread(tally, graded)
    sampled = [graded[number] for number in selection.samples if number >= 0]
    tally.kept[len(sampled)] += 1
    tally.new[sum(_content(one) != _content(solution) for one in sampled)] += 1
    models = {one.row.model for one in graded}
    for model in models if len(models) > 1 else ():
        mine = [one for one in graded if one.row.model == model]
        _count_samples(tally, (model,), mine, settings)
    _count_samples(tally, ("", *models) if len(models) == 1 else ("",), graded, settings)
    _count_programs(tally, [one.grade for one in graded if one.row.form == PROGRAM])
    tally.found_by.update(tuple(sorted(found)) for found in models_by_key(graded).values())


def _count_unread(tally: Tally, graded: Sequence[Graded]) -> None:
    """Which other readers find an answer in samples that give none; how many have no equation."""
    for row, grade, _ in graded:
        if grade.verdict == "no_answer":
            tally.readable.update(readers_of(row.response))
        elif grade.verdict == "correct" and not grade.equations:
            tally.unannotated += 1


def _content(path: Graded) -> tuple[str, str]:
    return content_key(path.grade.equations, path.row.response, path.row.form)


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
    is_bare = verdict == "no_answer" and not solution.row.is_solution
    if verdict != "correct" and not is_bare:
        detail = reason.detail if reason else VERDICTS[verdict].words
        row = {"id": problem.id, "reference": reference, "verdict": verdict, "detail": detail}
        tally.failing[number] = row


def _count_programs(tally: Tally, grades: Sequence[Grade]) -> None:
    for grade in grades:
        tally.programs["samples", ""] += 1
        if grade.verdict == "correct":
            tally.programs["correct", ""] += 1
            tally.programs["correct_exactly", ""] += grade.reason is None
        elif grade.verdict == "program_error" and grade.reason:
            tally.programs["errors", grade.reason.kind] += 1
        elif grade.verdict == "unsupported" and grade.reason:
            tally.programs["unsupported", grade.reason.detail[:_LONGEST_PART]] += 1


def _count_samples(
    tally: Tally, names: Sequence[str], graded: Sequence[Graded], settings: CollectSettings
) -> None:
    """Counts samples of a problem under each of the model names."""
    verdicts = Counter([one.grade.verdict for one in graded])
    undecided = sum(verdicts[name] for name in verdicts if VERDICTS[name].answer_correct is None)
    correct = [one for one in graded if one.grade.verdict == "correct"]
    n = len(graded) - undecided
    levels = level_counts(correct, settings)
    counts = {name: Counter(keys.values()) for name, keys in levels.items()}
    for name in names:
        tally.samples[name] += len(graded)
        tally.correct[name, n, len(correct)] += 1
        for verdict, number in verdicts.items():
            tally.verdicts[name, verdict] += number
        for level, times in counts.items():
            for count, keys in times.items():
                tally.distinct[level, name, n, count] += keys


def level_counts(correct: Sequence[Graded], settings: CollectSettings) -> dict[str, Counter[str]]:
    """For each dedup level, how many of the correct samples have each key."""
    own = [one.key for one in correct]
    known = settings.dedup == "equations"
    keys = own if known else [equations_key(one.grade.equations) for one in correct]
    counts = {
        "exact_text": Counter([one.row.response for one in correct]),
        "equations": Counter(keys),
    }
    distinct = dict(zip(keys, correct, strict=True))
    for level in settings.levels:
        if level == settings.dedup:
            counts[level] = Counter(own)
        elif level not in counts:
            coarser = counts[level] = Counter()
            for key, count in counts["equations"].items():
                one = distinct[key]
                coarser[KEYS[level](one.row, one.grade.equations)] += count
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
