"""Token arrays: made, saved, read again, weighted by question."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


def test_examples_of_the_same_question_have_its_index(arrays: TokenArrays) -> None:
    assert arrays.questions is not None
    assert arrays.questions.tolist() == [0, 1, 0, 0, 2]


def test_a_folder_is_read_as_it_was_saved(arrays: TokenArrays, tmp_path: Path) -> None:
    arrays.save(tmp_path)
    again = load_token_arrays(tmp_path)
    for name in ("tokens", "offsets", "prompt_lengths", "questions"):
        assert (getattr(again, name) == getattr(arrays, name)).all()
    assert again.manifest == json.loads((tmp_path / "manifest.json").read_text())


def test_an_older_folder_without_questions_is_read(arrays: TokenArrays, tmp_path: Path) -> None:
    arrays.save(tmp_path)
    (tmp_path / "questions.npy").unlink()
    again = load_token_arrays(tmp_path)
    assert again.questions is None and (again.tokens == arrays.tokens).all()
    with pytest.raises(
        UserError, match="which examples have the same question; make the token arrays"
    ):
        equal_question_weights(again)


@pytest.mark.parametrize("name", ["tokens", "offsets", "prompt_lengths", "questions"])
def test_a_damaged_or_object_array_is_named_with_the_fix(
    arrays: TokenArrays, tmp_path: Path, name: str
) -> None:
    path = tmp_path / f"{name}.npy"
    arrays.save(tmp_path)
    whole = path.read_bytes()
    for content in (whole[:-5], whole[:50], b"", b"\x80\x04", whole + b"12345678"):
        path.write_bytes(content)
        if content == whole + b"12345678":
            load_token_arrays(tmp_path)  # what follows an array is not part of it
            continue
        with pytest.raises(UserError, match=rf"{name}\.npy: not an array .*make the token arrays"):
            load_token_arrays(tmp_path)
    for wrong in (np.array([{}], object), np.zeros((2, 2), int), np.zeros(3)):
        np.save(path, wrong, allow_pickle=True)
        with pytest.raises(UserError, match=rf"{name}\.npy: (not an array|a row of integers)"):
            load_token_arrays(tmp_path)
    np.savez(tmp_path / "zip", wrong=np.zeros(3, int))
    (tmp_path / "zip.npz").rename(path)
    with pytest.raises(UserError, match=rf"{name}\.npy: a row of integers is needed"):
        load_token_arrays(tmp_path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("offsets", lambda x: x[:-1]),
        ("offsets", lambda x: x + 1),
        ("offsets", lambda x: x[::-1]),
        ("tokens", lambda x: x[1:]),
        ("prompt_lengths", lambda x: x[1:]),
        ("prompt_lengths", lambda x: x + 1000),
        ("prompt_lengths", lambda x: -x),
        ("questions", lambda x: x[1:]),
    ],
)
def test_arrays_of_different_examples_are_refused(
    arrays: TokenArrays, tmp_path: Path, name: str, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    arrays.save(tmp_path)
    np.save(tmp_path / f"{name}.npy", change(getattr(arrays, name)))
    with pytest.raises(UserError, match="don't describe the same examples"):
        load_token_arrays(tmp_path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_no_damage_to_a_file_ends_in_anything_but_a_message(
    arrays: TokenArrays, tmp_path: Path, data: st.DataObject
) -> None:
    arrays.save(tmp_path)
    path = tmp_path / f"{data.draw(st.sampled_from(['tokens', 'offsets', 'questions']))}.npy"
    content = bytearray(path.read_bytes())
    for index, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4)
    ):
        content[index] = value
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        loaded = load_token_arrays(tmp_path)
    except UserError as error:
        assert str(error).endswith("make the token arrays again")
    else:
        assert len(loaded) == len(arrays)


def test_empty_responses_are_dropped_and_counted() -> None:
    tokenizer = load_tokenizer(str(TOKENIZER_FOLDER))
    examples = [*EXAMPLES, ("Tom has 5 pens.", ""), ("Tom has 5 pens.", " \n")]
    arrays = tokenize(examples, tokenizer, get_template("plain"), max_length=64)
    assert len(arrays) == 5
    assert (arrays.manifest["examples"], arrays.manifest["empty"]) == (7, 2)
    with pytest.raises(UserError, match="2 read, 2 with an empty response, 0 longer than"):
        tokenize(examples[5:], tokenizer, get_template("plain"), max_length=64)


def test_a_missing_array_is_named(arrays: TokenArrays, tmp_path: Path) -> None:
    arrays.save(tmp_path)
    (tmp_path / "offsets.npy").unlink()
    with pytest.raises(UserError, match=r"offsets\.npy: no such file"):
        load_token_arrays(tmp_path)


def test_equal_weights_sum_to_the_same_for_every_question_and_average_one(
    arrays: TokenArrays,
) -> None:
    weights = equal_question_weights(arrays)
    assert weights.mean() == pytest.approx(1)
    assert arrays.questions is not None
    sums = np.bincount(arrays.questions, weights)
    assert sums == pytest.approx(np.full(3, 5 / 3))


def test_only_response_tokens_have_weights(arrays: TokenArrays) -> None:
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
