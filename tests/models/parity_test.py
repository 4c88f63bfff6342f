"""Logits and gradients against Hugging Face transformers, on tiny random models in float32."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from rft_jax.checkpoints.huggingface import import_params
from rft_jax.checkpoints.huggingface_config import read_config
from tests.llama_twin import (
    FAMILIES,
    LINEAR_ROPE,
    LLAMA3_ROPE,
    plain_rope,
    random_tensors,
    random_tokens,
    tiny_config,
    write_folder,
)
from tests.models.golden_test import loss_and_logits

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

HEADS = [(4, 4), (8, 2), (9, 3), (6, 1)]
ROPES = {
    "1e4": plain_rope(1e4),
    "1e5": plain_rope(1e5),
    "5e5": plain_rope(5e5),
    "llama3": LLAMA3_ROPE,
    "linear": LINEAR_ROPE,
}
# Every head count, kind of scaling and kind of embedding at least once; all 40 are slow.
SOME = [
    ((4, 4), "1e4", False, 61),
    ((8, 2), "5e5", True, 64),
    ((9, 3), "linear", True, 97),
    ((6, 1), "llama3", False, 33),
]
ALL = [
    (heads, rope, tied, 61) for heads, rope, tied in itertools.product(HEADS, ROPES, (False, True))
]


def _theirs(config: dict[str, Any], tokens: np.ndarray) -> tuple[Any, dict[str, np.ndarray]]:
    """Hugging Face's logits, and the gradients of the mean next-token loss by tensor name."""
    model = their_model(config)
    ids = torch.tensor(tokens, dtype=torch.long)
    logits = model(input_ids=ids).logits
    loss = torch.nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1)
    )
    loss.backward()
    gradients = {name: p.grad.numpy() for name, p in model.named_parameters()}
    return logits.detach().numpy(), gradients


def their_model(config: dict[str, Any]) -> Any:
    """The same model in transformers."""
    model_config = transformers.AutoConfig.for_model(**config)
    model = transformers.AutoModelForCausalLM.from_config(model_config, dtype=torch.float32)
    tensors = {name: torch.tensor(value) for name, value in random_tensors(config).items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert set(missing) <= {"lm_head.weight"}
    model.tie_weights()
    return model


def _differences(folder: Path, content: dict[str, Any]) -> tuple[float, dict[str, float]]:
    """The largest difference of a logit; of each parameter's gradient, relative to its norm."""
    tokens = random_tokens(content)
    their_logits, their_gradients = _theirs(content, tokens)
    config = read_config(write_folder(folder / "weights", content, random_tensors(content)))
    params = import_params(folder / "weights", config)
    gradient = jax.grad(partial(loss_and_logits, config), has_aux=True)
    gradients, logits = gradient(params, jnp.asarray(tokens))
    assert np.abs(their_logits).max() > 1
    expected = import_params(write_folder(folder / "gradients", content, their_gradients), config)
    errors = jax.tree.map(
        lambda ours, theirs: float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)),
        *jax.device_get((gradients, expected)),
    )
    return float(np.abs(logits - their_logits).max()), flatten_dict(errors, sep="/")


@pytest.mark.parametrize(("heads", "rope", "tied", "vocab_size"), SOME)
def test_logits_and_gradients_equal_hugging_faces(
    tmp_path: Path, heads: tuple[int, int], rope: str, tied: bool, vocab_size: int
) -> None:
    logits, gradients = _differences(
        tmp_path, tiny_config(*heads, tied=tied, rope=ROPES[rope], vocab_size=vocab_size)
    )
    assert logits < 1e-4
    assert all(error < 1e-3 for error in gradients.values()), gradients


@pytest.mark.slow
@pytest.mark.parametrize(("heads", "rope", "tied", "vocab_size"), ALL)
def test_logits_and_gradients_equal_hugging_faces_on_the_whole_grid(
    tmp_path: Path, heads: tuple[int, int], rope: str, tied: bool, vocab_size: int
) -> None:
    logits, gradients = _differences(
        tmp_path, tiny_config(*heads, tied=tied, rope=ROPES[rope], vocab_size=vocab_size)
    )
    assert logits < 1e-4
    assert all(error < 1e-3 for error in gradients.values()), gradients


def test_a_mistral_equals_hugging_faces_up_to_its_window(tmp_path: Path) -> None:
    content = tiny_config(8, 2, model_type="mistral", sliding_window=48)
    content["architectures"] = ["MistralForCausalLM"]
    logits, gradients = _differences(tmp_path, content)
    assert logits < 1e-4
    assert all(error < 1e-3 for error in gradients.values()), gradients


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("heads", "tied"),
    [((8, 2), True), pytest.param((4, 4), False, marks=pytest.mark.slow)],
)
def test_a_family_s_logits_and_gradients_equal_hugging_faces(
    tmp_path: Path, family: str, heads: tuple[int, int], tied: bool
) -> None:
    logits, gradients = _differences(
        tmp_path, tiny_config(*heads, tied=tied, model_type=family, **FAMILIES[family])
    )
    assert logits < 1e-4
    assert all(error < 1e-3 for error in gradients.values()), gradients


def test_bfloat16_compute_stays_near_hugging_faces_float32(tmp_path: Path) -> None:
    content = tiny_config(8, 2, rope=LLAMA3_ROPE)
    tokens = random_tokens(content)
    their_logits, _ = _theirs(content, tokens)
    folder = write_folder(tmp_path, content, random_tensors(content))
    for param_dtype in ("float32", "bfloat16"):
        config = read_config(folder, dtype="bfloat16", param_dtype=param_dtype)
        params = import_params(folder, config)
        assert {str(leaf.dtype) for leaf in jax.tree.leaves(params)} == {param_dtype}
        _, logits = loss_and_logits(config, params, jnp.asarray(tokens))
        assert logits.dtype == jnp.float32
        assert np.abs(np.asarray(logits) - their_logits).mean() < 0.03
