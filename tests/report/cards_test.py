"""The cards of exported models and data."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_json, write_rows
from rft_jax.report.cards import CARD, write_data_card, write_model_card


def _front(text: str) -> dict:
    return yaml.safe_load(text.split("---")[1])


def _exported(folder: Path) -> Path:
    folder.mkdir()
    write_json(folder / "prompt_template.json", {"name": "plain", "prompt": "Q: {question}\n"})
    return folder


def test_the_card_of_a_training_has_base_data_settings_and_results(tmp_path: Path) -> None:
    (tmp_path / "rft").mkdir()
    made = {"model": "base-7b 0123", "data": ["paths.jsonl 4567"], "learning_rate": 2e-5}
    write_json(tmp_path / "rft" / "settings.json", made | {"num_epochs": 3, "num_steps": 0})
    write_json(tmp_path / "rft" / "data.json", {"examples": 1234, "tokens": 5678})
    (tmp_path / "e").mkdir()
    metric = {"value": 0.4125, "ci95": [0.39, 0.44], "n": 1319}
    write_json(tmp_path / "e" / "metrics.json", {"k": 100, "mean@1": metric, "maj@k": metric})
    write_json(tmp_path / "e" / "settings.json", {"problems": "gsm8k:test 89ab"})
    folder = _exported(tmp_path / "out")
    write_model_card(folder, tmp_path / "rft", [str(tmp_path / "e")])
    text = (folder / CARD).read_text()
    front = _front(text)
    assert front["base_model"] == "base-7b" and front["library_name"] == "transformers"
    assert "license" not in front and "# license: to be chosen by you" in text
    for row in (
        "| files | paths.jsonl |",
        "| examples | 1,234 |",
        "| `learning_rate` | 2e-05 |",
        "| `num_epochs` | 3 |",
        "| gsm8k:test | mean@1 | 41.2% | 39.0% to 44.0% | 1,319 |",
        "| gsm8k:test | maj@100 | 41.2% | 39.0% to 44.0% | 1,319 |",
    ):
        assert f"{row}\n" in text, row
    assert "num_steps" not in text and "Q: {question}" in text


def test_a_card_has_what_a_training_chose_where_its_settings_are_0(tmp_path: Path) -> None:
    source = tmp_path / "rft"
    source.mkdir()
    made = {"model": "base 0123", "data": [], "learning_rate": 0.0, "batch_size": 0}
    write_json(source / "settings.json", made | {"lora_rank": 0, "lora_alpha": 32.0})
    write_json(source / "data.json", {"examples": 200, "batch_rows": 4})
    rates = [0.0011, 0.00222, 0.001]
    write_rows(
        source / "metrics.jsonl", [{"step": n, "learning_rate": r} for n, r in enumerate(rates)]
    )
    folder = _exported(tmp_path / "out")
    write_model_card(folder, source, [])
    text = (folder / CARD).read_text()
    assert "| `learning_rate` | 0.0022 |\n| `batch_size` | 4 |\n" in text
    assert "lora_alpha" not in text


def test_the_card_of_another_model_claims_nothing(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    folder = _exported(tmp_path / "out")
    write_model_card(folder, tmp_path / "m", [])
    text = (folder / CARD).read_text()
    assert "base_model" not in _front(text)
    assert not any(f"## {title}" in text for title in ("Results", "Settings", "Training data"))


def test_the_card_of_paths_counts_origins_and_models(tmp_path: Path) -> None:
    rows = [
        {
            "id": "a",
            "query": "q",
            "response": "r",
            "origin": "human",
            "models": [],
            "equations": [],
        },
        {"id": "a", "query": "q", "response": "s", "origin": "sampled", "models": ["m", "n"]},
    ]
    write_rows(tmp_path / "paths.jsonl", rows)
    (tmp_path / "out").mkdir()
    write_data_card(tmp_path / "out" / "train.parquet", "paths", 2, tmp_path / "paths.jsonl")
    text = (tmp_path / "out" / CARD).read_text()
    assert _front(text)["configs"][0]["data_files"] == "train.parquet"
    for row in ("| problems | 1 |", "| sampled | 1 |", "| sampled by n | 1 |"):
        assert f"{row}\n" in text
    with pytest.raises(UserError, match=r"README\.md: exists already"):
        write_data_card(tmp_path / "out" / "x.parquet", "paths", 2, tmp_path / "paths.jsonl")
