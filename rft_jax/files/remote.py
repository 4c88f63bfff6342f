"""Inputs and outputs at URLs, on any file system that fsspec knows (`gs://`, `s3://`).

Commands work on local copies. An input is downloaded unless the local copy is up to date. An output
folder is downloaded, modified locally, and synchronised back to its URL. This package never changes
a file that has its final name, except for logs, which grow. So files are uploaded as they appear,
removed files are deleted after that, and the marker of a finished folder is uploaded last. Orbax
reads and writes checkpoints at `gs://` itself, without a local copy. Each of several processes has
its own copy, and all copies are synchronised at every barrier. Object stores have no locks: the
user makes sure that nobody else writes to the same URL.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rft_jax.errors import UserError
from rft_jax.files.links import followed, table_of
from rft_jax.files.mirror import Mirror
from rft_jax.files.names import CHECKPOINTS_FOLDER

SECONDS_BETWEEN_UPLOADS = 15.0
_STEP = re.compile(rf"(.+/{CHECKPOINTS_FOLDER})/(\d+)/*")
# Mirrors of this process, which hold the locks of their local copies.
_inputs: list[Mirror] = []
_outputs: list[Mirror] = []


def is_remote(spec: str) -> bool:
    """Whether it is a URL, not a local path or a name."""
    return "://" in spec


def fetched(spec: str, follows: bool = True) -> str:
    """The up-to-date local copy of a URL; any other path or name is returned as it is.

    A folder is copied without the checkpoints in it; of a link (`files.links`), what it stands for.

    Args:
      follows: whether a link is followed. One that stands for another link is not followed further.

    Raises:
      UserError: nothing is at the URL, fsspec does not know the file system, or a table of links is
        not one.
    """
    if not is_remote(spec):
        return spec
    step = _STEP.fullmatch(spec)
    if step:  # the description of the model is beside its steps
        mirror = Mirror(step[1], writes=False, prefixes=("model/", f"{step[2]}/"))
    else:
        mirror = Mirror(spec, writes=False)
    _inputs.append(mirror)
    listing = _listing(mirror)
    files = {
        name: key for name, key in listing.items() if CHECKPOINTS_FOLDER not in Path(name).parts
    }
    if not files:
        if follows and (target := _followed(spec)):
            return fetched(target, follows=False)
        raise UserError(f"{spec}: no such file or folder")
    mirror.download(files)
    return str(mirror.local / step[2] if step else mirror.local)


def _followed(spec: str) -> str | None:
    """The URL that a link at a store stands for; None if there is none."""
    try:
        table = fetched(table_of(spec), follows=False)
    except UserError:
        return None
    return followed(spec, table)


def _listing(mirror: Mirror) -> dict[str, str]:
    try:
        return mirror.listing()
    except UserError:
        raise
    except Exception as error:  # each store has its own
        raise UserError(
            f"{mirror.url}: cannot be read ({type(error).__name__}: {error}); check the address, "
            "the network and your credentials"
        ) from error


@contextmanager
def mirrored(spec: str) -> Iterator[str]:
    """The local copy of an output, uploaded to its URL while and after the block runs.

    Raises:
      UserError: fsspec does not know the file system, or it cannot be read.
    """
    if not is_remote(spec):
        yield spec
        return
    mirror = Mirror(spec, writes=True)
    mirror.download(_listing(mirror))
    done = threading.Event()
    uploader = threading.Thread(target=_upload_regularly, args=(mirror, done), daemon=True)
    uploader.start()
    _outputs.append(mirror)
    try:
        yield str(mirror.local)
    finally:
        _outputs.remove(mirror)
        done.set()
        uploader.join()
        mirror.upload()
        mirror.close()
        print(f"{spec}: up to date", flush=True)


def send_output(folder: Path) -> None:
    """Uploads what this process has written into an output's local copy; nothing for others."""
    for mirror in _outputs:
        if folder.is_relative_to(mirror.local):
            mirror.upload()


def refresh_output(folder: Path) -> None:
    """Downloads what other processes have uploaded into an output; nothing for others."""
    for mirror in _outputs:
        if folder.is_relative_to(mirror.local):
            mirror.refresh()


def _upload_regularly(mirror: Mirror, done: threading.Event) -> None:
    while not done.wait(SECONDS_BETWEEN_UPLOADS):
        try:
            mirror.upload()
        except Exception as error:  # each store has its own; the last upload raises it
            print(f"{mirror.url}: not uploaded yet ({error})", flush=True)
