"""JSON and JSON Lines: UTF-8, an object per row, gzip by suffix; files are replaced as a whole.

`read_rows` also reads JSON arrays and Parquet, by suffix.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import json
import shlex
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from rft_jax.errors import MistakeList, UserError
from rft_jax.files.atomic import replacing
from rft_jax.files.parquet import SUFFIX, parquet_rows

# Raised while reading a file that is truncated or is not a gzip file.
_GZIP_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile)
# Suffixes of tables, and what tells Python's reader how their cells are divided.
_DELIMITERS = {".csv": "", ".tsv": r",delimiter='\t'"}
# The first bytes of a file that is not lines of UTF-8 -> what it is and the fix.
_OTHER_FILES = {
    codecs.BOM_UTF16_LE: "UTF-16; write it as UTF-8: iconv -f UTF-16 -t UTF-8",
    codecs.BOM_UTF16_BE: "UTF-16; write it as UTF-8: iconv -f UTF-16 -t UTF-8",
    b"\x1f\x8b": "compressed by gzip; give its name the suffix .gz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; decompress it: zstd -d",
    b"\xfd7zXZ": "compressed by xz; decompress it: xz -d",
    b"BZh": "compressed by bzip2; decompress it: bunzip2",
    b"PK\x03\x04": "a zip archive; unpack it",
    b"PAR1": f"Parquet; give its name the suffix {SUFFIX}",
}
LONGEST_LINE = 64 << 20
"""Bytes, of a row in an array too; parsed JSON takes several times as many."""
LONGEST_ARRAY = 1 << 30
"""Bytes of a JSON array, which is parsed as a whole."""


def read_rows(
    path: str | Path, mistakes: MistakeList | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line number from 1, row) of a JSONL file; skips blank lines.

    The rows of a Parquet file, and those of an array in a `.json` file, are numbered from 1.

    Args:
      mistakes: notes lines that are not JSON objects, which are left out then.

    Raises:
      UserError: the file is missing or truncated, or a line is not a JSON object or too long; names
        file and line.
    """
    noting = mistakes.caught if mistakes else nullcontext
    try:
        if str(path).endswith(SUFFIX):
            yield from enumerate(parquet_rows(path), start=1)
            return
        if str(path).removesuffix(".gz").endswith(".json") and _is_array(path):
            yield from _array_rows(path)
            return
        with open_lines(path) as file:
            for number, line in numbered_lines(file, str(path)):
                row = None
                with noting():
                    row = parse_row(line, f"{path}:{number}") if line.strip() else None
                if row is not None:
                    yield number, row
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: is a folder; a JSONL file is needed") from error


def _is_array(path: str | Path) -> bool:
    with open_lines(path) as file, suppress(*_GZIP_ERRORS):
        return file.read(1024).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")
    return False


def _array_rows(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        content = _array_bytes(path)
        longest = len(content)  # that a row can be
        rows = json.loads(content.decode("utf-8-sig"))
        del content  # rows alone take several times as much
    except UserError:
        raise
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error})") from error
    except _GZIP_ERRORS as error:
        raise UserError(f"{path}: the gzip stream is damaged ({error}); write it again") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            kind = type(row).__name__
            raise UserError(f"{path}:{number}: a JSON object is needed, found {kind}")
        if longest > LONGEST_LINE:
            _check_length(len(_encode(row)), "row", f"{path}:{number}")
        yield number, row


def _array_bytes(path: str | Path) -> bytearray:
    """The content of a file, decompressed; a small gzip file may contain more than memory holds.

    Raises:
      UserError: it is longer than LONGEST_ARRAY.
    """
    content = bytearray()
    with open_lines(path) as file:
        while chunk := file.read(1 << 20):
            content += chunk
            if len(content) > LONGEST_ARRAY:
                raise UserError(
                    f"{path}: a JSON array of more than {LONGEST_ARRAY >> 20} MiB; write JSON "
                    "Lines, a row per line: jq -c '.[]'"
                )
    return content


def _check_length(length: int, kind: str, where: str) -> None:
    if length > LONGEST_LINE:
        raise UserError(
            f"{where}: a {kind} of more than {LONGEST_LINE >> 20} MiB; remove it, or shorten its "
            "fields"
        )


def refuse_tables(path: str | Path) -> None:
    """Refuses CSV and TSV, by suffix, with the command that converts them.

    Raises:
      UserError: the file is one of the two.
    """
    name = Path(path)
    suffix = name.suffix.lower()
    if suffix in _DELIMITERS:
        reader = f"csv.DictReader(open(0,encoding='utf-8-sig',newline=''){_DELIMITERS[suffix]})"
        code = f"import csv,json;[print(json.dumps(row)) for row in {reader}]"
        new = shlex.quote(str(name.with_suffix(".jsonl")))
        raise UserError(
            f"{path}: {suffix[1:].upper()} is not read; convert it: "
            f'python -c "{code}" < {shlex.quote(str(path))} > {new}'
        )


def open_lines(path: str | Path) -> IO[bytes]:
    """Opens a file for reading, decompressed if its name ends in `.gz`.

    Raises:
      UserError: it is CSV or TSV.
    """
    refuse_tables(path)
    if str(path).endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return open(path, "rb", buffering=1 << 20)


def numbered_lines(file: IO[bytes], name: str) -> Iterator[tuple[int, bytes]]:
    """Yields (line number from 1, line), without the byte order mark that some editors add.

    Args:
      name: of the file, for messages.

    Raises:
      UserError: a gzip file is truncated or damaged, or a line is longer than LONGEST_LINE, which
        a small gzip file may contain; names file and line. Or the file is in another encoding or
        compression.
    """
    number = 0
    try:
        for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE + 1), b""), start=1):
            _check_length(len(line), "line", f"{name}:{number}")
            if number == 1:
                _refuse_other_files(line, name)
                line = line.removeprefix(codecs.BOM_UTF8)
            yield number, line
    except _GZIP_ERRORS as error:
        raise UserError(
            f"{name}:{number + 1}: the gzip stream is damaged ({error}); write the file again"
        ) from error


def _refuse_other_files(start: bytes, name: str) -> None:
    for magic, kind in _OTHER_FILES.items():
        if start.startswith(magic):
            raise UserError(f"{name}: is {kind}")


def parse_row(line: bytes, where: str) -> dict[str, Any]:
    """The JSON object in a line.

    Args:
      where: file and line, for messages.

    Raises:
      UserError: the line is not a JSON object.
    """
    try:
        row = json.loads(line.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON ({error}); fix or remove the line") from error
    if not isinstance(row, dict):
        raise UserError(f"{where}: a JSON object is needed, found {type(row).__name__}")
    return row


@contextmanager
def atomic_write(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Opens a file that appears under its name only when the block ends without an error."""
    encoding = None if "b" in mode else "utf-8"
    with replacing(Path(path)) as temporary, open(temporary, mode, encoding=encoding) as file:
        yield file


def write_rows(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Writes rows atomically and returns their number.

    A name that ends in `.gz` is compressed, the same bytes each time.
    """
    with atomic_write(path, "wb") as raw:
        if str(path).endswith(".gz"):
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
                return _write_all(file, rows)
        return _write_all(raw, rows)


def _write_all(file: Any, rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    for row in rows:
        file.write(_encode(row))
        count += 1
    return count


def _encode(value: Any, indent: int | None = None) -> bytes:
    """JSON and a line feed; escaped only if it has a lone surrogate, which UTF-8 cannot encode."""
    text = json.dumps(value, ensure_ascii=False, indent=indent) + "\n"
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return (json.dumps(value, indent=indent) + "\n").encode("ascii")


def read_json(path: str | Path) -> Any:
    """The value of a JSON file.

    Raises:
      UserError: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error})") from error


def read_object(path: str | Path) -> dict[str, Any]:
    """The object of a JSON file.

    Raises:
      UserError: the file is missing, is not JSON, or has another value than an object.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path}: a JSON object is needed, found {type(value).__name__}")
    return value


def write_json(path: str | Path, value: Any) -> None:
    """Writes one JSON value atomically, indented, keys in the order given."""
    with atomic_write(path, "wb") as file:
        file.write(_encode(value, indent=2))


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
