"""Exit codes and the last line on stderr: a full disk, a signal, a bug, a missing package."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from rft_jax.errors import Preempted
from tests.cli.words import collect_words


def test_a_full_disk_and_a_forbidden_folder_are_reported_in_one_line(
    rft, problems, samples, monkeypatch
):
    from rft_jax.rft import collect as room

    def fail(error: Exception):
        def collect(*_arguments: object) -> None:
            raise error

        monkeypatch.setattr(room, "collect", collect)
        return rft(*collect_words(problems, samples, "out"))

    code, lines = fail(OSError(errno.ENOSPC, "No space left on device"))
    assert (code, len(lines)) == (1, 1)
    assert lines == ["rft: the disk is full; free some space and run the same command again"]
    written_by_a_library = ValueError(
        "RESOURCE_EXHAUSTED: x: No space left on device (os error 28)"
    )
    assert fail(written_by_a_library) == (1, lines)
    code, lines = fail(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert "the disk quota is used up" in lines[0]
    code, lines = fail(PermissionError(errno.EACCES, "Permission denied", "/root/x"))
    assert (code, lines) == (2, ["rft: /root/x: Permission denied; name another path"])
    code, lines = fail(OSError(errno.EROFS, "Read-only file system", "/mnt/x"))
    assert (code, lines) == (2, ["rft: /mnt/x: Read-only file system; name another path"])
    code, lines = fail(OSError(errno.EISDIR, "Is a directory", "/x/.a.tmp", None, "/x/a"))
    assert lines == ["rft: /x/a: Is a directory; name another path"]


def test_names_that_the_locale_lacks_are_printed_escaped(problems, tmp_path):
    words = [sys.executable, "-m", "rft_jax.cli", "collect", "--problems", problems]
    ended = subprocess.run(
        [*words, "--output", tmp_path / "数"],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"/\\u6570'/paths.jsonl" in ended.stdout


def test_sigterm_is_exit_code_75_and_a_bug_is_1(rft, problems, samples, tmp_path, monkeypatch):
    from rft_jax.rft import collect as room

    def stopped(*_arguments: object) -> None:
        raise Preempted("stopped with 3 of 4 done")

    monkeypatch.setattr(room, "collect", stopped)
    code, lines = rft(*collect_words(problems, samples, tmp_path / "out"))
    assert code == 75
    assert lines[-1] == "rft: stopped with 3 of 4 done; run the same command again to resume"

    def broken(*_arguments: object) -> None:
        raise RuntimeError("not meant to be")

    monkeypatch.setattr(room, "collect", broken)
    code, lines = rft(*collect_words(problems, samples, tmp_path / "out"))
    assert code == 1
    assert lines[-1] == "rft: RuntimeError: not meant to be"


def test_a_missing_optional_package_is_reported_with_the_command_that_installs_it(
    rft, problems, samples, tmp_path, monkeypatch
):
    from rft_jax.rft import collect as room

    def without(*_arguments: object) -> None:
        raise ModuleNotFoundError("No module named 'seqio'", name="seqio")

    monkeypatch.setattr(room, "collect", without)
    code, lines = rft(*collect_words(problems, samples, tmp_path / "out"))
    assert (code, len(lines)) == (2, 1)
    assert "pip install '.[data]'" in lines[0]


def test_the_installed_program_exits_with_the_code_and_one_line():
    words = ["collect", "--problems", "nowhere", "--samples", "s", "--output", "o"]
    done = subprocess.run(
        [sys.executable, "-m", "rft_jax.cli", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("rft: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_command_with_75(tmp_path, number):
    ready = tmp_path / "ready"
    code = (
        "import sys, time, pathlib\n"
        "from rft_jax import cli\n"
        "from rft_jax.rft import collect\n"
        "def work(*_):\n"
        f"    pathlib.Path({str(ready)!r}).touch()\n"
        "    time.sleep(60)\n"
        "collect.collect = work\n"
        "words = ['collect', '--problems', 'p', '--samples', 's', '--output', 'o']\n"
        "sys.exit(cli.main(words))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, number)
    _, said = process.communicate()
    assert process.returncode == 75
    assert said == "rft: stopped by SIGTERM; run the same command again to resume\n"
