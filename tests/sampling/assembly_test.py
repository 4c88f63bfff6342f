"""Assembling requests: where samples end, in which order they come, what is counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rft_jax.sampling.assembly import Assembler
from rft_jax.sampling.requests import Counters
from rft_jax.sampling.stops import StopStrings
from rft_jax.sampling.tasks import Task, split_request
from tests.sampling.tiny import requests

EOS = (1,)


def _letters(tokens: Sequence[int]) -> str:
    return "".join(chr(96 + token) for token in tokens)


def _rows(*tokens: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """One task's samples as a refill collects them: 5 columns, padded with -1."""
    padded = [one + [-1] * (5 - len(one)) for one in tokens]
    array = np.array([padded], np.int32)
    return array, -0.5 * array.astype(np.float32)


def _assemble(stops: StopStrings | None, *tokens: list[int]) -> list[tuple[list[int], bool]]:
    (request,) = requests(1, num_samples=len(tokens))
    (finished,) = Assembler(EOS, stops, Counters()).add(
        [Task(request, 0, len(tokens))], *_rows(*tokens)
    )
    assert all(len(one.logprobs) == len(one.tokens) for one in finished[1])
    return [(one.tokens.tolist(), one.stopped) for one in finished[1]]


def test_a_sample_stopped_at_its_end_token_or_was_cut_by_its_length() -> None:
    assert _assemble(None, [3, 4, 1], [3, 4, 5, 6, 7], [1]) == [
        ([3, 4, 1], True),
        ([3, 4, 5, 6, 7], False),
        ([1], True),
    ]


def test_a_sample_ends_with_the_token_that_completes_a_stop_string() -> None:
    stops = StopStrings(_letters, ("cd", "g"))
    assert _assemble(stops, [2, 3, 4, 5, 6], [7], [3, 5, 4, 1], [3, 5, 4, 3, 4]) == [
        ([2, 3, 4], True),
        ([7], True),
        ([3, 5, 4, 1], True),
        ([3, 5, 4, 3, 4], True),
    ]
    assert _assemble(stops, [3, 5, 4, 3, 5]) == [([3, 5, 4, 3, 5], False)]


def test_a_request_is_finished_with_its_last_task_and_its_samples_are_in_order() -> None:
    counters = Counters()
    assembler = Assembler(EOS, None, counters)
    first, second = requests(2, num_samples=3)
    tasks = {name: list(split_request(r, 2)) for name, r in (("a", first), ("b", second))}

    def add(*batch: tuple[Task | None, list[list[int]]]) -> list[tuple[int, list[int]]]:
        rows = [_rows(*tokens, *([[]] * (2 - len(tokens)))) for _, tokens in batch]
        arrays = (np.concatenate(part) for part in zip(*rows, strict=True))
        finished = list(assembler.add([task for task, _ in batch], *arrays))
        return [(r.index, [one.tokens[0] for one in samples]) for r, samples in finished]

    assert add((tasks["a"][1], [[12, 1]]), (None, [])) == []
    assert add((tasks["b"][0], [[20, 1], [21, 1]])) == []
    assert counters == Counters()
    assert add((tasks["b"][1], [[22, 1]]), (tasks["a"][0], [[10, 5, 1], [11, 1]])) == [
        (1, [20, 21, 22]),
        (0, [10, 11, 12]),
    ]
    assert counters == Counters(requests=2, samples=6, tokens=13)
