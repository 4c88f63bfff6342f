"""Digests of files, remembered where nothing can have changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from rft_jax.files import digests
from rft_jax.files.digests import content_digest


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The large files (of over 10 bytes) that are read, in order."""
    found: list[str] = []

    def read(path: Path) -> str:
        found.append(path.name)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(digests, "SMALL_BYTES", 10)
    monkeypatch.setattr(digests, "file_digest", read)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return found


def _age(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the file had been written a minute ago."""
    now = path.stat().st_ctime_ns + 60 * 10**9
    monkeypatch.setattr(digests.time, "time_ns", lambda: now)


def test_a_large_file_is_read_once_until_it_changes(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"a" * 20)
    _age(path, monkeypatch)
    assert content_digest(path) == content_digest(path) == hashlib.sha256(b"a" * 20).hexdigest()
    assert reads == ["weights"]
    stamps = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_bytes(b"b" * 20)
    os.utime(path, ns=stamps)  # the same size and modification time, as `cp -p` leaves it
    assert content_digest(path) == hashlib.sha256(b"b" * 20).hexdigest()
    assert reads == ["weights"] * 2


def test_another_file_of_that_name_is_read(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in (b"a" * 20, b"b" * 20):
        path = tmp_path / "new"
        path.write_bytes(content)
        path.rename(tmp_path / "weights")
        _age(tmp_path / "weights", monkeypatch)
        assert content_digest(tmp_path / "weights") == hashlib.sha256(content).hexdigest()
    assert len(reads) == 2


def test_a_file_written_just_now_is_not_remembered(tmp_path: Path, reads: list[str]) -> None:
    (tmp_path / "weights").write_bytes(b"a" * 20)
    for _ in range(2):
        content_digest(tmp_path / "weights")
    assert reads == ["weights"] * 2


def test_without_a_cache_to_write_to_the_digest_is_computed(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").write_bytes(b"a" * 20)
    (tmp_path / "cache").write_text("a file, so that no folder can be made of it")
    _age(tmp_path / "weights", monkeypatch)
    assert content_digest(tmp_path / "weights") == hashlib.sha256(b"a" * 20).hexdigest()
    assert reads == ["weights"]


def test_a_small_file_has_a_short_digest(tmp_path: Path, reads: list[str]) -> None:
    (tmp_path / "small").write_bytes(b"a")
    assert content_digest(tmp_path / "small") == hashlib.sha256(b"a").hexdigest()[:16]
    assert not (tmp_path / "cache").exists() and reads == ["small"]
