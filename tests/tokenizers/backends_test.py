"""Both kinds of tokenizer: round trips, byte fallback, equality with transformers, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.tokenizers import Tokenizer, load_tokenizer
from rft_jax.tokenizers.word_level import SPECIAL, build_word_level
from tests.tokenizers.conftest import TEXT, json_folder


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


@pytest.mark.parametrize("word", ["a", "other"])
def test_a_vocabulary_without_its_unknown_token_is_one_error(tmp_path: Path, word: str) -> None:
    build_word_level(tmp_path, (*SPECIAL, word), r"\w+", 10)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["model"]["unk_token"] = "[GONE]"
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    message = r"tokenizer\.json: can't encode a text \(WordLevel error"
    if word != "a":  # which loading encodes
        with pytest.raises(UserError, match=message):
            load_tokenizer(tmp_path)
        return
    loaded = load_tokenizer(tmp_path)
    for encode in (loaded.encode, lambda text: loaded.encode_batch([text])):
        with pytest.raises(UserError, match=message):
            encode("b")


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


def test_special_tokens_are_those_that_decode_to_nothing(tokenizer: Tokenizer) -> None:
    special = set(tokenizer.special_tokens.values())
    assert {tokenizer.bos_id, tokenizer.eos_id} <= special
    for number in range(tokenizer.vocab_size):
        assert (number in special) == (not tokenizer.decode([number, number, number]))


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
    other = json_folder(
        tmp_path / "other", None, ["<x>", "<eos>"], tokenizer_config={"eos_token": "<eos>"}
    )
    prints = {load_tokenizer(folder).fingerprint for folder in (llama3, changed, other)}
    assert len(prints) == 3


def test_truncation_and_padding_written_into_a_tokenizer_are_not_applied(tmp_path: Path) -> None:
    config = {"eos_token": "<eos>"}
    folder = json_folder(tmp_path, None, ["<eos>"], tokenizer_config=config)
    backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.enable_truncation(4)
    backend.enable_padding(length=50)
    plain = load_tokenizer(folder).encode(TEXT[0])
    backend.save(str(folder / "tokenizer.json"))
    assert load_tokenizer(folder).encode(TEXT[0]) == plain
    assert len(plain) > 4


def _decoder(content: object) -> str:
    """A tokenizer_config.json that lists an added token beside one that is fine."""
    tokens = {"8": {"content": "<old>"}, "9": {"content": content}}
    return json.dumps({"added_tokens_decoder": tokens})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no tokenizer"),
        ({"tokenizer.json": "{"}, "tokenizer.json: not a tokenizer"),
        ({"tokenizer.model": "x"}, "tokenizer.model: not a SentencePiece model"),
        ({"generation_config.json": '{"eos_token_id": "two"}'}, "'two' is not a token id"),
        ({"generation_config.json": '{"eos_token_id": true}'}, "True is not a token id"),
        ({"generation_config.json": '{"eos_token_id": -1}'}, "-1 is outside the vocabulary"),
        ({"generation_config.json": '{"eos_token_id": 999}'}, "999 is outside the vocabulary"),
        ({"tokenizer_config.json": "[]"}, "tokenizer_config.json: a JSON object is needed"),
        ({"tokenizer_config.json": "{}"}, "names no token that ends a text; name one"),
        ({"tokenizer_config.json": '{"eos_token": "</x>"}'}, "lacks eos_token '</x>'; name one"),
        ({"tokenizer_config.json": "[" * 100_000}, "tokenizer_config.json: not JSON"),
        ({"tokenizer_config.json": '{"added_tokens_decoder": [1]}'}, "does not list tokens"),
        ({"added_tokens.json": '{"<new>": "x"}'}, "does not list tokens with their ids"),
        ({"added_tokens.json": '{"<new>": Infinity}'}, "does not list tokens with their ids"),
        ({"tokenizer_config.json": _decoder(5)}, "does not list tokens with their ids"),
        ({"tokenizer_config.json": _decoder(None)}, "does not list tokens with their ids"),
        (
            {"tokenizer_config.json": _decoder("<new>")},
            r"'<new>' was added .* tokenizer\.json does not know it; write a tokenizer\.json",
        ),
    ],
)
def test_a_folder_without_a_good_tokenizer_is_refused_with_the_reason(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    if not {"tokenizer.json", "tokenizer.model"} & files.keys() and files:
        json_folder(tmp_path, None, ["<x>"], tokenizer_config={})
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        load_tokenizer(tmp_path)


_SEQUENCES = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
_GONE = {"SpecialToken": {"id": "<gone>", "type_id": 0}}
_TEMPLATE = {"single": [_GONE, _SEQUENCES[0]], "pair": _SEQUENCES, "special_tokens": {}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"post_processor": {"type": "TemplateProcessing", **_TEMPLATE}},
            "can't encode a text",
        ),
        (
            {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
            "not a tokenizer that can be read",
        ),
        ({"pre_tokenizer": {"type": "FixedLength", "length": 0}}, "can't encode a text"),
        ({"decoder": {"type": "Strip", "content": "a", "start": 5, "stop": 5}}, "can't decode"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_file_that_makes_the_library_panic_is_refused_by_name(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    folder = json_folder(tmp_path, None, ["<eos>"], tokenizer_config={"eos_token": "<eos>"})
    content = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(content | changes))
    with pytest.raises(UserError, match=rf"tokenizer\.json: ({message})"):
        (tokenizer := load_tokenizer(folder)).decode(tokenizer.encode("a b"))


def test_a_file_without_added_tokens_may_lack_a_row_for_padding(tmp_path: Path) -> None:
    config = {"eos_token": "<eos>", "pad_token": "<pad>"}
    folder = json_folder(tmp_path, None, ["<eos>"], tokenizer_config=config)
    content = json.loads((folder / "tokenizer.json").read_text())
    rows = len(content["model"]["vocab"])
    content["model"]["vocab"]["<pad>"] = rows
    del content["added_tokens"]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = load_tokenizer(folder, rows)
    assert max(tokenizer.encode("<pad> a")) < rows


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


@pytest.mark.parametrize("names_bos", [True, False])
def test_bos_is_what_the_post_processor_puts_in_front_named_or_not(
    tmp_path: Path, names_bos: bool
) -> None:
    config = {"eos_token": "<eos>"} | ({"bos_token": "<bos>"} if names_bos else {})
    folder = json_folder(tmp_path, "<bos>", ["<bos>", "<eos>"], tokenizer_config=config)
    tokenizer = load_tokenizer(folder)
    assert tokenizer.bos_id == 0
    transformers = pytest.importorskip("transformers")
    theirs = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    assert theirs("7 eggs").input_ids == [0, *tokenizer.encode("7 eggs")]


def test_several_tokens_in_front_of_a_text_are_refused(tmp_path: Path) -> None:
    folder = json_folder(tmp_path, "<a>", ["<a>", "<b>"], tokenizer_config={"eos_token": "<b>"})
    backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="<a> <b> $A", special_tokens=[("<a>", 0), ("<b>", 1)]
    )
    backend.save(str(folder / "tokenizer.json"))
    with pytest.raises(UserError, match="puts 2 tokens in front of a text"):
        load_tokenizer(folder)


def test_a_bos_that_a_template_begins_with_is_the_bos_of_the_text(llama3: Path) -> None:
    tokenizer = load_tokenizer(llama3)
    plain = tokenizer.encode("7 eggs")
    assert tokenizer.encode("<|begin|>7 eggs") == plain
    assert tokenizer.encode_batch(["<|begin|>7 eggs", "7 eggs"]) == [plain, plain]
    assert tokenizer.encode("7<|begin|>") == [*tokenizer.encode("7"), 0]


def test_a_bos_that_a_template_begins_with_is_the_bos_of_a_sentencepiece_text(llama2: Path) -> None:
    tokenizer = load_tokenizer(llama2)
    plain = tokenizer.encode("[INST] 7 eggs [/INST]")
    assert tokenizer.encode("<s>[INST] 7 eggs [/INST]") == plain
    assert tokenizer.encode_batch(["<s>[INST] 7 eggs [/INST]", "7"])[0] == plain
    assert len(tokenizer.encode("<s><s>")) > 1  # only the first is BOS
    transformers = pytest.importorskip("transformers")
    theirs = transformers.LlamaTokenizer.from_pretrained(llama2, add_bos_token=True, legacy=True)
    ids = theirs("<s>[INST] 7 eggs [/INST]", add_special_tokens=False).input_ids
    assert ids == [tokenizer.bos_id, *plain]


def test_without_bos_before_texts_its_letters_are_a_text(llama2: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes((llama2 / "tokenizer.model").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"add_bos_token": false}')
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.decode(tokenizer.encode("<s>7")) == "<s>7"


def test_the_text_of_bos_is_that_of_its_id(tokenizer: Tokenizer) -> None:
    assert tokenizer.special_tokens[tokenizer.bos] == tokenizer.bos_id


def test_lone_surrogates_are_read_as_replacement_characters(tokenizer: Tokenizer) -> None:
    expected = tokenizer.encode("a\ufffdb")
    assert tokenizer.encode("a\ud800b") == expected
    assert tokenizer.encode_batch(["a\udfffb"]) == [expected]


def test_an_end_token_leaves_no_text_even_if_it_is_not_flagged_special(tmp_path: Path) -> None:
    """As in ChatML fine-tunes; or generation_config.json lists an ordinary token."""
    folder = json_folder(
        tmp_path,
        None,
        ["<x>", "<eos>"],
        tokenizer_config={"eos_token": "<eos>"},
        generation_config={"eos_token_id": [1, 5]},
    )
    content = json.loads((folder / "tokenizer.json").read_text())
    for token in content["added_tokens"]:
        token["special"] = False
    (folder / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = load_tokenizer(folder)
    ids = tokenizer.encode("7 eggs")
    ordinary = tokenizer.decode([5, 5])
    assert len(ordinary) == 1
    assert tokenizer.decode([*ids, 1]) == tokenizer.decode([*ids, 5]) == "7 eggs"
    assert tokenizer.decode([5, *ids]) == ordinary + "7 eggs"


def _with_token_beyond(llama3: Path, folder: Path, name: str) -> Path:
    """A copy of a tokenizer with one more token, for which the model has no row."""
    load_tokenizer(llama3).save(folder)
    backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert backend.add_special_tokens([name]) == 1
    backend.save(str(folder / "tokenizer.json"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"pad_token": "[PAD]"}))
    return folder


def test_a_pad_token_without_a_row_is_left_out_and_its_text_is_ordinary(
    llama3: Path, tmp_path: Path
) -> None:
    plain = load_tokenizer(llama3)
    rows = plain.vocab_size
    folder = _with_token_beyond(llama3, tmp_path / "a", "[PAD]")
    assert load_tokenizer(folder).pad_id == rows  # a tokenizer by itself has it
    tokenizer = load_tokenizer(folder, rows)
    assert (tokenizer.vocab_size, tokenizer.pad_id) == (rows, plain.pad_id)
    assert tokenizer.encode("a [PAD] b") == plain.encode("a [PAD] b")
    tokenizer.save(tmp_path / "b")
    assert (tmp_path / "b/tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


def test_another_token_without_a_row_is_refused_with_the_fix(llama3: Path, tmp_path: Path) -> None:
    rows = load_tokenizer(llama3).vocab_size
    folder = _with_token_beyond(llama3, tmp_path, "<|im_start|>")
    fix = rf"'<\|im_start\|>' \({rows}\), have no row .* of {rows}; .*resize_token_embeddings"
    with pytest.raises(UserError, match=rf"1 tokens .*{fix}\({rows + 1}\)"):
        load_tokenizer(folder, rows)


def test_a_pad_token_beside_a_sentencepiece_model_needs_no_row(
    llama2: Path, tmp_path: Path
) -> None:
    (tmp_path / "tokenizer.model").write_bytes((llama2 / "tokenizer.model").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"pad_token": "[PAD]"}')
    (tmp_path / "added_tokens.json").write_text('{"[PAD]": 400}')
    assert (load_tokenizer(tmp_path, 401).pad_id, load_tokenizer(tmp_path, 400).pad_id) == (400, 0)
    with pytest.raises(UserError, match="have no row in the model's embedding of 399"):
        load_tokenizer(tmp_path, 399)
