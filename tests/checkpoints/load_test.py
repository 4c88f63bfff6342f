"""What `--model` may name: Hugging Face folders, finished trainings, checkpoints of one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from rft_jax.checkpoints.huggingface import export_model
from rft_jax.checkpoints.load import LoadedModel, copy_model, describe_checkpoints, load_model
from rft_jax.checkpoints.train_state import TrainStateCheckpoints
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.devices.partitioning import make_mesh
from rft_jax.errors import UserError
from rft_jax.models.llama import Params
from rft_jax.prompts import TEMPLATES, Template
from rft_jax.tokenizers import load_tokenizer
from tests.tokenizers.conftest import sentencepiece_folder


@flax.struct.dataclass
class State:
    step: jax.Array
    params: Params


@pytest.fixture(scope="module")
def model(model_folder: Path) -> LoadedModel:
    return load_model(model_folder)


@pytest.fixture
def training(model: LoadedModel, tmp_path: Path) -> Path:
    """What an unfinished training leaves: steps 10 and 20, whose parameters are 10 and 20."""
    folder = tmp_path / "run" / "checkpoints"
    checkpoints = TrainStateCheckpoints(folder, keep=2)
    template = Template("mine", "Q: {question}\nA:")
    describe_checkpoints(folder, model.config, model.tokenizer, template, "bfloat16")
    for step in (10, 20):
        params = jax.tree.map(lambda x, n=step: jnp.full_like(x, n), model.params)
        checkpoints.save(step, State(jnp.int32(step), params))
    checkpoints.close()
    return folder


def _values(params: Params) -> set[float]:
    return {float(v) for leaf in jax.tree.leaves(params) for v in np.unique(leaf)}


def test_a_folder_of_checkpoints_is_its_newest_step_with_tokenizer_and_template(
    training: Path, model: LoadedModel
) -> None:
    loaded = load_model(training)
    assert _values(loaded.params) == {20.0}
    assert loaded.config == model.config
    assert loaded.tokenizer.fingerprint == model.tokenizer.fingerprint
    assert loaded.template.name == "mine"


def test_a_step_is_a_model_by_itself_on_any_mesh(training: Path) -> None:
    loaded = load_model(training / "10", make_mesh(MeshSettings(2, 2, 2)), "bfloat16", "bfloat16")
    assert _values(loaded.params) == {10.0}
    leaves = jax.tree.leaves(loaded.params)
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype("bfloat16")}
    assert {len(leaf.sharding.device_set) for leaf in leaves} == {8}


def test_a_model_of_the_package_is_copied_by_its_name(tmp_path: Path) -> None:
    copy_model("wordproblems:model", tmp_path / "copy")
    assert json.loads((tmp_path / "copy" / "config.json").read_text())["model_type"] == "llama"


@pytest.mark.parametrize("name", ["run", "\u00b2"])
def test_a_folder_without_a_model_is_refused_whatever_its_settings_are(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with pytest.raises(UserError, match=r"no config\.json in it"):
        load_model(folder)
    (folder / "settings.json").write_text("[1]")
    with pytest.raises(UserError, match=r"settings\.json: a JSON object is needed, found list"):
        load_model(folder)


def test_the_folder_of_an_unfinished_training_is_refused_with_the_fix(training: Path) -> None:
    (training.parent / "settings.json").write_text('{"command": "train", "lora_rank": 0}')
    with pytest.raises(UserError, match="not finished; run it again"):
        load_model(training.parent)


@pytest.mark.parametrize("step", ["", "checkpoints", "checkpoints/2"])
def test_adapters_alone_are_refused_with_the_training_that_merges_them(
    tmp_path: Path, step: str
) -> None:
    (tmp_path / "lora/checkpoints/2").mkdir(parents=True)
    (tmp_path / "lora/settings.json").write_text('{"command": "train", "lora_rank": 2}')
    merged = rf"a LoRA training saves adapters alone.* and name {tmp_path / 'lora'}, which"
    with pytest.raises(UserError, match=merged):
        load_model(tmp_path / "lora" / step)


def test_a_step_that_is_not_there_is_refused_with_those_that_are(training: Path) -> None:
    (training / "30").mkdir()  # empty
    with pytest.raises(UserError, match=r"step 30 in it; there are \[20, 10\]"):
        load_model(training / "30")


def test_a_folder_without_a_template_has_the_plain_one(model: LoadedModel) -> None:
    assert model.template == TEMPLATES["plain"]


def test_a_missing_folder_and_one_without_a_config_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{tmp_path}/none: no such folder"):
        load_model(tmp_path / "none")
    with pytest.raises(UserError, match=r"no config\.json in it; a model is a Hugging"):
        load_model(tmp_path)
    (tmp_path / "weights.safetensors").touch()
    with pytest.raises(UserError, match="is a file; a model is a folder with"):
        load_model(tmp_path / "weights.safetensors")


def test_a_model_folder_without_a_tokenizer_is_refused(model_folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        shutil.copy(model_folder / name, tmp_path)
    with pytest.raises(UserError, match="no tokenizer"):
        load_model(tmp_path)


def test_a_tokenizer_larger_than_the_embedding_is_refused_with_both_sizes(
    model_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(model_folder, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": 50}))
    with pytest.raises(UserError, match=r"1 tokens .* have no row in the model's embedding of 50"):
        load_model(tmp_path)


def test_a_copy_carries_the_template_and_dtype_asked_for(
    model_folder: Path, tmp_path: Path
) -> None:
    copy_model(model_folder, tmp_path / "copy", "float16", "chatml")
    assert load_model(tmp_path / "copy").template == TEMPLATES["chatml"]
    tensors = load_file(tmp_path / "copy" / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float16)}
    copy_model(tmp_path / "copy", tmp_path / "again")
    again = load_file(tmp_path / "again" / "model.safetensors")
    assert all((again[name] == tensors[name]).all() for name in tensors)
    assert {tensor.dtype for tensor in again.values()} == {np.dtype(np.float16)}
    with pytest.raises(UserError, match="not empty; name a new folder"):
        copy_model(model_folder, tmp_path / "copy")


def test_a_copy_that_fails_leaves_its_name_free(model: LoadedModel, tmp_path: Path) -> None:
    kernel = model.params["layers"]["mlp"]["up"]["kernel"].at[0, 0, 0].set(1e5)
    up = {"up": {"kernel": kernel}}
    layers = model.params["layers"]
    params = {**model.params, "layers": {**layers, "mlp": {**layers["mlp"], **up}}}
    export_model(tmp_path / "a", model.config, params, model.tokenizer, model.template)
    with pytest.raises(UserError, match="take bfloat16"):
        copy_model(tmp_path / "a", tmp_path / "b", "float16")
    assert not (tmp_path / "b").exists()
    copy_model(tmp_path / "a", tmp_path / "b", "bfloat16")


@pytest.mark.parametrize(("prompt", "warns"), [("<s>[{question}]", 0), ("<s>[{question}]<s>", 1)])
def test_no_warning_names_the_bos_that_a_template_begins_with(
    prompt: str,
    warns: int,
    model: LoadedModel,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tokenizer, template = load_tokenizer(sentencepiece_folder(tmp_path)), Template("mine", prompt)
    replace(model, tokenizer=tokenizer, template=template).template_named("")
    assert caplog.text.count("<s> is not a token") == warns


def test_a_template_with_markers_that_are_not_tokens_is_named_with_a_warning(
    model: LoadedModel, caplog: pytest.LogCaptureFixture
) -> None:
    assert model.template_named("") == model.template
    assert model.template_named("plain") == TEMPLATES["plain"]
    assert not caplog.text
    assert model.template_named("chatml") == TEMPLATES["chatml"]
    assert "<|im_start|> is not a token of this model's tokenizer" in caplog.text
    assert caplog.text.count("<|im_end|> is not a token") == 1
