"""Families by their features: what each computes, and how many files a feature takes."""

from __future__ import annotations

import re
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig
from rft_jax.models.families import FAMILIES, Features, family_of

PACKAGE = Path(__file__).parents[2] / "rft_jax"
GRANITE = ("embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling")


def test_a_model_with_any_of_granites_multipliers_is_a_granite() -> None:
    assert family_of(LlamaConfig()) == "llama"
    for name in GRANITE:
        changed = LlamaConfig(**{"attention_multiplier": 0.1, name: 2.0})
        assert family_of(changed) == "granite"


def test_what_a_family_writes_is_what_it_reads() -> None:
    for name, family in FAMILIES.items():
        read = Features(**family.read(family.defaults))
        assert family.describes(read), name
        assert Features(**family.read(family.write(read))) == read, name


def test_a_configurations_features_are_its_familys_fields() -> None:
    features = Features(biases=("o",), residual_multiplier=0.5)
    config = LlamaConfig(num_layers=3, **asdict(features))
    assert config.features == features
    assert replace(config, num_layers=4).features == features


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"biases": ("q", "x")}, r"biases \['x'\]: some of q, k, v"),
        ({"norm_position": "both"}, "norm_position 'both': one of before, after is needed"),
        ({"sliding_window": True}, "sliding_window True is not a positive whole number"),
        ({"logits_scaling": float("nan")}, "logits_scaling nan is not a positive number"),
        ({"residual_multiplier": -0.2}, "residual_multiplier -0.2 is not a positive number"),
    ],
)
def test_values_that_mean_nothing_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Features(**change)  # type: ignore[arg-type]


def test_a_feature_is_computed_and_described_in_three_files_at_most() -> None:
    """The page on extending promises it; the window only bounds lengths."""
    texts = {path: path.read_text() for path in PACKAGE.rglob("*.py")}
    for name in {one.name for one in fields(Features)} - {"sliding_window"}:
        used = re.compile(rf"(config|features)\.{name}\b")
        files = {p.name for p, text in texts.items() if used.search(text)} | {"families.py"}
        assert files <= {"families.py", "llama.py", "parameters.py"}, name
        assert "llama.py" in files, name
