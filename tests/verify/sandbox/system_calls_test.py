"""The filter of system calls denies those that it names, by their numbers on each machine."""

from __future__ import annotations

import platform
import struct

import pytest

from rft_jax.verify.sandbox.faults import SandboxFault
from rft_jax.verify.sandbox.system_calls import denied_calls

ALLOWED, KILLED, DENIED = 0x7FFF0000, 0x80000000, 0x00050001


def _verdict(program: bytes, architecture: int, number: int) -> int:
    """What a filter returns, by the few instructions that it may have."""
    lines = list(struct.iter_unpack("<HBBI", program))
    at, loaded = 0, 0
    while True:
        code, if_true, if_false, value = lines[at]
        at += 1
        if code == 0x20:
            loaded = {0: number, 4: architecture}[value]
        elif code == 0x06:
            return value
        else:
            holds = {0x15: loaded == value, 0x35: loaded >= value}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize(
    ("machine", "architecture", "unshare", "ptrace", "read"),
    [("x86_64", 0xC000003E, 272, 101, 0), ("aarch64", 0xC00000B7, 97, 117, 63)],
)
def test_the_named_calls_are_denied_and_others_allowed(
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    architecture: int,
    unshare: int,
    ptrace: int,
    read: int,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    program = denied_calls()
    assert _verdict(program, architecture, unshare) == DENIED
    assert _verdict(program, architecture, ptrace) == DENIED
    assert _verdict(program, architecture, 425) == DENIED  # the last one
    assert _verdict(program, architecture, read) == ALLOWED
    assert _verdict(program, architecture, unshare + 0x40000000) == DENIED
    assert _verdict(program, 0x40000003, read) == KILLED  # 32-bit x86


def test_an_unknown_architecture_has_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(SandboxFault, match="riscv64"):
        denied_calls()
