"""Models that share the table of embeddings and logits, however their folders store it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rft_jax.checkpoints.huggingface import export_model, import_params
from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.checkpoints.load import load_model
from rft_jax.errors import UserError
from tests.checkpoints.conftest import write_tokenizer
from tests.llama_twin import random_tensors, random_tokens, tiny_config, write_folder
from tests.tiny_model import logits_of

HEAD, TABLE = "lm_head.weight", "model.embed_tokens.weight"


def _stored(how: str, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A tied model's tensors as folders of transformers may hold them."""
    if how == "the table once":
        return tensors
    if how == "the table twice":
        return tensors | {HEAD: tensors[TABLE]}
    if how == "another head":
        return tensors | {HEAD: 2 * tensors[TABLE][::-1]}
    if how == "only the head":
        return {HEAD if name == TABLE else name: tensor for name, tensor in tensors.items()}
    return {name.removeprefix("model."): tensor for name, tensor in tensors.items()}


WAYS = ("the table once", "the table twice", "another head", "only the head", "the base model")


@pytest.mark.parametrize("how", WAYS)
def test_a_tied_model_has_transformers_logits_however_its_tables_are_stored(
    how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = tiny_config(6, 1, tied=True)
    write_folder(tmp_path, content, _stored(how, random_tensors(content)))
    write_tokenizer(tmp_path)
    model = load_model(tmp_path)
    assert model.config.tie_word_embeddings == (how != "another head")
    assert ("tie_word_embeddings is taken as false" in caplog.text) == (how == "another head")
    tokens = random_tokens(content)
    ours = np.asarray(logits_of(model.config, model.params, tokens))
    transformers, torch = pytest.importorskip("transformers"), pytest.importorskip("torch")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    np.testing.assert_allclose(
        ours, theirs(torch.tensor(tokens)).logits.detach().numpy(), atol=1e-4
    )


def test_a_head_of_its_own_survives_export(tmp_path: Path) -> None:
    content = tiny_config(6, 1, tied=True)
    tensors = _stored("another head", random_tensors(content))
    write_folder(tmp_path / "a", content, tensors)
    write_tokenizer(tmp_path / "a")
    model = load_model(tmp_path / "a")
    export_model(tmp_path / "b", model.config, model.params, model.tokenizer, model.template)
    written = load_file(tmp_path / "b" / "model.safetensors")
    assert written.keys() == tensors.keys()
    assert all(np.array_equal(written[name], tensors[name]) for name in tensors)
    assert not read_config(tmp_path / "b").tie_word_embeddings


def test_an_untied_model_without_a_head_is_refused_with_the_setting_that_ties(
    tmp_path: Path,
) -> None:
    content = tiny_config(6, 1)
    tensors = random_tensors(content)
    del tensors[HEAD]
    write_folder(tmp_path, content, tensors)
    with pytest.raises(
        UserError, match=r"no tensor 'lm_head\.weight'.*tie_word_embeddings to true"
    ):
        import_params(tmp_path, read_config(tmp_path))
