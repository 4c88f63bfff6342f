"""`--help`: every command, example and setting is explained."""

from __future__ import annotations

import shlex

import pytest

from rft_jax import cli
from rft_jax.commands.base import field_documents
from rft_jax.typed_values import field_types

SETTINGS = {
    name: kind
    for command in cli.COMMANDS.values()
    for name, kind in command.settings_classes().items()
}


def _help(capsys, *words: str) -> str:
    with pytest.raises(SystemExit) as end:
        cli.main([*words, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_command(capsys):
    text = _help(capsys)
    assert all(f"\n    {name}" in text for name in cli.COMMANDS)


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_each_commands_help_has_examples_and_every_setting_with_its_default(capsys, name):
    text = _help(capsys, name)
    command = cli.COMMANDS[name]
    assert f"  rft {name}" in text.partition("examples:")[2]
    for gin_name, kind in command.settings_classes().items():
        assert all(f"  {gin_name}.{field} = " in text for field in field_types(kind))


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
