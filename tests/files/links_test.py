"""Links from names to folders, and their table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.files import mirror
from rft_jax.files.links import TABLE, followed, table_of, write_links
from rft_jax.files.remote import fetched

fsspec = pytest.importorskip("fsspec")


def test_a_link_leads_to_its_folder_wherever_the_tree_is_moved(tmp_path: Path) -> None:
    target = tmp_path / "a" / "stages" / "x"
    target.mkdir(parents=True)
    write_links(tmp_path / "a" / "models", {"m": target})
    (tmp_path / "a").rename(tmp_path / "b")
    link = tmp_path / "b" / "models" / "m"
    assert link.resolve() == tmp_path / "b" / "stages" / "x"
    assert followed(str(link), table_of(str(link))) == str(link.resolve())


def test_links_that_are_not_among_the_new_ones_are_removed(tmp_path: Path) -> None:
    write_links(tmp_path, {"old": tmp_path.parent, "kept": tmp_path.parent})
    write_links(tmp_path, {"kept": tmp_path.parent})
    assert {path.name for path in tmp_path.iterdir()} == {"kept", TABLE}
    assert followed(f"{tmp_path}/old", tmp_path / TABLE) is None


@pytest.mark.parametrize("text", ["[1]", '{"m": 5}', "{"])
def test_a_table_of_something_else_is_one_error(tmp_path: Path, text: str) -> None:
    (tmp_path / TABLE).write_text(text)
    with pytest.raises(UserError, match=r"links\.json: "):
        followed(f"{tmp_path}/m", tmp_path / TABLE)


def test_a_disk_without_links_keeps_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refused)
    write_links(tmp_path / "models", {"m": tmp_path / "stages" / "x"})
    link = f"{tmp_path}/models/m"
    assert followed(link, table_of(link)) == f"{tmp_path}/stages/x"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """fsspec's memory, whose folder `linked` is removed at the end; local copies in tmp_path."""
    monkeypatch.setenv(mirror.SCRATCH, str(tmp_path / "here"))
    memory = fsspec.filesystem("memory")
    yield memory
    memory.rm("/linked", recursive=True)


def test_at_a_store_the_table_leads_to_the_folder(store: Any) -> None:
    store.pipe_file("/linked/models/links.json", b'{"m": "../stages/x"}')
    store.pipe_file("/linked/stages/x/config.json", b"{}")
    assert (Path(fetched("memory://linked/models/m")) / "config.json").read_text() == "{}"
    with pytest.raises(Exception, match="memory://linked/models/other: no such file or folder"):
        fetched("memory://linked/models/other")


@pytest.mark.parametrize("table", [{"m": "m"}, {"m": "n", "n": "m"}])
def test_links_that_lead_to_links_end(store: Any, table: dict[str, str]) -> None:
    store.pipe_file("/linked/models/links.json", json.dumps(table).encode())
    with pytest.raises(UserError, match=r"memory://linked/models/[mn]: no such file or folder"):
        fetched("memory://linked/models/m")


def test_a_link_to_an_absolute_path_is_refused(store: Any) -> None:
    store.pipe_file("/linked/models/links.json", b'{"m": "/elsewhere/secret"}')
    with pytest.raises(UserError, match=r"links\.json: m is '/elsewhere/secret'; a folder's rel"):
        fetched("memory://linked/models/m")
