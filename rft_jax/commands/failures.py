"""What an exception that ended a command means to the user: an exit code and a line."""

from __future__ import annotations

import errno
import os
import traceback

from rft_jax.errors import Preempted, StageFailed, UserError

# The errors of a path that cannot be read or written under its name.
_PATH_ERRORS = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ELOOP,
    errno.ENAMETOOLONG,
}
_DISK_ERRORS = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}


def explained(error: BaseException) -> tuple[int, str]:
    """The exit code and the line that says what happened; a traceback is printed for a bug."""
    if isinstance(error, UserError):
        return error.exit_code, "\n  ".join(error.lines())
    if isinstance(error, Preempted | KeyboardInterrupt):
        return Preempted.exit_code, f"{error or 'stopped'}; run the same command again to resume"
    if isinstance(error, StageFailed):
        return error.exit_code, str(error)
    if isinstance(error, ModuleNotFoundError) and (hint := _missing_package(error.name or "")):
        return UserError.exit_code, hint
    if isinstance(error, OSError) and error.filename and error.errno in _PATH_ERRORS:
        path = error.filename2 or error.filename  # of a rename, the final name
        return UserError.exit_code, f"{path}: {error.strerror}; name another path"
    for number, text in _DISK_ERRORS.items():
        # Libraries that write by themselves pass on the system's words and not its number.
        if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
            return 1, f"{text}; free some space and run the same command again"
    traceback.print_exception(error)
    return 1, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _missing_package(module: str) -> str:
    """How to install what provides a missing module; '' for a module that no extra provides."""
    from rft_jax.installation import extra_with, how_to_install

    extra = extra_with(module)
    if extra is None:
        return ""
    return f"this needs {module}, which is not installed: {how_to_install(extra)}"
