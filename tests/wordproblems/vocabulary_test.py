from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from rft_jax.wordproblems.generator import Story, draw_stories
from rft_jax.wordproblems.pretraining import pretraining_rows
from rft_jax.wordproblems.vocabulary import (
    SPECIAL,
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
def texts(stories: list[Story]) -> list[str]:
    rows = pretraining_rows(seed=5, size=8000)
    return [
        *(text for row in rows for text in row.values()),
        *(text for s in stories for text in (s.question, f"{s.question}\n", s.reference)),
    ]


def test_the_committed_tokenizer_is_what_the_code_builds(tmp_path: Path):
    build_tokenizer(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (TOKENIZER_FOLDER / name).read_bytes()


def test_the_vocabulary_is_small_and_starts_with_pad_and_eos(tokenizer: Tokenizer):
    tokens = vocabulary()
    assert len(tokens) == len(set(tokens)) == tokenizer.get_vocab_size() <= 240
    assert tokens[:3] == SPECIAL == ("<pad>", "<eos>", "<unk>")
    assert all(tokenizer.token_to_id(token) == place for place, token in enumerate(tokens))


def test_every_text_round_trips_exactly_without_an_unknown_token(
    tokenizer: Tokenizer, texts: list[str]
):
    for text, encoding in zip(texts, tokenizer.encode_batch(texts), strict=True):
        assert UNKNOWN_ID not in encoding.ids, text
        assert tokenizer.decode(encoding.ids) == text


def test_the_fast_count_is_the_tokenizers(tokenizer: Tokenizer, texts: list[str]):
    for text in texts[:4000]:
        encoding = tokenizer.encode(text)
        assert split_tokens(text) == encoding.tokens
        assert count_tokens(text, text) == 2 * len(encoding.ids) + 1


def test_every_token_is_used():
    used: Counter[str] = Counter()
    for story in islice(draw_stories("pretrain", 9, (1, 2, 3, 4)), 12000):
        used.update(split_tokens(f"{story.question}\n"))
        used.update(split_tokens(story.reference))
    assert set(vocabulary()) - set(used) == set(SPECIAL)


@given(st.integers(0, 10**9), st.sampled_from(["{}", " {}", "$ {}", "has {} more", "<<{}+"]))
def test_every_digit_is_a_token_of_its_own_wherever_the_number_stands(number: int, frame: str):
    tokens = split_tokens(frame.format(number))
    assert [token for token in tokens if token.strip().isdigit()] == list(str(number))


@given(st.text())
def test_any_text_is_split_without_losing_a_character(text: str):
    assert "".join(split_tokens(text)) == text


@given(st.text())
def test_foreign_text_is_encoded_without_an_error(text: str):
    tokenizer = Tokenizer.from_file(str(TOKENIZER_FOLDER / "tokenizer.json"))
    assert all(0 <= number < len(vocabulary()) for number in tokenizer.encode(text).ids)


def test_transformers_reads_it_too(texts: list[str]):
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(TOKENIZER_FOLDER)
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id) == (0, 1, None)
    for text in texts[::40]:
        ids = tokenizer.encode(text)
        assert ids == tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode([*ids, 1, 0, 0], skip_special_tokens=True) == text


def test_the_projects_own_protocol_reads_it_too(texts: list[str]):
    from rft_jax.tokenizers import load_tokenizer

    tokenizer = load_tokenizer(TOKENIZER_FOLDER)
    assert (tokenizer.pad_id, tokenizer.eos_id, tokenizer.bos_id) == (0, 1, None)
    assert tokenizer.vocab_size == len(vocabulary())
    for text in texts[::40]:
        assert tokenizer.decode(tokenizer.encode(text)) == text
