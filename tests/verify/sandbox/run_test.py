"""A program in the sandbox has the outcome of an evaluated one and reaches nothing around it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest

from rft_jax.verify.programs.limits import KINDS
from rft_jax.verify.programs.run import evaluate_program
from rft_jax.verify.programs.source import read_program
from rft_jax.verify.sandbox.limits import SandboxLimits
from rft_jax.verify.sandbox.run import run_in_sandbox
from tests.sandboxed import needs_sandbox
from tests.verify.programs.written_test import PROGRAMS

pytestmark = needs_sandbox
SHORT = SandboxLimits(cpu_seconds=1, seconds=30)


SUPPORTED = [title for title, (answer, _) in PROGRAMS.items() if answer != "(unsupported)"]


@pytest.mark.parametrize("title", SUPPORTED[::6])
def test_a_program_prints_what_it_prints_when_evaluated(title: str) -> None:
    source = read_program(PROGRAMS[title][1])
    evaluated = evaluate_program(source)
    outcome = run_in_sandbox(source)
    assert (outcome.last_line, outcome.error) == (evaluated.last_line, "")


@pytest.mark.parametrize(
    "source",
    [
        "x = (",
        "def f():\nreturn 1",
        "print('a\0b')",
        "x = '\ud800'",
        "x = 1\nprint(y)",
        "x = 1\ny = 2\nprint(x / (y - 2))",
        "print([][0])",
        "print({}['a'])",
        "print(int('a'))",
        "print('a' + 1)",
        "print([].first)",
        "assert 1 == 2, 'no'",
        "raise Exception('no')",
        "from decimal import Decimal\nprint(Decimal(1) / Decimal(0))",
        "def f(n):\n    return f(n + 1)\nf(0)",
    ],
)
def test_an_error_has_the_kind_and_line_that_it_has_when_evaluated(source: str) -> None:
    evaluated, outcome = evaluate_program(source), run_in_sandbox(source)
    assert outcome.error == evaluated.error in KINDS
    if evaluated.error not in ("limit", "syntax"):
        assert outcome.line == evaluated.line


def test_sympy_and_numpy_are_there() -> None:
    outcome = run_in_sandbox(
        "import numpy, sympy\nx = sympy.symbols('x')\n"
        "print(sympy.solve(x**2 - 4), int(numpy.linalg.det(numpy.eye(3))))"
    )
    assert (outcome.error, outcome.last_line) == ("", "[-2, 2] 1")


def test_a_missing_module_is_unsupported_and_named() -> None:
    outcome = run_in_sandbox("import rft_jax")
    assert outcome.error == "unsupported"
    assert outcome.detail == "ModuleNotFoundError: No module named 'rft_jax'"


@pytest.mark.parametrize(
    ("program", "printed"),
    [
        ("def solution():\n    return 7", "7"),
        ("def solution(n=3):\n    return n", "3"),
        ("def solution(n):\n    return n", None),
        ("def solution():\n    return 7\nprint(8)", "8"),
        ("print(5)\nexit()", "5"),
        ("x = 72", None),
    ],
)
def test_a_solution_that_is_only_defined_is_called(program: str, printed: str | None) -> None:
    outcome = run_in_sandbox(program)
    assert (outcome.error, outcome.last_line) == ("", printed)


def test_an_exit_status_other_than_zero_is_an_error_whatever_was_printed() -> None:
    outcome = run_in_sandbox("print(72)\nexit(3)")
    assert (outcome.error, outcome.detail) == ("raised", "ends with status 3")


def test_it_starts_no_other_process_and_no_thread() -> None:
    outcome = run_in_sandbox(
        "import os, threading\n"
        "for start in (os.fork, threading.Thread(target=print).start):\n"
        "    try:\n        start()\n    except (OSError, RuntimeError):\n        print('refused')\n"
    )
    assert outcome.output == "refused\nrefused\n"


def test_a_program_that_ignores_signals_is_ended_by_its_cpu_time() -> None:
    begin = time.monotonic()
    outcome = run_in_sandbox(
        "import signal\n"
        "for number in range(1, 65):\n"
        "    try:\n        signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError):\n        pass\n"
        "while True:\n    pass",
        SHORT,
    )
    assert (outcome.error, outcome.detail) == ("limit", "more than 1 seconds of CPU time")
    assert time.monotonic() - begin < SHORT.seconds


@pytest.mark.parametrize("close", ["", "import os\nos.close(1)\nos.close(2)\n"])
def test_a_program_that_sleeps_is_ended_by_the_deadline(close: str) -> None:
    outcome = run_in_sandbox(f"{close}import time\ntime.sleep(1000)", SandboxLimits(seconds=1))
    assert (outcome.error, outcome.detail) == ("limit", "more than 1 seconds")


def _processes(limits: SandboxLimits) -> int:
    """How many processes of sandboxes with these limits there are on the machine."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            words = path.read_bytes().decode().split("\0")
            found += json.dumps(asdict(limits)) in words
    return found


def _is_running(limits: SandboxLimits, expected: bool) -> bool:
    """Whether such a program runs, once that is as expected or 20 seconds have passed."""
    end = time.monotonic() + 20
    while (found := _processes(limits) > 0) is not expected and time.monotonic() < end:
        time.sleep(0.02)
    return found


def test_nothing_of_a_program_outlives_its_deadline() -> None:
    limits = SandboxLimits(seconds=1, output=10_000 + os.getpid())
    assert run_in_sandbox("import time\ntime.sleep(1000)", limits).error == "limit"
    assert not _is_running(limits, expected=False)


def test_nothing_of_a_program_outlives_a_command_that_is_killed() -> None:
    limits = SandboxLimits(output=20_000 + os.getpid())
    command = (
        "from rft_jax.verify.sandbox.run import *; "
        f"run_in_sandbox('import time; time.sleep(1000)', {limits!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", command])
    assert _is_running(limits, expected=True)
    process.kill()
    process.wait()
    assert not _is_running(limits, expected=False)


@pytest.mark.parametrize(
    ("stream", "limit"), [("stdout", "10,000 characters"), ("stderr", "1,048,576 bytes of errors")]
)
def test_endless_output_is_ended_by_its_length(stream: str, limit: str) -> None:
    outcome = run_in_sandbox(f"import sys\nwhile True:\n    sys.{stream}.write('x' * 65536)", SHORT)
    assert (outcome.error, outcome.detail) == ("limit", f"more than {limit}")
    assert len(outcome.output) <= SHORT.output


def test_up_to_that_length_a_program_may_write_to_stderr() -> None:
    outcome = run_in_sandbox("import sys\nprint(5)\nsys.stderr.write('x' * 10**6)", SHORT)
    assert (outcome.error, outcome.output) == ("", "5\n")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("x = bytearray(10 * 10**9)", "limit"),
        ("import mmap\nmmap.mmap(-1, 10 * 10**9)", "raised"),
        ("import os\nos.memfd_create('x')", "raised"),
        ("file = open('x', 'wb')\nfor _ in range(100):\n    file.write(bytes(10**6))", "raised"),
        ("for n in range(100):\n    open(str(n), 'wb').write(bytes(10**6))", "raised"),
        ("files = [open('x', 'w') for _ in range(100)]", "raised"),
    ],
)
def test_memory_and_files_are_limited(source: str, kind: str) -> None:
    assert run_in_sandbox(source).error == kind


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "8.8.8.8"])
def test_there_is_no_network(address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        outcome = run_in_sandbox(
            f"import socket\nsocket.create_connection(({address!r}, {port}), 2)\nprint('in')"
        )
    assert (outcome.error, outcome.output) == ("raised", "")


def test_neither_the_home_nor_the_environment_of_the_command_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("hidden")
    monkeypatch.setenv("RFT_SECRET", "hidden")
    hidden = [Path.home(), Path.cwd(), tmp_path, Path("/etc"), Path("/proc")]
    outcome = run_in_sandbox(
        "import os\nprint('RFT_SECRET' in os.environ)\n"
        f"for path in {[str(path) for path in hidden]}:\n"
        "    for folder, _, files in os.walk(path):\n"
        "        if '/.pyenv/versions/' not in folder and '/lib/python' not in folder:\n"
        "            files and print(folder, files)\n"
    )
    assert (outcome.error, outcome.output) == ("", "False\n")


def test_the_system_is_read_only_and_files_are_gone_for_the_next_program() -> None:
    source = (
        "import os\n"
        "library = os.path.dirname(os.__file__)\n"
        "for folder in ('/', '/usr/lib', '/packages', '/packages/numpy', '/dev', library):\n"
        "    try:\n        open(folder + '/left', 'w')\n        print(folder)\n"
        "    except OSError:\n        pass\n"
        "print(os.listdir('.'), os.listdir('/tmp'))\nopen('/tmp/left', 'w').write('x')\n# {}"
    )
    for number in range(2):
        outcome = run_in_sandbox(source.format(number))
        assert (outcome.error, outcome.output) == ("", "[] []\n")


def test_it_has_no_privileges_and_no_files_of_the_command() -> None:
    outcome = run_in_sandbox(
        "import os\nfor take in (os.setuid, os.setgid):\n"
        "    try:\n        take(0)\n        print('root')\n    except OSError:\n        pass\n"
        "for number in range(3, 64):\n"
        "    try:\n        print(number, os.fstat(number))\n    except OSError:\n        pass\n"
        "print(os.read(0, 9), os.path.samestat(os.fstat(0), os.stat('/dev/null')))"
    )
    assert (outcome.error, outcome.output) == ("", "b'' True\n")


def test_calls_by_which_it_would_escape_the_limits_are_denied() -> None:
    outcome = run_in_sandbox(
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "for call in (libc.unshare, 0x10000000), (libc.shmget, 0, 1 << 20, 0o1600), "
        "(libc.ptrace, 16, 1, 0, 0):\n"
        "    ctypes.set_errno(0)\n"
        "    print(call[0](*call[1:]), ctypes.get_errno())"
    )
    assert (outcome.error, outcome.output) == ("", "-1 1\n" * 3)
