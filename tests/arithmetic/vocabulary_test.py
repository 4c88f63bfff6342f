from __future__ import annotations

from itertools import islice
from pathlib import Path

from rft_jax.arithmetic.formats import FORMATS
from rft_jax.arithmetic.generator import lines
from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.arithmetic.vocabulary import TOKENIZER_FOLDER, build_tokenizer, vocabulary
from rft_jax.checkpoints.names import tokenizer_folder
from rft_jax.tokenizers import load_tokenizer


def test_the_packaged_tokenizer_is_the_one_that_is_built(tmp_path: Path):
    build_tokenizer(tmp_path)
    assert tokenizer_folder("arithmetic:tokenizer") == str(TOKENIZER_FOLDER)
    for file in TOKENIZER_FOLDER.iterdir():
        assert file.read_bytes() == (tmp_path / file.name).read_bytes()


def test_every_character_of_every_format_is_a_token_of_its_own():
    tokenizer = load_tokenizer(TOKENIZER_FOLDER)
    unknown = vocabulary().index("<unk>")
    for one in islice(lines(ArithmeticSettings(), "train", 0), 200):
        for spell in FORMATS.values():
            text = f"{one.expression}={spell(one)}"
            ids = tokenizer.encode(text)
            assert len(ids) == len(text) and unknown not in ids
            assert tokenizer.decode(ids) == text
    assert (tokenizer.vocab_size, tokenizer.pad_id, tokenizer.eos_id) == (31, 0, 1)
