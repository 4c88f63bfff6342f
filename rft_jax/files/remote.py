"""Inputs and outputs on object stores and other file systems that fsspec knows (`gs://`, `s3://`).

Commands work on local copies. An input is fetched when it is not here yet. An output folder is
fetched, worked on, and kept the same at its own place meanwhile. Nothing that this package writes
is changed once it has its name (but for logs, which grow), so files are sent as they appear, those
that are gone are removed after that, and the marker of a finished folder is sent last. Checkpoints
at `gs://` are Orbax's to read and write there, and have no copies here. Several processes have a
copy each, and at every place where they wait for each other all copies become the same. Object
stores have no locks: that nobody else writes to the same place is up to the user.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rft_jax.errors import UserError
from rft_jax.files.mirror import Mirror

SECONDS_BETWEEN_UPLOADS = 15.0
_NOT_READ = "checkpoints"
_STEP = re.compile(r"(.+/checkpoints)/(\d+)/*")
# What this process reads, and what it writes.
_inputs: list[Mirror] = []
_outputs: list[Mirror] = []


def is_remote(spec: str) -> bool:
    """Whether it is a URL and no local path or name."""
    return "://" in spec


def fetched(spec: str) -> str:
    """The local copy of a remote file or folder, brought up to date; anything else as it is.

    A folder's checkpoints are left out, unless the folder named is one of them.

    Raises:
      UserError: there is nothing, or fsspec does not know the file system.
    """
    if not is_remote(spec):
        return spec
    step = _STEP.fullmatch(spec)
    if step:  # what it is a checkpoint of is told beside it
        place = Mirror(step[1], writes=False, parts=("model/", f"{step[2]}/"))
    else:
        place = Mirror(spec, writes=False)
    _inputs.append(place)
    there = place.listing()
    files = {name: key for name, key in there.items() if _NOT_READ not in Path(name).parts}
    if not files:
        raise UserError(f"{spec}: no such file or folder")
    place.fetch(files)
    return str(place.local / step[2] if step else place.local)


@contextmanager
def mirrored(spec: str) -> Iterator[str]:
    """The local copy of an output, sent to its place while and after the block runs.

    Raises:
      UserError: fsspec does not know the file system.
    """
    if not is_remote(spec):
        yield spec
        return
    place = Mirror(spec, writes=True)
    place.fetch(place.listing())
    done = threading.Event()
    sender = threading.Thread(target=_send_now_and_then, args=(place, done), daemon=True)
    sender.start()
    _outputs.append(place)
    try:
        yield str(place.local)
    finally:
        _outputs.remove(place)
        done.set()
        sender.join()
        place.send()
        place.close()
        print(f"{spec}: up to date", flush=True)


def send_output(folder: Path) -> None:
    """Uploads what this process has written into an output's local copy; nothing for others."""
    for mirror in _outputs:
        if folder.is_relative_to(mirror.local):
            mirror.send()


def refresh_output(folder: Path) -> None:
    """Downloads what other processes have uploaded into an output; nothing for others."""
    for mirror in _outputs:
        if folder.is_relative_to(mirror.local):
            mirror.refresh()


def _send_now_and_then(place: Mirror, done: threading.Event) -> None:
    while not done.wait(SECONDS_BETWEEN_UPLOADS):
        try:
            place.send()
        except Exception as error:  # as many kinds as there are stores; the last try is loud
            print(f"{place.spec}: not sent yet ({error})", flush=True)
