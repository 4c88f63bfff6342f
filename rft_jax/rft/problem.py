"""Everything that is decided about one problem, from its samples alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring

from rft_jax.records import Problem
from rft_jax.rft.decontaminate import NOTHING, Exclusion
from rft_jax.rft.dedup import RUNGS, coarser_key, equations_key
from rft_jax.rft.judge import Judge, Judged
from rft_jax.rft.rows import Row
from rft_jax.rft.select import SELECTORS
from rft_jax.rft.settings import CollectSettings
from rft_jax.rft.tally import Tally
from rft_jax.verify.answers import answer_value

_AGREES = ("correct", "malformed_equation", "wrong_equation")
# Fewer samples say nothing about a reference.
_MIN_SUSPICIOUS_SAMPLES = 4


@dataclass
class Kept:
    """The kept paths of a problem, in order of their keys' first appearance.

    Attributes:
      rows: their samples; the human path, where it counts, stands among them in folder -1.
      samples: the index of each among the problem's samples, -1 for the human path.
      places: key -> place in the two lists.
      human: whether the human path is written.
    """

    rows: list[Row] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    human: bool = True


def keep_distinct(
    problem: Problem,
    judged: Sequence[Judged],
    judge: Judge,
    settings: CollectSettings,
    excluded: Exclusion = NOTHING,
) -> Kept:
    """Keeps one of the right samples for each key."""
    kept = Kept(human=not (excluded.question or excluded.human))
    if settings.count_human and kept.human:
        human = Row(-1, -1, "", problem.answer, "stop", None)
        kept.places[judge.key(human, judge.equations(problem.answer))] = 0
        kept.rows.append(human)
        kept.samples.append(-1)
    selector = SELECTORS[settings.select]()
    for index, (row, verdict, _, equations, key) in enumerate(judged):
        if verdict != "correct" or not (equations or settings.keep_unannotated):
            continue
        if excluded is not NOTHING and (excluded.question or row.response in excluded.texts):
            continue
        place = kept.places.setdefault(key, len(kept.rows))
        if place == len(kept.rows):
            kept.rows.append(row)
            kept.samples.append(index)
        elif kept.samples[place] >= 0 and selector.replaces(row, place, kept.rows):
            kept.rows[place] = row
            kept.samples[place] = index
    return kept


def ledger_lines(problem: Problem, judged: Sequence[Judged], kept: Kept) -> str:
    """The problem's rows of `ledger.jsonl`."""
    head = f'{{"id": {encode_basestring(problem.id)}, "sample": '
    chosen = set(kept.samples)
    return "".join(
        [
            f'{head}{row.sample}, "model": {encode_basestring(row.model)}, "verdict": "{verdict}", '
            f'"key": {encode_basestring(key)}, "kept": {"true" if index in chosen else "false"}}}\n'
            for index, (row, verdict, _, _, key) in enumerate(judged)
        ]
    )


def path_lines(problem: Problem, judged: Sequence[Judged], kept: Kept, judge: Judge) -> str:
    """The problem's rows of `paths.jsonl`: the human path, then the kept ones."""
    finders = find_models(judged)
    lines = []
    if kept.human:
        key = next((key for key, place in kept.places.items() if kept.samples[place] < 0), None)
        models = () if key is None else finders.get(key, ())
        equations = judge.equations(problem.answer)
        lines.append(_path_line(problem, problem.answer, "human", models, equations))
    for index in kept.samples:
        if index >= 0:
            row, _, _, equations, key = judged[index]
            lines.append(_path_line(problem, row.response, "sampled", finders[key], equations))
    return "".join(lines)


def _path_line(
    problem: Problem, response: str, origin: str, models: Iterable[str], equations: list[str]
) -> str:
    return (
        f'{{"id": {encode_basestring(problem.id)}, "query": {encode_basestring(problem.question)}, '
        f'"response": {encode_basestring(response)}, "origin": "{origin}", '
        f'"models": [{", ".join(map(encode_basestring, models))}], '
        f'"equations": [{", ".join(map(encode_basestring, equations))}]}}\n'
    )


def find_models(judged: Sequence[Judged]) -> dict[str, dict[str, None]]:
    """For each key, the models that found it, in order."""
    finders: dict[str, dict[str, None]] = defaultdict(dict)
    for row, verdict, _, _, key in judged:
        if verdict == "correct":
            finders[key][row.model] = None
    return finders


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
    tally.human += kept.human
    tally.kept[sum(index >= 0 for index in kept.samples)] += 1
    models = {item.row.model for item in judged}
    dedup = settings.dedup
    for model in models if len(models) > 1 else ():
        mine = [item for item in judged if item.row.model == model]
        _count_samples(tally, (model,), mine, dedup)
    _count_samples(tally, ("", *models) if len(models) == 1 else ("",), judged, dedup)
    tally.found_by.update(tuple(sorted(found)) for found in find_models(judged).values())
    suspicion = _suspicion(judged, reference, settings.suspicious_share)
    if suspicion:
        tally.suspicious[place] = {"id": problem.id, **suspicion}


def _count_samples(
    tally: Tally, names: Sequence[str], judged: Sequence[Judged], dedup: str
) -> None:
    """Adds samples of a problem under each of the names."""
    n = len(judged)
    verdicts = Counter([item.verdict for item in judged])
    right = [item for item in judged if item.verdict == "correct"]
    counts = {rung: Counter(keys.values()) for rung, keys in rung_counts(right, dedup).items()}
    for name in names:
        tally.samples[name] += n
        tally.correct[name, n, len(right)] += 1
        for verdict, number in verdicts.items():
            tally.verdicts[name, verdict] += number
        for rung, times in counts.items():
            for count, keys in times.items():
                tally.distinct[rung, name, n, count] += keys


def rung_counts(right: Sequence[Judged], dedup: str) -> dict[str, Counter[str]]:
    """For each rung of the dedup ladder, how many of the right samples have each key.

    Args:
      dedup: the rung whose keys the samples have already.
    """
    lists = [item.equations for item in right]
    keys = [item.key for item in right] if dedup == "equations" else list(map(equations_key, lists))
    counts = {
        "exact_text": Counter([item.row.response for item in right]),
        "equations": Counter(keys),
    }
    distinct = dict(zip(keys, lists, strict=True))
    for rung in RUNGS[2:]:
        coarser = counts[rung] = Counter()
        for key, count in counts["equations"].items():
            coarser[coarser_key(rung, distinct[key])] += count
    return counts


def _suspicion(
    judged: Sequence[Judged], reference: str, share: float
) -> dict[str, str | int] | None:
    """The answer most samples agree on where none agrees with the reference."""
    if len(judged) < _MIN_SUSPICIOUS_SAMPLES:
        return None
    if any(item.verdict in _AGREES for item in judged):
        return None
    answers = Counter(item.answer for item in judged if item.answer is not None)
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
