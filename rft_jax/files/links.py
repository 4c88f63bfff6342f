"""Links from names to folders that no disk or object store loses: relative links and a table."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_object, write_json

TABLE = "links.json"


def write_links(folder: Path, targets: Mapping[str, Path]) -> None:
    """Makes the links of a folder, and its table, which object stores keep; removes others.

    Args:
      targets: name in the folder -> the folder that it stands for.
    """
    paths = {name: os.path.relpath(target, folder) for name, target in targets.items()}
    write_json(folder / TABLE, paths)
    for old in folder.iterdir():
        if old.is_symlink():
            old.unlink()
    for name, path in paths.items():
        with suppress(OSError):  # a disk without links; the table has them too
            (folder / name).symlink_to(path, target_is_directory=True)


def table_of(spec: str) -> str:
    """The path or URL of the table in which a link would be."""
    return f"{spec.rstrip('/').rpartition('/')[0] or '.'}/{TABLE}"


def followed(spec: str, table: str | Path) -> str | None:
    """The path or URL that a link stands for; None if the table (a local file) does not have it.

    Args:
      spec: path or URL of the link.

    Raises:
      UserError: the table is not one of links.
    """
    folder, _, name = spec.rstrip("/").rpartition("/")
    target = read_object(table).get(name) if Path(table).is_file() else None
    if target is None:
        return None
    if not isinstance(target, str) or target.startswith("/"):
        raise UserError(f"{table}: {name} is {target!r:.60}; a folder's relative path is needed")
    scheme, separator, path = folder.rpartition("://")
    return f"{scheme}{separator}{posixpath.normpath(posixpath.join(path or '.', target))}"
