"""Settings on the command line: files, flags, what cannot be bound, and `--dry_run`."""

from __future__ import annotations

import pytest

from rft_jax import cli
from rft_jax.commands.loop import RUN
from rft_jax.commands.train import TRAIN
from rft_jax.gin_files import installed_gin_files
from rft_jax.gin_settings import load_config
from rft_jax.training.settings import TrainSettings


@pytest.mark.parametrize(
    "name", [n for n in installed_gin_files() if n.startswith(("runs/", "experiments/"))]
)
def test_every_installed_run_binds_only_existing_settings(name):
    config = load_config(RUN.settings_classes(), [name], scoped=True)
    for kind in RUN.settings_classes().values():
        assert isinstance(config.get(kind), kind)


@pytest.mark.parametrize("name", ["runs/sft.gin", "runs/rft.gin"])
def test_the_papers_settings_work_for_a_single_training(name, capsys):
    words = ["train", "--model", "m", "--data", "d", "--output", "o", "--dry_run"]
    assert cli.main([*words, "--gin_file", name]) == 0
    assert "train.batch_size = 48\n" in capsys.readouterr().out
    settings = load_config(TRAIN.settings_classes(), [name]).get(TrainSettings)
    assert (settings.learning_rate, settings.warmup_ratio) == (2e-5, 0.03)


def test_a_dry_run_prints_what_is_not_the_default_and_how_to_see_the_rest(capsys):
    words = ["collect", "--problems", "p", "--samples", "s", "--output", "o", "--dry_run"]
    flags = ["--gin.collect.dedup=none", "--gin.collect.select=farthest"]  # the second is
    assert cli.main([*words, *flags]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "# rft collect",
        "collect.dedup = 'none'",
        "# every other setting has its default: rft collect --help-all lists them",
    ]


def test_a_dry_run_of_a_run_prints_nothing_of_commands_at_their_defaults(capsys):
    words = ["run", "--output", "o", "--gin_file", "runs/quickstart.gin", "--dry_run"]
    assert cli.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "train.learning_rate = 0.001" in lines
    assert not any(line.startswith("policy.") for line in lines)


def test_a_dry_run_prints_settings_that_can_be_loaded_and_does_nothing(capsys, tmp_path):
    words = ["collect", "--problems", "p", "--samples", "s", "--output", str(tmp_path / "out")]
    assert cli.main([*words, "--gin.collect.dedup=none", "--dry_run"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "printed.gin").write_text(text)
    again = cli.COMMANDS["collect"].settings_classes()
    kind = again["collect"]
    assert load_config(again, [str(tmp_path / "printed.gin")]).get(kind) == kind(dedup="none")
    assert not (tmp_path / "out").exists()


def test_fresh_weights_take_their_shape_from_a_config_by_name_and_flags(capsys):
    words = ["train", "--model", "init:wordproblems", "--data", "d", "--output", "o", "--dry_run"]
    assert cli.main([*words, "--gin.llama.num_layers=9"]) == 0
    text = capsys.readouterr().out
    assert "llama.num_layers = 9\n" in text
    assert "llama.hidden_size = 128\n" in text


def test_the_resolved_settings_are_saved_beside_the_output(rft, problems, samples, tmp_path):
    out = tmp_path / "out"
    words = ["collect", "--problems", problems, "--samples", samples, "--output", out]
    assert rft(*words, "--gin.collect.workers=1")[0] == 0
    assert "collect.workers = 1\n" in (out / "config.gin").read_text()


def test_unknown_flags_and_commands_are_refused_in_one_line(rft):
    code, lines = rft("collect", "--problem", "p", "--samples", "s", "--output", "o")
    assert (code, len(lines)) == (2, 1)
    assert lines[0].startswith("rft: ")
    code, lines = rft("colect")
    assert (code, len(lines)) == (2, 1)
    assert "colect" in lines[0]


def test_an_unknown_binding_is_refused_before_any_work(rft, tmp_path):
    out = tmp_path / "out"
    words = ["collect", "--problems", "p", "--samples", "s", "--output", out]
    code, lines = rft(*words, "--gin.collect.dedupe=none")
    assert (code, len(lines)) == (2, 1)
    start = "rft: --gin.collect.dedupe=none: collect has no 'dedupe'; closest: collect.dedup"
    assert lines[0].startswith(start)
    code, lines = rft(*words, "--gin.train.num_epochs=3")
    assert code == 2
    assert "no settings 'train' here" in lines[0]
    assert not out.exists()


def test_the_shape_of_an_existing_model_cannot_be_bound(rft):
    words = ["train", "--model", "some/folder", "--data", "d", "--output", "o"]
    code, lines = rft(*words, "--gin.llama.num_layers=2")
    assert code == 2
    assert "llama.num_layers has no effect with a model that has its shape" in lines[0]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["sample", "--server", "http://localhost:1", "--model", "m"], "--server"),
        (["evaluate", "--samples", "s"], "--samples"),
    ],
)
def test_settings_without_an_effect_are_refused(rft, words, why):
    code, lines = rft(*words, "--problems", "p", "--output", "o", "--gin.mesh.data=2")
    assert code == 2
    assert lines == [f"rft: --gin.mesh.data=2: mesh.data has no effect with {why}; leave it out"]


def test_settings_of_arithmetic_are_refused_by_kinds_without_it(rft):
    words = ["derive", "--kind", "human", "--problems", "p", "--output", "o"]
    code, lines = rft(*words, "--gin.arithmetic.largest=9")
    assert code == 2
    assert "arithmetic.largest has no effect with --kind human; leave it out" in lines[0]


@pytest.mark.parametrize("words", [["collect"], ["evaluate", "--model", "m"]])
def test_a_format_of_samples_is_refused_without_samples(rft, words, problems, tmp_path):
    given = ["--problems", problems, "--samples_format", "vllm", "--output", tmp_path / "out"]
    code, lines = rft(*words, *given)
    assert code == 2
    assert lines == ["rft: --samples_format is for --samples; name some, or leave it out"]
