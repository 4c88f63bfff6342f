"""Starts Python processes that import nothing from the working directory.

`python -m` and `python -c` put the working directory first on `sys.path`: a `random.py` or
`queue.py` of the user's there would be executed in place of the standard library's.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from pkgutil import resolve_name


def python_command(function: str) -> tuple[str, ...]:
    """The words that call a function in a new process; further words are its `sys.argv[1:]`.

    Args:
      function: `module:name`, of this package or of what is installed beside it; its result is
        the exit code.
    """
    return (sys.executable, "-P", __file__, function)


def _call(function: str) -> object:
    """Calls a function; this very package is found first, all else where Python looks by itself."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    importlib.import_module("rft_jax")
    sys.path.append(sys.path.pop(0))
    return resolve_name(function)()


if __name__ == "__main__":
    sys.exit(_call(sys.argv.pop(1)))  # type: ignore[arg-type]
