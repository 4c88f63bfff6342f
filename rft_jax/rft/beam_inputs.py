"""The samples files of a Beam pipeline: those of other programs are converted before it starts.

Their samples are numbered in the order of all files and matched to problems by question, so one
process reads them, as `rft collect` does. Verifying, which takes most of the time, is the
pipeline's.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from rft_jax.errors import UserError, names_as_given
from rft_jax.files.jsonl import refuse_tables
from rft_jax.files.parquet import SUFFIX
from rft_jax.files.remote import fetched
from rft_jax.records import (
    Problem,
    check_named_once,
    check_shards,
    finished_sample_files,
    sample_files,
)
from rft_jax.records.foreign import check_format, first_format
from rft_jax.records.renamed import Renaming
from rft_jax.records.sample_formats import OURS
from rft_jax.rft.conversion import in_our_format
from rft_jax.rft.samples import Shard

_FILE = (".jsonl", ".jsonl.gz", ".json", ".json.gz", SUFFIX)


def find_shards(
    folders: Sequence[str],
    problems: Sequence[Problem],
    target: str,
    scratch: Path,
    named: str = "",
    renaming: Renaming | None = None,
    skips_others: bool = False,
) -> list[Shard]:
    """The samples files of each folder (or the file itself), wherever Beam can read.

    Args:
      target: a folder that workers can read, for the files that are converted.
      scratch: an empty local folder.
      named: format of all samples; '' for found by looking at the first row of a folder.
      renaming: of the columns, as `--columns` says; such files are copied too.
      skips_others: whether samples of other problems are left out; all files are copied then.

    Raises:
      UserError: a folder or file is missing or named twice, has no samples or is not finished, or
        rows of another program are not samples of the problems.
    """
    check_format(named)
    check_named_once(folders)
    shards: list[Shard] = []
    copies: list[Shard] = []
    given: dict[str, str] = {}  # local copy -> as it was named
    for index, folder in enumerate(folders):
        paths = _list(folder)
        if renaming is None and not skips_others and _are_ours(paths, named):
            shards += [Shard(path, index) for path in paths]
            continue
        copy = Path(fetched(folder))
        copy = renaming.copy(copy) if renaming else copy
        given[str(copy)] = folder
        copies += [Shard(str(file), index) for file in sample_files(copy)]
    if renaming:
        renaming.check()
    with names_as_given(given):
        copies = in_our_format(copies, folders, problems, scratch, named, skips_others)
    return shards + [_upload(copy, f"{target}/{n:05d}") for n, copy in enumerate(copies)]


def _upload(shard: Shard, target: str) -> Shard:
    """A copy of a local file where workers can read it, under the names of its folder and file."""
    target = FileSystems.join(target, *Path(shard.path).parts[-2:])
    with open(shard.path, "rb") as source, FileSystems.create(target) as file:
        shutil.copyfileobj(source, file)
    return replace(shard, path=target)


def _list(folder: str) -> list[str]:
    refuse_tables(folder)
    if folder.endswith(_FILE):
        if not FileSystems.exists(folder):
            raise UserError(f"{folder}: no such file; name what rft sample wrote, or the samples")
        return [folder]
    (listing,) = FileSystems.match([FileSystems.join(folder, "*")])
    paths = {FileSystems.split(file.path)[1]: file.path for file in listing.metadata_list}
    names = finished_sample_files(folder, paths)
    check_shards(folder, names)
    return [paths[name] for name in names]


def _are_ours(paths: Sequence[str], named: str) -> bool:
    """Whether workers can read a folder's files as they are, by the first one's first row."""
    if any(path.endswith(SUFFIX) for path in paths):
        return False
    if named:
        return named == OURS
    with open_plain(paths[0]) as file:
        return first_format(file, paths[0]) == OURS


def open_plain(path: str) -> Any:
    """A file's bytes, gunzipped by its suffix."""
    file = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return gzip.GzipFile(fileobj=file) if path.endswith(".gz") else file
