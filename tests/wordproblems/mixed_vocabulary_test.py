from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from rft_jax.wordproblems import vocabulary as first
from rft_jax.wordproblems.generator import Story
from rft_jax.wordproblems.mixed_pretraining import mixed_pretraining_rows
from rft_jax.wordproblems.mixed_vocabulary import (
    TOKENIZER_FOLDER,
    build_tokenizer,
    count_tokens,
    split_tokens,
    vocabulary,
)

UNKNOWN_ID = 2


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(TOKENIZER_FOLDER / "tokenizer.json"))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [text for row in mixed_pretraining_rows(seed=5, size=6000) for text in row.values()]


def test_the_committed_tokenizer_is_what_the_code_builds(tmp_path: Path):
    build_tokenizer(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (TOKENIZER_FOLDER / name).read_bytes()


def test_the_vocabulary_begins_with_the_first_models(tokenizer: Tokenizer):
    tokens = vocabulary()
    assert tokens[: len(first.vocabulary())] == first.vocabulary()
    assert len(tokens) == len(set(tokens)) == tokenizer.get_vocab_size()
    assert all(tokenizer.token_to_id(token) == place for place, token in enumerate(tokens))


def test_a_text_of_the_first_model_has_the_same_tokens(stories: list[Story]):
    for story in stories:
        for text in (story.question, f"{story.question}\n", story.reference):
            assert split_tokens(text) == first.split_tokens(text)


def test_every_text_round_trips_exactly_without_an_unknown_token(
    tokenizer: Tokenizer, texts: list[str]
):
    for text, encoding in zip(texts, tokenizer.encode_batch(texts), strict=True):
        assert UNKNOWN_ID not in encoding.ids, text
        assert tokenizer.decode(encoding.ids) == text
        assert count_tokens(text, "") == len(encoding.ids) + 1


def test_every_added_token_is_used_but_for_a_cue_on_a_line_of_its_own():
    used: Counter[str] = Counter()
    for row in mixed_pretraining_rows(seed=9, size=40_000):
        used.update(split_tokens(row["query"]))
        used.update(split_tokens(row["response"]))
    assert {*vocabulary()} - {*first.vocabulary()} - {*used} == {"Let"}


def test_a_program_is_split_into_words_signs_and_digits():
    program = 'amy_bags_2 = 12 // ben_bags\nprint("Amy" if amy_bags_2 > 3 else "Ben")'
    assert split_tokens(program) == [
        "amy", "_bags", "_", "2", " = ", "1", "2", " // ", "ben", "_bags", "\n",
        "print", "(", '"', "Amy", '"', " if ", "amy", "_bags", "_", "2", " > ", "3",
        " else ", '"', "Ben", '"', ")",
    ]  # fmt: skip
