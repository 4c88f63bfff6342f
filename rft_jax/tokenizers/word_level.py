"""Tokenizers whose vocabulary is a list of texts, written as Hugging Face's files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rft_jax.files.atomic import make_folder

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
SPECIAL = (PAD, EOS, UNKNOWN)


def build_word_level(
    folder: str | Path, tokens: Sequence[str], pattern: str, model_max_length: int
) -> None:
    """Writes `tokenizer.json` and `tokenizer_config.json`, as Hugging Face reads them.

    Args:
      folder: where they are written.
      tokens: the vocabulary, SPECIAL first; a token's index is its id.
      pattern: a token, as a regular expression.
      model_max_length: for the tokenizer's configuration.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    ids = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    folder = Path(folder)
    make_folder(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": EOS,
        "unk_token": UNKNOWN,
        "bos_token": None,
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": model_max_length,
    }
    text = json.dumps(config, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
