"""Stages have their shares of the rows, and sources come in whole epochs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rft_jax.arithmetic.vocabulary import TOKENIZER_FOLDER
from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.prompts import get_template
from rft_jax.tokenizers import load_tokenizer
from rft_jax.training.batches import Batches
from rft_jax.training.curriculum import Stage, StagedBatches, staged, stages_of
from rft_jax.training.data import load_training_data
from rft_jax.training.settings import TrainSettings
from rft_jax.training.token_arrays import TokenArrays

STAGES = ((1.0, 1.0, 0.0), (2.0, 1.0, 3.0))
SETTINGS = TrainSettings(curriculum=STAGES, num_steps=30, batch_size=8, max_length=16, pack=False)


def arrays_of(sizes: Sequence[int]) -> TokenArrays:
    """Examples of four tokens; the manifest counts those of each source."""
    count = sum(sizes)
    tokens = np.repeat(np.arange(count, dtype=np.int32), 4)
    offsets, prompts = np.arange(count + 1) * 4, np.zeros(count, np.int32)
    return TokenArrays(tokens, offsets, prompts, {"sources": list(sizes)})


def batches(sizes: Sequence[int], settings: TrainSettings = SETTINGS) -> StagedBatches:
    fixed = settings.batch_size, settings.max_length, settings.seed, settings.pack
    return staged(Batches(arrays_of(sizes), *fixed), settings)


def test_stages_share_the_steps():
    assert stages_of(SETTINGS) == (Stage(10, (1.0, 0.0)), Stage(20, (0.25, 0.75)))
    odd = TrainSettings(curriculum=((1.0, 1.0), (1.0, 1.0), (1.0, 1.0)), num_steps=100)
    assert [stage.steps for stage in stages_of(odd)] == [33, 34, 33]


def test_every_stage_has_its_shares_of_the_rows():
    made = batches((500, 500))
    first, second = (
        Counter(row[0] >= 500 for step in steps for row in made.rows_of(step))
        for steps in (range(10), range(10, 30))
    )
    assert first == {False: 80}
    assert second[True] / second.total() == pytest.approx(0.75, abs=0.01)
    of_few_rows = Counter(row[0] >= 500 for row in made.rows_of(15))
    assert abs(of_few_rows[True] - 6) <= 1


def test_a_source_is_read_to_its_end_before_a_row_comes_again():
    made = batches((50, 40))
    rows = [row[0] for step in range(30) for row in made.rows_of(step)]
    for begin, size in ((0, 50), (50, 40)):
        own = [row for row in rows if begin <= row < begin + size]
        assert len(own) > size
        assert sorted(own[:size]) == list(range(begin, begin + size))
        assert own[size : 2 * size] != own[:size]


def test_rows_hold_examples_of_one_source_with_its_tokens():
    settings = TrainSettings(
        curriculum=((1.0, 1.0, 1.0),), num_steps=6, batch_size=4, max_length=16
    )
    made = batches((40, 40), settings)
    for step in range(6):
        batch = made.batch(step)
        for row, tokens in zip(made.rows_of(step), batch["tokens"], strict=True):
            assert len({example >= 40 for example in row}) == 1
            assert set(row) == set(tokens[batch["segment_ids"][0] > 0].tolist())
        halves = [made.batch(step, process, 2)["tokens"] for process in range(2)]
        np.testing.assert_array_equal(np.concatenate(halves), batch["tokens"])


def test_the_examples_of_every_file_are_counted(tmp_path: Path):
    for name, texts in (("a", ["1+1=2", "2+2=4"]), ("b", ["3+3=6", "1+2=3", "9" * 40])):
        rows = [{"query": "", "response": text} for text in texts]
        write_rows(tmp_path / f"{name}.jsonl", rows)
    data = [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    tokenizer = load_tokenizer(TOKENIZER_FOLDER)
    arrays = load_training_data(data, tokenizer, get_template("none"), SETTINGS)
    assert arrays.manifest["sources"] == [2, 2]
    assert (arrays.manifest["examples"], arrays.manifest["dropped"]) == (5, 1)
    texts = [
        tokenizer.decode(arrays.tokens[begin:end].tolist())
        for begin, end in zip(arrays.offsets[:-1], arrays.offsets[1:], strict=True)
    ]
    assert texts == ["1+1=2", "2+2=4", "3+3=6", "1+2=3"]
    with pytest.raises(UserError, match=r"has a stage of 2 data, .* and --data names 1"):
        load_training_data(data[:1], tokenizer, get_template("none"), SETTINGS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"curriculum": ((1.0,),)}, "a share of the steps and one per --data"),
        ({"curriculum": ((0.0, 1.0),)}, "a stage without steps, or without rows"),
        ({"curriculum": ((1.0, 0.0, 0.0),)}, "a stage without steps, or without rows"),
        ({"num_steps": 0}, "shares of train.num_steps, so set that"),
        ({"limit": 5}, "not with train.limit = 5; set that to 0"),
    ],
)
def test_stages_that_mean_nothing_are_refused(change: dict, message: str):
    with pytest.raises(UserError, match=rf"train\.curriculum = .*{message}"):
        TrainSettings(**({"curriculum": STAGES, "num_steps": 10} | change))
