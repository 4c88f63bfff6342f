"""Token arrays: made, saved, read again, weighted by question."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rft_jax.errors import UserError
from rft_jax.prompts import get_template
from rft_jax.tokenizers import load_tokenizer
from rft_jax.training.batches import Batches
from rft_jax.training.token_arrays import (
    TokenArrays,
    equal_question_weights,
    load_token_arrays,
    tokenize,
)
from rft_jax.wordproblems.vocabulary import TOKENIZER_FOLDER

EXAMPLES = [
    ("Lily has 2 beads.", "2 + 1 = 3"),
    ("Tom has 5 pens.", "5"),
    ("Lily has 2 beads.", "1 + 2 = 3"),
    ("Lily has 2 beads.", "3"),
    ("Ann has 7 cups.", "7 + 7 = 14 cups in all"),
]


@pytest.fixture(scope="module")
def arrays() -> TokenArrays:
    tokenizer = load_tokenizer(str(TOKENIZER_FOLDER))
    return tokenize(EXAMPLES, tokenizer, get_template("plain"), max_length=64)


def test_examples_of_one_question_have_one_number(arrays: TokenArrays) -> None:
    assert arrays.questions is not None
    assert arrays.questions.tolist() == [0, 1, 0, 0, 2]


def test_a_folder_is_read_as_it_was_saved(arrays: TokenArrays, tmp_path: Path) -> None:
    arrays.save(tmp_path)
    again = load_token_arrays(tmp_path)
    for name in ("tokens", "offsets", "prompt_lengths", "questions"):
        assert (getattr(again, name) == getattr(arrays, name)).all()
    assert again.manifest == json.loads((tmp_path / "manifest.json").read_text())


def test_a_folder_from_before_there_were_questions_is_read_too(
    arrays: TokenArrays, tmp_path: Path
) -> None:
    arrays.save(tmp_path)
    (tmp_path / "questions.npy").unlink()
    again = load_token_arrays(tmp_path)
    assert again.questions is None and (again.tokens == arrays.tokens).all()
    with pytest.raises(UserError, match="which examples are of one question; make them again"):
        equal_question_weights(again)


def test_a_missing_array_is_named(arrays: TokenArrays, tmp_path: Path) -> None:
    arrays.save(tmp_path)
    (tmp_path / "offsets.npy").unlink()
    with pytest.raises(UserError, match=r"offsets\.npy: no such file"):
        load_token_arrays(tmp_path)


def test_equal_weights_give_every_question_the_same_sum_and_examples_one_on_average(
    arrays: TokenArrays,
) -> None:
    weights = equal_question_weights(arrays)
    assert weights.mean() == pytest.approx(1)
    assert arrays.questions is not None
    sums = np.bincount(arrays.questions, weights)
    assert sums == pytest.approx(np.full(3, 5 / 3))


def test_weights_stand_on_response_tokens_alone(arrays: TokenArrays) -> None:
    weights = equal_question_weights(arrays)
    plain = Batches(arrays, 1, 256, seed=0)
    weighted = Batches(arrays, 1, 256, seed=0, weights=weights)
    one, other = plain.batch(0), weighted.batch(0)
    (examples,) = plain.rows_of(0)
    assert sorted(examples) == list(range(5))
    by_segment = np.asarray([0.0, *weights[examples]], np.float32)
    expected = one["loss_weights"] * by_segment[one["segment_ids"]]
    assert (other["loss_weights"] == expected).all()
    assert all((one[n] == other[n]).all() for n in one if n != "loss_weights")
