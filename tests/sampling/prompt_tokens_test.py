"""Prompts as token ids, and what they all begin with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.sampling.prompt_tokens import common_start, encode_prompts

START = list(range(20))


@given(st.lists(st.none() | st.lists(st.integers(0, 1), min_size=1, max_size=4), max_size=5))
def test_the_common_start_is_what_all_prompts_begin_with(ends: list[list[int] | None]) -> None:
    prompts = [None if end is None else START + end for end in ends]
    kept = [prompt for prompt in prompts if prompt is not None]
    alike = 0
    while kept and len({tuple(prompt[: alike + 1]) for prompt in kept}) == 1 and alike < 24:
        alike += 1
    longest = min(map(len, kept)) - 2 if kept else 0
    assert common_start(prompts) == min(alike, longest)


def test_every_prompt_keeps_two_tokens_of_its_own() -> None:
    assert common_start([START, START]) == 18


def test_a_few_tokens_are_not_worth_it() -> None:
    assert common_start([[1, 2, 3, 4], [1, 2, 3, 5]]) == 0


class _Letters:
    """A tokenizer with a token per letter, and BOS 0 or none."""

    def __init__(self, bos_id: int | None) -> None:
        self.bos_id = bos_id

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [[ord(letter) - 96 for letter in text] for text in texts]


@pytest.mark.parametrize(
    ("bos", "over_long", "expected"),
    [
        (0, "skip", [[0, 1, 2], None, [0]]),
        (0, "cut", [[0, 1, 2], [0, 4, 5], [0]]),
        (None, "cut", [[1, 2], [3, 4, 5], [6]]),
    ],
)
def test_a_prompt_that_is_too_long_is_skipped_or_loses_its_first_tokens(
    bos: int | None, over_long: str, expected: list[list[int] | None]
) -> None:
    prompts = ["ab", "abcde", "" if bos == 0 else "f"]
    encoded = encode_prompts(prompts, _Letters(bos), 3, over_long)  # type: ignore[arg-type]
    assert encoded.ids == expected
    assert (encoded.skipped, encoded.cut) == (([1], []) if over_long == "skip" else ([], [1]))


def test_an_empty_prompt_needs_a_bos() -> None:
    with pytest.raises(UserError, match="prompt 2 is empty, and the model has no BOS"):
        encode_prompts(["a", ""], _Letters(None), 3, "skip")  # type: ignore[arg-type]
