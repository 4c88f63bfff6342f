"""`--help`: every command, example and setting is explained."""

from __future__ import annotations

import shlex

import pytest

from rft_jax import cli
from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.commands.base import common_fields, field_documents
from rft_jax.models.config import LlamaConfig
from rft_jax.typed_values import field_types

SETTINGS = {
    name: kind
    for command in cli.COMMANDS.values()
    for name, kind in command.settings_classes().items()
}


def _help(capsys, *words: str, flag: str = "--help") -> str:
    with pytest.raises(SystemExit) as end:
        cli.main([*words, flag])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_command(capsys):
    text = _help(capsys)
    assert all(f"\n    {name}" in text for name in cli.COMMANDS)


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_each_commands_help_has_examples_and_its_common_settings_with_their_defaults(capsys, name):
    text = _help(capsys, name)
    command = cli.COMMANDS[name]
    assert f"  rft {name}" in text.partition("examples:")[2]
    rest = 0
    for gin_name, kind in command.settings_classes().items():
        common = [] if gin_name in command.rare else common_fields(kind)
        for field in field_types(kind):
            assert (f"\n  {gin_name}.{field} = " in text) == (field in common)
            rest += field not in common
    assert (f"\n{rest} more settings: rft {name} --help-all\n" in text) == bool(rest)


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_help_all_has_every_setting_with_its_default(capsys, name):
    text = _help(capsys, name, flag="--help-all")
    for gin_name, kind in cli.COMMANDS[name].settings_classes().items():
        assert all(f"\n  {gin_name}.{field} = " in text for field in field_types(kind))
    assert "more settings" not in text


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_settings_that_are_marked_as_common_exist(name):
    marked = getattr(SETTINGS[name], "COMMON", None) or ()
    assert {*marked} <= {*field_types(SETTINGS[name])}


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_is_documented(name):
    documents = field_documents(SETTINGS[name])
    assert [field for field in field_types(SETTINGS[name]) if not documents.get(field)] == []


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_example_in_the_help_is_a_command_line_that_parses(name):
    for example in cli.COMMANDS[name].examples:
        flags, rest = cli.build_parser().parse_known_args(shlex.split(example)[1:])
        assert flags.command.name == name
        assert all(word.startswith("--gin.") for word in rest)


def test_training_examples_with_the_packages_own_model_fit_its_positions(monkeypatch):
    lengths = []

    def note(model, _data, _output, settings, *_):
        lengths.append((model, settings.max_length))
        if isinstance(model, LlamaConfig):
            assert settings.tokenizer

    monkeypatch.setattr("rft_jax.training.trainer.train", note)
    for example in cli.COMMANDS["train"].examples:
        words = shlex.split(example)[1:]
        if any("wordproblems" in word for word in words):
            assert cli.main(words) == 0
    assert len(lengths) == 2
    for model, length in lengths:
        config = model if isinstance(model, LlamaConfig) else read_config(model)
        config.check_length(length)
