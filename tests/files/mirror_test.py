"""A remote folder and its copy: names, versions and locks, with fsspec's memory as the store."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.files import mirror
from rft_jax.files.mirror import Mirror, left_at_store, original

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """fsspec's memory; local copies in tmp_path."""
    monkeypatch.setenv(mirror.SCRATCH, str(tmp_path / "scratch"))
    store = fsspec.filesystem("memory")
    yield store
    store.store.clear()


def _copied(store: Mirror) -> dict[str, str]:
    """The files of the copy after downloading all of them."""
    store.download(store.listing())
    files = (p for p in store.local.rglob("*") if p.is_file())
    return {str(p.relative_to(store.local)): p.read_text() for p in files}


def _add_to_listing(memory: Any, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Has the store list one more file."""
    find = memory.find
    more = {path: {"name": path, "size": 1, "type": "file", "etag": "1"}}
    monkeypatch.setattr(memory, "find", lambda *a, **k: find(*a, **k) | more)


@pytest.mark.parametrize(
    "path",
    [
        "/b/model/../../../.bashrc",
        "/b/model/sub/../../x",
        "/b/model/..",
        "/b/model//etc/passwd",
        "/b/model/./x",
        "/b/another/x",
        "/b/models/x",
        "/b/model/x\0y",
    ],
)
def test_a_listed_name_that_leads_out_of_the_folder_is_refused(
    memory: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str
) -> None:
    memory.pipe_file("/b/model/config.json", b"{}")
    memory.pipe_file("/b/model/../../../.bashrc", b"echo owned")
    _add_to_listing(memory, monkeypatch, path)
    store = Mirror("memory://b/model", writes=False)
    with pytest.raises(UserError, match="which leads out of it; nothing was copied"):
        store.listing()
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == {".lock"}


@pytest.mark.parametrize("spec", ["memory://b/..", "memory://b/.", "memory://b/.lock"])
def test_a_url_whose_name_would_lead_out_of_its_copy_is_refused(memory: Any, spec: str) -> None:
    memory.pipe_file("/b/x", b"")
    with pytest.raises(UserError, match="begins with a dot"):
        Mirror(spec, writes=False)


def test_markers_of_folders_are_not_files(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe_file("/b/model/sub/x", b"1")
    _add_to_listing(memory, monkeypatch, "/b/model/sub/")
    assert _copied(Mirror("memory://b/model", writes=False)) == {"sub/x": "1"}


def test_a_file_whose_version_the_store_does_not_tell_is_downloaded_every_time(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for files at `https://`: an equal size means nothing."""
    monkeypatch.setattr(memory, "find", lambda path, **_: {path: {}})
    monkeypatch.setattr(memory, "info", lambda path: {"name": path, "size": 1, "type": "file"})
    for content in (b"1", b"2"):
        memory.pipe_file("/b/file", content)
        store = Mirror("memory://b/file", writes=False)
        store.download(store.listing())
        assert store.local.read_bytes() == content


def test_a_version_that_is_not_in_the_listing_is_requested(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe_file("/b/file", b"1")
    monkeypatch.setattr(memory, "find", lambda path, **_: {path: {}})
    downloaded: list[str] = []
    get_file = memory.get_file
    monkeypatch.setattr(memory, "get_file", lambda *a: downloaded.append(a[0]) or get_file(*a))
    for tag in ("a", "a", "b"):
        info = {"name": "/b/file", "size": 1, "type": "file", "ETag": tag}
        monkeypatch.setattr(memory, "info", lambda _, info=info: info)
        store = Mirror("memory://b/file", writes=False)
        store.download(store.listing())
        store.close()
    assert downloaded == ["/b/file"] * 2


def test_a_download_removes_temporary_files_of_a_killed_one(memory: Any) -> None:
    memory.pipe_file("/b/model/config.json", b"{}")
    store = Mirror("memory://b/model", writes=False)
    store.local.mkdir()
    (store.local / ".config.json.0123abcd.tmp").write_text("{")
    assert _copied(store) == {"config.json": "{}"}


def test_readers_share_a_copy_and_a_writer_has_its_own(memory: Any) -> None:
    memory.pipe_file("/b/model/x", b"1")
    first, second = (Mirror("memory://b/model", writes=False) for _ in range(2))
    writer = Mirror("memory://b/model", writes=True)
    assert first.local == second.local != writer.local


def test_a_disk_of_copies_that_does_not_lock_is_refused_with_the_setting(
    memory: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    memory.pipe_file("/b/model/x", b"1")

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match=r"does not lock files \(No locks.*set RFT_SCRATCH to"):
        Mirror("memory://b/model", writes=False)
    assert len(list((tmp_path / "scratch").iterdir())) == 1


def test_what_orbax_reads_from_the_store_is_listed_and_not_copied(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fsspec's memory standing in for Google's store."""
    monkeypatch.setenv("EPATH_USE_TF", "false")
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda spec: (memory, spec.removeprefix("gs:/")))
    for name in ("model/config.json", "100/params/d", "100/rest/d"):
        memory.pipe_file(f"/b/checkpoints/{name}", b"{}")
    store = Mirror("gs://b/checkpoints", writes=False)
    assert _copied(store) == {"model/config.json": "{}"}
    assert left_at_store(store.local).keys() == {"100/params/d", "100/rest/d"}
    before = left_at_store(store.local / "100")
    assert before.keys() == {"params/d", "rest/d"}
    memory.pipe_file("/b/checkpoints/100/params/d", b"{ }")
    _copied(store)
    after = left_at_store(store.local / "100")
    assert before["params/d"] != after["params/d"] and before["rest/d"] == after["rest/d"]
    assert left_at_store("/somewhere/else") == {}
    assert original(store.local / "100") == "gs://b/checkpoints/100"
