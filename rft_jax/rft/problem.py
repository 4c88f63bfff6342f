"""Everything that is decided about one problem, from its samples alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import NamedTuple

from rft_jax.records import Problem
from rft_jax.rft.dedup import RUNGS, coarser_key, dedup_key, equations_key
from rft_jax.rft.judge import Judge, Judgement
from rft_jax.rft.rows import Row
from rft_jax.rft.select import SELECTORS, Candidate
from rft_jax.rft.settings import CollectSettings
from rft_jax.rft.tally import Tally
from rft_jax.verify.answers import answer_value

_AGREES = ("correct", "malformed_equation", "wrong_equation")
# Fewer samples say nothing about a reference.
_MIN_SUSPICIOUS_SAMPLES = 4


class Judged(NamedTuple):
    """A sample, what was decided about it, and its dedup key."""

    row: Row
    judgement: Judgement
    key: str


@dataclass
class Kept:
    """The kept paths of a problem, in order of their keys' first appearance."""

    candidates: list[Candidate] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)  # index of each kept sample, -1 for the human
    keys: dict[str, int] = field(default_factory=dict)


def resolve_problem(
    problem: Problem,
    reference: str,
    rows: Sequence[Row],
    judge: Judge,
    settings: CollectSettings,
) -> tuple[list[Judged], Kept]:
    """Judges a problem's samples and keeps the distinct right ones.

    Args:
      reference: the problem's final answer.
      rows: its samples, in the order that counts.
    """
    verdict = judge.for_reference(reference)
    judged = []
    for row in rows:
        judgement = verdict(row.response, row.finish_reason)
        name = f"{row.model}/{row.sample}"
        key = dedup_key(settings.dedup, row.response, judgement.equations, name)
        judged.append(Judged(row, judgement, key))
    return judged, _keep(problem, judged, judge, settings)


def _keep(
    problem: Problem, judged: Sequence[Judged], judge: Judge, settings: CollectSettings
) -> Kept:
    kept = Kept()
    if settings.count_human:
        equations = judge.equations(problem.answer)
        kept.keys[dedup_key(settings.dedup, problem.answer, equations, "human")] = 0
        kept.candidates.append(Candidate(problem.answer, None))
        kept.samples.append(-1)
    selector = SELECTORS[settings.select]()
    for index, (row, judgement, key) in enumerate(judged):
        if judgement.verdict != "correct":
            continue
        if not judgement.equations and not settings.keep_unannotated:
            continue
        candidate = Candidate(row.response, row.logprob)
        place = kept.keys.setdefault(key, len(kept.candidates))
        if place == len(kept.candidates):
            kept.candidates.append(candidate)
            kept.samples.append(index)
        elif kept.samples[place] >= 0 and selector.replaces(candidate, place, kept.candidates):
            kept.candidates[place] = candidate
            kept.samples[place] = index
    return kept


def ledger_lines(problem: Problem, judged: Sequence[Judged], kept: Kept) -> str:
    """The problem's rows of `ledger.jsonl`."""
    chosen = set(kept.samples)
    head = f'{{"id": {encode_basestring(problem.id)}, "sample": '
    return "".join(
        f'{head}{row.sample}, "model": {encode_basestring(row.model)}, '
        f'"verdict": "{judgement.verdict}", "key": {encode_basestring(key)}, '
        f'"kept": {"true" if index in chosen else "false"}}}\n'
        for index, (row, judgement, key) in enumerate(judged)
    )


def path_lines(problem: Problem, judged: Sequence[Judged], kept: Kept, judge: Judge) -> str:
    """The problem's rows of `paths.jsonl`: the human path, then the kept ones."""
    finders: dict[str, dict[str, None]] = defaultdict(dict)
    for row, judgement, key in judged:
        if judgement.verdict == "correct":
            finders[key].setdefault(row.model)
    human_key = next((key for key, place in kept.keys.items() if kept.samples[place] < 0), None)
    lines = [
        _path_line(
            problem,
            problem.answer,
            "human",
            list(finders.get(human_key, ())) if human_key is not None else [],
            judge.equations(problem.answer),
        )
    ]
    for index in kept.samples:
        if index >= 0:
            row, judgement, key = judged[index]
            lines.append(
                _path_line(
                    problem, row.response, "sampled", list(finders[key]), judgement.equations
                )
            )
    return "".join(lines)


def _path_line(
    problem: Problem, response: str, origin: str, models: list[str], equations: list[str]
) -> str:
    return (
        f'{{"id": {encode_basestring(problem.id)}, "query": {encode_basestring(problem.question)}, '
        f'"response": {encode_basestring(response)}, "origin": "{origin}", '
        f'"models": [{", ".join(map(encode_basestring, models))}], '
        f'"equations": [{", ".join(map(encode_basestring, equations))}]}}\n'
    )


def count_problem(
    tally: Tally,
    place: int,
    problem: Problem,
    reference: str,
    judged: Sequence[Judged],
    kept: Kept,
    settings: CollectSettings,
) -> None:
    """Adds a problem to a tally."""
    tally.problems += 1
    tally.kept[sum(index >= 0 for index in kept.samples)] += 1
    by_model: dict[str, list[Judged]] = defaultdict(list)
    for item in judged:
        by_model[item.row.model].append(item)
    if len(by_model) != 1:
        _count_samples(tally, "", judged)
    for model, items in by_model.items():
        _count_samples(tally, model, items)
    if len(by_model) == 1:
        _count_samples(tally, "", judged)
    finders: dict[str, set[str]] = defaultdict(set)
    for row, judgement, key in judged:
        if judgement.verdict == "correct":
            finders[key].add(row.model)
    tally.found_by.update(tuple(sorted(models)) for models in finders.values())
    suspicion = _suspicion(judged, reference, settings.suspicious_share)
    if suspicion:
        tally.suspicious[place] = {"id": problem.id, **suspicion}


def _count_samples(tally: Tally, model: str, judged: Sequence[Judged]) -> None:
    n = len(judged)
    tally.samples[model] += n
    for item in judged:
        tally.verdicts[model, item.judgement.verdict] += 1
    right = [item for item in judged if item.judgement.verdict == "correct"]
    tally.correct[model, n, len(right)] += 1
    for rung, counts in rung_counts(right).items():
        for count in counts.values():
            tally.distinct[rung, model, n, count] += 1


def rung_counts(right: Sequence[Judged]) -> dict[str, Counter[str]]:
    """For each rung of the dedup ladder, how many of the right samples have each key."""
    texts = Counter(item.row.response for item in right)
    equations = {item.row.response: item.judgement.equations for item in right}
    counts: dict[str, Counter[str]] = {rung: Counter() for rung in RUNGS}
    counts["exact_text"] = texts
    lists: dict[str, list[str]] = {}
    for text, count in texts.items():
        key = equations_key(equations[text])
        lists[key] = equations[text]
        counts["equations"][key] += count
    for key, count in counts["equations"].items():
        for rung in ("canonical", "unordered"):
            counts[rung][coarser_key(rung, lists[key])] += count
    return counts


def _suspicion(
    judged: Sequence[Judged], reference: str, share: float
) -> dict[str, str | int] | None:
    """The answer most samples agree on where none agrees with the reference."""
    if len(judged) < _MIN_SUSPICIOUS_SAMPLES:
        return None
    if any(item.judgement.verdict in _AGREES for item in judged):
        return None
    answers = Counter(i.judgement.answer for i in judged if i.judgement.answer is not None)
    votes: Counter = Counter()
    spelling: dict = {}
    for answer, count in answers.items():
        value = answer_value(answer)
        votes[value] += count
        spelling.setdefault(value, answer)
    if not votes:
        return None
    value, count = votes.most_common(1)[0]
    if count < share * len(judged):
        return None
    return {
        "reference": reference,
        "answer": spelling[value],
        "votes": count,
        "samples": len(judged),
    }
