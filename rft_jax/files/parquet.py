"""Parquet files; pyarrow, an extra, is imported when one is read or written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.atomic import replacing
from rft_jax.files.surrogates import without_surrogates
from rft_jax.installation import how_to_install

SUFFIX = ".parquet"
_ROWS = 1024  # that are in memory at once


def parquet_rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, in order.

    Raises:
      UserError: it is not a Parquet file, or has values that Python cannot represent (a text that
        is not UTF-8, a date beyond the year 9999), or pyarrow is not installed.
    """
    pyarrow = _pyarrow(path)
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS):
                yield from batch.to_pylist()
    except MemoryError:
        raise
    except (pyarrow.ArrowException, ValueError, OverflowError) as error:
        raise UserError(f"{path}: not a Parquet file that can be read ({error})") from error
    except OSError as error:
        if error.errno is not None:  # the system's; damaged pages have none
            raise
        raise UserError(f"{path}: the Parquet file is damaged ({error})") from error


def write_parquet(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows atomically; the columns are those of all rows.

    A lone surrogate, which UTF-8 does not have, becomes U+FFFD.

    Raises:
      UserError: pyarrow is not installed.
    """
    pyarrow = _pyarrow(path)
    rows = list(map(without_surrogates, rows))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = pyarrow.table({name: [row.get(name) for row in rows] for name in columns})
    with replacing(Path(path)) as temporary:
        pyarrow.parquet.write_table(table, temporary)


def _pyarrow(path: str | Path) -> ModuleType:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise UserError(
            f"{path}: Parquet needs pyarrow, which is not installed: {how_to_install('parquet')}"
        ) from error
    return pyarrow
