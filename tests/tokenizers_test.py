"""Both kinds of tokenizer: round trips, byte fallback, and the ids of BOS, EOS and padding."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.tokenizers import Tokenizer, load_tokenizer

TEXT = [
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many in May.",
    "Weng earns $12 an hour for babysitting. Yesterday, she just did 50 minutes of babysitting.",
    "How many eggs does Janet eat? She eats 3 + 4 = <<3+4=7>>7 eggs.\n#### 7",
] * 20


def _byte_level(bos: str | None, specials: list[str]) -> tokenizers.Tokenizer:
    """A tokenizer as Llama 3 has it: byte-level BPE, BOS by the post-processor or not at all."""
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=specials,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(TEXT, trainer)
    if bos:
        backend.post_processor = tokenizers.processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, backend.token_to_id(bos))]
        )
    return backend


def _json_folder(
    folder: Path, bos: str | None, specials: list[str], **files: dict[str, Any]
) -> Path:
    folder.mkdir(exist_ok=True)
    _byte_level(bos, specials).save(str(folder / "tokenizer.json"))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def llama3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several tokens end a text, BOS begins it, no pad token is declared."""
    return _json_folder(
        tmp_path_factory.mktemp("llama3"),
        "<|begin|>",
        ["<|begin|>", "<|end|>", "<|eom|>", "<|eot|>", "<|reserved|>"],
        tokenizer_config={"bos_token": "<|begin|>", "eos_token": "<|eot|>"},
        generation_config={"eos_token_id": [1, 2, 3]},
    )


@pytest.fixture(scope="module")
def llama2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SentencePiece model with byte fallback, as LLaMA's: unknown 0, BOS 1, EOS 2, no pad."""
    folder = tmp_path_factory.mktemp("llama2")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT),
        model_writer=model,
        model_type="bpe",
        vocab_size=400,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    return folder


@pytest.fixture(params=["llama2", "llama3"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return load_tokenizer(request.getfixturevalue(request.param))


@pytest.mark.parametrize("name", ["llama2", "llama3"])
def test_any_text_survives_encoding_and_decoding(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = load_tokenizer(request.getfixturevalue(name))

    @settings(max_examples=100, deadline=None)
    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0▁"), max_size=40))
    def round_trip(text: str) -> None:
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert all(0 <= i < tokenizer.vocab_size for i in ids)
        assert not tokenizer.eos_ids & set(ids)
        assert tokenizer.bos_id not in ids

    round_trip()


def test_unknown_characters_are_encoded_as_bytes(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("∑🦙")
    assert len(ids) >= 7  # three and four bytes of UTF-8
    assert tokenizer.decode(ids) == "∑🦙"


def test_a_batch_is_encoded_like_its_texts(tokenizer: Tokenizer) -> None:
    texts = [TEXT[0], "", "7"]
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(text) for text in texts]


def test_special_tokens_and_ids_outside_the_vocabulary_decode_to_nothing(
    tokenizer: Tokenizer,
) -> None:
    ids = tokenizer.encode("7 eggs")
    assert tokenizer.bos_id is not None
    noisy = [tokenizer.bos_id, *ids, tokenizer.eos_id, tokenizer.pad_id, tokenizer.vocab_size + 7]
    assert tokenizer.decode(noisy) == "7 eggs"


def test_pad_is_neither_bos_nor_eos(tokenizer: Tokenizer) -> None:
    assert tokenizer.pad_id not in tokenizer.eos_ids
    assert tokenizer.pad_id != tokenizer.bos_id
    assert 0 <= tokenizer.pad_id < tokenizer.vocab_size


def test_every_token_that_generation_config_lists_ends_a_text(llama3: Path) -> None:
    tokenizer = load_tokenizer(llama3)
    assert (tokenizer.bos_id, tokenizer.eos_id) == (0, 3)
    assert tokenizer.eos_ids == {1, 2, 3}
    assert tokenizer.pad_id == 4


def test_a_sentencepiece_model_alone_follows_llamas_rules(llama2: Path) -> None:
    tokenizer = load_tokenizer(llama2)
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (1, 2, 0)
    assert tokenizer.eos_ids == {2}
    assert tokenizer.vocab_size == 400


def test_add_bos_token_false_leaves_bos_out(llama2: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes((llama2 / "tokenizer.model").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"add_bos_token": false}')
    assert load_tokenizer(tmp_path).bos_id is None


def test_a_bos_token_that_does_not_begin_texts_is_not_added(tmp_path: Path) -> None:
    """SmolLM2 declares a BOS token but does not add it; EOS is also its pad token."""
    names = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    config = names | {"unk_token": "<|endoftext|>"}
    tokenizer = load_tokenizer(_json_folder(tmp_path, None, specials, tokenizer_config=config))
    assert tokenizer.bos_id is None
    assert (tokenizer.eos_id, tokenizer.pad_id) == (2, 0)
    assert tokenizer.encode("<|im_start|>7")[0] == 1  # templates write special tokens in a text


def test_a_pad_token_of_its_own_is_kept(tmp_path: Path) -> None:
    config = {"eos_token": {"content": "<eos>", "special": True}, "pad_token": "<pad>"}
    folder = _json_folder(tmp_path, None, ["<eos>", "<x>", "<pad>"], tokenizer_config=config)
    assert load_tokenizer(folder).pad_id == 2


def test_eos_is_found_in_the_models_config_and_survives_saving(tmp_path: Path) -> None:
    folder = _json_folder(tmp_path / "a", None, ["<x>", "<eos>"], config={"eos_token_id": 1})
    tokenizer = load_tokenizer(folder)
    assert (tokenizer.eos_id, tokenizer.eos_ids) == (1, {1})
    tokenizer.save(tmp_path / "b")
    again = load_tokenizer(tmp_path / "b")
    assert (again.eos_id, again.eos_ids, again.pad_id) == (1, {1}, tokenizer.pad_id)


@pytest.mark.parametrize("name", ["llama2", "llama3"])
def test_saving_copies_every_file_and_keeps_the_fingerprint(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source = request.getfixturevalue(name)
    tokenizer = load_tokenizer(source)
    tokenizer.save(tmp_path)
    for path in source.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    again = load_tokenizer(tmp_path)
    assert again.fingerprint == tokenizer.fingerprint
    assert again.encode(TEXT[1]) == tokenizer.encode(TEXT[1])


def test_another_vocabulary_or_another_eos_has_another_fingerprint(
    llama3: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    load_tokenizer(llama3).save(changed)
    (changed / "tokenizer_config.json").write_text(
        '{"bos_token": "<|begin|>", "eos_token": "<|end|>"}'
    )
    other = _json_folder(
        tmp_path / "other", None, ["<x>", "<eos>"], tokenizer_config={"eos_token": "<eos>"}
    )
    prints = {load_tokenizer(folder).fingerprint for folder in (llama3, changed, other)}
    assert len(prints) == 3


def test_truncation_and_padding_written_into_a_tokenizer_are_not_applied(tmp_path: Path) -> None:
    config = {"eos_token": "<eos>"}
    folder = _json_folder(tmp_path, None, ["<eos>"], tokenizer_config=config)
    backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.enable_truncation(4)
    backend.enable_padding(length=50)
    plain = load_tokenizer(folder).encode(TEXT[0])
    backend.save(str(folder / "tokenizer.json"))
    assert load_tokenizer(folder).encode(TEXT[0]) == plain
    assert len(plain) > 4


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no tokenizer"),
        ({"tokenizer.json": "{"}, "tokenizer.json: not a tokenizer"),
        ({"tokenizer.model": "x"}, "tokenizer.model: not a SentencePiece model"),
        ({"generation_config.json": '{"eos_token_id": "two"}'}, "'two' is no token id"),
        ({"generation_config.json": '{"eos_token_id": 999}'}, "999 is outside the vocabulary"),
        ({"tokenizer_config.json": "[]"}, "tokenizer_config.json: a JSON object is needed"),
        ({"tokenizer_config.json": "{}"}, "nothing says which token ends a text"),
    ],
)
def test_a_folder_without_a_good_tokenizer_is_refused_with_the_reason(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    if any(name.endswith("config.json") for name in files):
        _json_folder(tmp_path, None, ["<x>"], tokenizer_config={})
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        load_tokenizer(tmp_path)


def test_tokens_added_beside_a_sentencepiece_model_are_refused_but_for_pad(
    llama2: Path, tmp_path: Path
) -> None:
    (tmp_path / "tokenizer.model").write_bytes((llama2 / "tokenizer.model").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"pad_token": "[PAD]"}')
    (tmp_path / "added_tokens.json").write_text('{"[PAD]": 400}')
    padded = load_tokenizer(tmp_path)
    assert (padded.pad_id, padded.vocab_size) == (400, 401)
    assert padded.decode([*padded.encode("7"), 400]) == "7"
    (tmp_path / "added_tokens.json").write_text('{"[PAD]": 400, "<|im_start|>": 401}')
    with pytest.raises(UserError, match=r"'<\|im_start\|>' was added"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["llama2", "llama3"])
def test_ids_equal_those_of_transformers(name: str, request: pytest.FixtureRequest) -> None:
    transformers = pytest.importorskip("transformers")
    folder = request.getfixturevalue(name)
    tokenizer = load_tokenizer(folder)
    if name == "llama2":
        theirs = transformers.LlamaTokenizer.from_pretrained(folder, add_bos_token=True)
    else:
        theirs = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    for text in (TEXT[0], "3 + 4 = <<3+4=7>>7\n\n#### 7", "two  spaces ", "∑🦙"):
        assert [tokenizer.bos_id, *tokenizer.encode(text)] == theirs(text).input_ids
