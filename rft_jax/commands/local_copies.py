"""Flags that name paths: local copies of URLs and of files with other names of columns."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rft_jax.commands.base import InputPath, OutputPath, RowsPath
from rft_jax.errors import names_as_given
from rft_jax.files.remote import fetched, mirrored
from rft_jax.records.renamed import Renaming, parse_columns


@contextmanager
def local_copies(flags: argparse.Namespace) -> Iterator[None]:
    """Within the block the path flags name local files with our columns, also for URLs.

    Errors name the files as the user did.
    """
    copies: dict[str, str] = {}
    columns = parse_columns(getattr(flags, "columns", ""))
    with ExitStack() as stack:
        renaming = None
        if columns:
            renaming = Renaming(columns, Path(stack.enter_context(TemporaryDirectory())))
        stack.enter_context(names_as_given(copies))
        for name, value in vars(flags).items():
            setattr(flags, name, _fetched(value, copies, renaming))
        if renaming:
            renaming.check()
        for name, value in vars(flags).items():
            if isinstance(value, OutputPath):
                setattr(flags, name, stack.enter_context(mirrored(str(value))))
        yield


def _fetched(value: Any, copies: dict[str, str], renaming: Renaming | None) -> Any:
    """A flag's value with the local copies of its paths, which are noted in `copies`."""
    if isinstance(value, list):
        return [_fetched(one, copies, renaming) for one in value]
    if not isinstance(value, InputPath):
        return value
    local = fetched(str(value))
    if renaming and isinstance(value, RowsPath):
        local = str(renaming.copy(Path(local)))
    if local != value:
        copies[local] = str(value)
    return local
