"""What prompts begin with together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rft_jax.sampling.prompt_tokens import common_start

START = list(range(20))


@given(st.lists(st.none() | st.lists(st.integers(0, 1), min_size=1, max_size=4), max_size=5))
def test_the_common_start_is_what_all_prompts_begin_with(ends: list[list[int] | None]) -> None:
    prompts = [None if end is None else START + end for end in ends]
    known = [prompt for prompt in prompts if prompt is not None]
    alike = 0
    while known and len({tuple(prompt[: alike + 1]) for prompt in known}) == 1 and alike < 24:
        alike += 1
    longest = min(map(len, known)) - 2 if known else 0
    assert common_start(prompts) == min(alike, longest)


def test_every_prompt_keeps_two_tokens_of_its_own() -> None:
    assert common_start([START, START]) == 18


def test_a_few_tokens_are_not_worth_it() -> None:
    assert common_start([[1, 2, 3, 4], [1, 2, 3, 5]]) == 0
