"""Tasks: requests cut to what a group takes at a time, and their arrays."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rft_jax.sampling.tasks import Task, pack, split_request
from tests.sampling.tiny import requests


@given(count=st.integers(1, 50), size=st.integers(1, 20), first=st.integers(0, 9))
def test_a_requests_tasks_cover_its_samples_once_in_order(
    count: int, size: int, first: int
) -> None:
    (request,) = requests(1, num_samples=count)
    tasks = list(split_request(replace(request, first=first), size))
    samples = [sample for t in tasks for sample in range(t.first, t.first + t.count)]
    assert samples == list(range(first, first + count))
    assert max(task.count for task in tasks) <= size


def test_packed_prompts_have_neither_their_last_token_nor_what_is_common() -> None:
    (request,) = requests(1)
    request = replace(request, prompt=[20, 21, 9, 8, 7])
    packed = pack([None, Task(request, 3, 2)], bucket=4, common=2)
    assert packed.prompts.tolist() == [[0, 0, 0, 0], [9, 8, 0, 0]]
    assert packed.prompt_lengths.tolist() == [0, 2]
    assert packed.last_tokens.tolist() == [0, 7]
    assert packed.keys.tolist() == [[0, 0], request.key.tolist()]
    assert (packed.first.tolist(), packed.count.tolist()) == ([0, 3], [0, 2])
