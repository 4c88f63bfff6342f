"""From counts to `stats.json`: exact expectations over subsets of the samples."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from rft_jax.estimators import pass_at_k
from rft_jax.records import VERDICTS
from rft_jax.rft.settings import CollectSettings
from rft_jax.rft.tally import Tally
from rft_jax.verify.answers import UNREAD

_SHOWN_REFERENCES = 100
_SHOWN_KINDS = 20
PairCounts = Mapping[tuple[int, int], int]


def expected_at_k(counts: PairCounts, problems: int, k: int) -> float:
    """The expected number of things found by k samples of a problem, over all k-subsets.

    Args:
      counts: (n, c) -> how many things (keys, or problems solved) c of n samples had; n at least 1.
      problems: to average over.
      k: samples of a problem; where there are fewer, all of them are used.
    """
    if not problems:
        return 0.0
    found = (
        things * pass_at_k(count, n, min(k, n)) for (n, count), things in sorted(counts.items())
    )
    return sum(found) / problems


def ks_up_to(n: int) -> list[int]:
    """1, 2, 4, … below n, and n."""
    return sorted({2**i for i in range(n.bit_length()) if 2**i <= n} | {n}) if n else []


def statistics_bytes(tally: Tally, settings: CollectSettings) -> bytes:
    """`stats.json`, encoded; a lone surrogate of an answer becomes its escape."""
    text = json.dumps(statistics(tally, settings), ensure_ascii=False, indent=2) + "\n"
    return text.encode("utf-8", "backslashreplace")


def statistics(tally: Tally, settings: CollectSettings) -> dict[str, Any]:
    """The content of `stats.json`."""
    models = sorted(model for model in tally.samples if model)
    total = _model_statistics(tally, "", settings.levels)
    kept, new = tally.num_kept, tally.num_new
    return {
        "problems": tally.problems,
        "paths": {
            "human": tally.human,
            "sampled": kept,
            "sampled_per_problem": kept / tally.problems if tally.problems else 0.0,
            "problems_by_sampled": _histogram(tally.kept),
            "new": new,
            "new_per_problem": new / tally.problems if tally.problems else 0.0,
            "copies_of_reference": kept - new,
        },
        **total,
        "models": {
            model: {
                **_model_statistics(tally, model, settings.levels),
                **_shares(tally.found_by, model),
            }
            for model in models
        },
        "overlaps": [_overlap(tally.found_by, a, b) for a, b in combinations(models, 2)],
        "references": {verdict: tally.references[verdict] for verdict in VERDICTS},
        "failing_references": [row for _, row in sorted(tally.failing.items())][:_SHOWN_REFERENCES],
        "suspicious_references": [row for _, row in sorted(tally.suspicious.items())],
        **({"readable": found} if (found := readable(tally)) else {}),
        **({"programs": _programs(tally.programs)} if tally.programs else {}),
        **({"contamination": _contamination(tally, settings)} if settings.decontaminate else {}),
    }


def is_unread(tally: Tally) -> bool:
    """Whether most samples give no answer."""
    return tally.verdicts["", "no_answer"] > UNREAD * tally.samples[""]


def readable(tally: Tally) -> dict[str, float]:
    """Where most samples give no answer: the share of these that each other reader reads."""
    if not is_unread(tally):
        return {}
    found = sorted((-number, reader) for reader, number in tally.readable.items())
    return {reader: -number / tally.verdicts["", "no_answer"] for number, reader in found}


def _programs(counts: Counter[tuple[str, str]]) -> dict[str, Any]:
    """Of the samples that are programs: correct ones, without and with rounding, and errors."""
    return {
        **{name: counts[name, ""] for name in ("samples", "correct", "correct_exactly")},
        "errors": _most_frequent(counts, "errors"),
        "unsupported": _most_frequent(counts, "unsupported"),
    }


def _most_frequent(counts: Counter[tuple[str, str]], name: str) -> dict[str, int]:
    found = [(-number, what) for (kind, what), number in counts.items() if kind == name]
    return {what: -number for number, what in sorted(found)[:_SHOWN_KINDS]}


def _contamination(tally: Tally, settings: CollectSettings) -> dict[str, Any]:
    return {
        "with": settings.decontaminate,
        "removed_ngram": settings.remove_ngram,
        "overlaps": {
            f"{n}-gram": {
                kind: tally.overlaps[kind, n] for kind in ("question", "human", "sampled")
            }
            for n in settings.ngrams
        },
        "rows": [row for _, rows in sorted(tally.contaminated.items()) for row in rows],
    }


def _model_statistics(tally: Tally, model: str, levels: Sequence[str]) -> dict[str, Any]:
    correct = {pair: problems for pair, problems in _pairs(tally.correct, model).items() if pair[0]}
    problems = sum(correct.values())
    ks = ks_up_to(max((n for n, _ in correct), default=0))
    by_count: Counter[int] = Counter()
    for (_, count), number in correct.items():
        by_count[count] += number
    return {
        "sampled_problems": problems,
        "samples": tally.samples[model],
        "verdicts": {verdict: tally.verdicts[model, verdict] for verdict in VERDICTS},
        "solved": sum(number for count, number in by_count.items() if count),
        "problems_by_correct": _histogram(by_count),
        "pass@k": _curve(correct, problems, ks),
        "distinct@k": {
            level: _curve(_pairs(tally.distinct, level, model), problems, ks) for level in levels
        },
    }


def _pairs(counts: Mapping[tuple, int], *front: str) -> dict[tuple[int, int], int]:
    """The (n, c) counts whose keys begin with `front`."""
    size = len(front)
    return {key[size:]: value for key, value in counts.items() if key[:size] == front}


def _curve(counts: PairCounts, problems: int, ks: Iterable[int]) -> list[dict[str, float]]:
    return [{"k": k, "value": expected_at_k(counts, problems, k)} for k in ks]


def _histogram(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(value): counts[value] for value in sorted(counts)}


def _shares(found_by: Mapping[tuple[str, ...], int], model: str) -> dict[str, int]:
    """How many keys a model found, and how many no other model did."""
    return {
        "distinct": sum(keys for finders, keys in found_by.items() if model in finders),
        "distinct_alone": found_by.get((model,), 0),
    }


def _overlap(found_by: Mapping[tuple[str, ...], int], a: str, b: str) -> dict[str, Any]:
    both = sum(keys for finders, keys in found_by.items() if a in finders and b in finders)
    either = sum(keys for finders, keys in found_by.items() if a in finders or b in finders)
    return {"models": [a, b], "both": both, "either": either}
