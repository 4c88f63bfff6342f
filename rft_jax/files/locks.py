"""Advisory file locks, which the system releases however the process that holds them ends."""

from __future__ import annotations

import errno
import fcntl
from typing import IO, Any


class LocksUnsupported(OSError):
    """The file system does not lock files, as some NFS, Lustre and FUSE mounts."""


def try_lock(file: IO[Any], shared: bool = False) -> bool:
    """Locks a file without waiting, until it is closed; False if another process holds it.

    Args:
      file: open for reading and writing, which locks on NFS need.
      shared: whether other processes may hold shared locks at the same time.

    Raises:
      LocksUnsupported: the file system does not lock files.
    """
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise LocksUnsupported(error.errno, error.strerror) from error
    return True
