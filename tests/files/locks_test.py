"""File locks: one holder or several readers, and disks that lock nothing."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path
from typing import Any

import pytest

from rft_jax.files.locks import LocksUnsupported, try_lock


def test_one_process_holds_a_lock_and_several_share_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with open(path, "a+") as first, open(path, "a+") as second:
        assert try_lock(first, shared=True)
        assert try_lock(second, shared=True)
        assert not try_lock(second)
        first.close()
        assert try_lock(second)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_disk_without_locks_is_not_taken_for_a_held_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with open(tmp_path / "lock", "a+") as file, pytest.raises(LocksUnsupported, match="refused"):
        try_lock(file)
