"""The text of settings: the search for gin files, and who bound what."""

from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.gin_files import find_gin_file, installed_gin_files, read_bindings


def test_installed_files_are_found_by_name_with_or_without_folder_and_suffix():
    assert "runs/quickstart.gin" in installed_gin_files()
    paths = {
        find_gin_file(name)
        for name in ("runs/quickstart.gin", "configs/runs/quickstart.gin", "runs/quickstart")
    }
    assert len({path.resolve() for path in paths}) == 1


def test_a_missing_file_is_refused_with_close_names():
    with pytest.raises(UserError, match=r"runs/quikstart.gin: no such gin file.*runs/quickstart"):
        find_gin_file("runs/quikstart.gin")


def test_a_binding_says_whether_the_package_a_file_or_a_flag_of_the_user_made_it(
    tmp_path: Path,
) -> None:
    own = tmp_path / "own.gin"
    own.write_text("include 'runs/quickstart.gin'\nsft/train.num_epochs = 5\n")
    found = read_bindings([str(own)], ["train.num_epochs=7"], ["train.max_length=99"])
    origins = {(one.key, one.value): one.origin for one in found}
    assert origins["train.max_length", 99] == "default"
    assert origins["train.num_epochs", 3] == "installed"
    assert origins["sft/train.num_epochs", 5] == "file"
    assert origins["train.num_epochs", 7] == "flag"
