"""The command line of bubblewrap: what a program in the sandbox sees of this machine.

That is the system's libraries, Python with its standard library, numpy and sympy, all read-only,
and an empty folder of its own. There is no network, no home, no /proc, and no command to start.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from rft_jax.verify.sandbox.limits import SandboxLimits

# Beside the standard library. With wheels, `numpy.libs` has the libraries that numpy links.
_PACKAGES = ("numpy", "numpy.libs", "sympy", "mpmath")
_SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")
_DEVICES = ("/dev/null", "/dev/urandom")
_LAUNCHER = "/launcher.py"
# Sets in the order of their hashes; linear algebra without threads, of which there are none.
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
# Users that no machine has: as root, each sandbox runs as one of its own.
_FIRST_USER = 1 << 30


def sandbox_command(bwrap: str, limits: SandboxLimits, filter_at: int) -> list[str]:
    """The words that start the launcher in a new sandbox.

    Args:
      bwrap: path of bubblewrap.
      filter_at: file descriptor with the filter of system calls.
    """
    is_root = _is_root()
    user = _FIRST_USER + os.getpid() if is_root else 0
    python = os.path.realpath(sys.executable)
    return [
        *(bwrap, "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"),
        *_namespaces(is_root),
        *(word for name, value in _ENVIRONMENT.items() for word in ("--setenv", name, value)),
        *_mounts(python),
        *("--size", str(limits.folder_bytes), "--perms", "1777", "--tmpfs", "/tmp"),
        *("--chdir", "/tmp", "--remount-ro", "/", "--seccomp", str(filter_at)),
        *(python, "-P", "-s", "-S", "-B", "-X", "utf8", _LAUNCHER),
        *(json.dumps(asdict(limits)), str(user)),
    ]


def _is_root() -> bool:
    """Whether this is the root of the machine, and not one of a container's own user namespace."""
    return os.geteuid() == 0 and Path("/proc/self/uid_map").read_text().split()[1] == "0"


def _namespaces(is_root: bool) -> Iterator[str]:
    """All of them, but for root, who would be root in a new user namespace too, without limits."""
    yield from ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts")
    yield "--unshare-cgroup-try"
    if is_root:
        yield from ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    else:
        yield "--unshare-user"


def _mounts(python: str) -> Iterator[str]:
    links = {folder: os.readlink(folder) for folder in _SYSTEM if os.path.islink(folder)}
    prefix = os.path.realpath(sys.base_prefix)
    own = [python, *(os.path.join(prefix, name) for name in ("lib", "lib64"))]
    bound = {path: path for path in (*_SYSTEM, *own) if path not in links}
    bound |= {f"/packages/{name}": str(folder) for name, folder in _packages()}
    bound[_LAUNCHER] = str(Path(__file__).with_name("launcher.py"))
    for folder in dict.fromkeys(p for path in (*bound, *_DEVICES) for p in _above(path)):
        yield from ("--perms", "0755", "--dir", folder)  # else only root may enter
    for path, target in links.items():
        yield from ("--symlink", target, path)
    for path, source in bound.items():
        yield from ("--ro-bind-try", source, path)
    for device in _DEVICES:
        yield from ("--dev-bind", device, device)


def _above(path: str) -> list[str]:
    """The folders that a path lies in, from the outermost, without the root."""
    return [str(folder) for folder in reversed(Path(path).parents)][1:]


def _packages() -> Iterator[tuple[str, Path]]:
    for name in _PACKAGES:
        owner, _, libraries = name.partition(".")
        spec = find_spec(owner)
        if spec is not None and spec.origin is not None:
            folder = Path(spec.origin).parent
            folder = folder.with_name(name) if libraries else folder
            if folder.is_dir():
                yield name, folder
