"""The system calls that a program in the sandbox is denied, as a filter that bubblewrap installs.

They would let it use memory that no limit counts (a file system of its own, in a user namespace of
its own; shared memory; message queues), direct bubblewrap's own process, which has no limits, or
reach kernel facilities that no program needs.
"""

from __future__ import annotations

import platform
import struct

from rft_jax.verify.sandbox.faults import SandboxFault

# Machine -> the kernel's number of its architecture.
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# System call -> its numbers on these machines, in their order.
_DENIED = {
    "unshare": (272, 97),
    "setns": (308, 268),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
}
_X32 = 0x40000000  # added to a number, it names the same call by another way in
# Instructions of the filter: load a word, compare and jump, end with a verdict.
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_ALLOW, _KILL, _DENY = 0x7FFF0000, 0x80000000, 0x00050001  # denied: EPERM


def denied_calls() -> bytes:
    """The filter for this machine.

    Raises:
      SandboxFault: its architecture is not known here.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise SandboxFault(f"the sandbox knows {', '.join(_ARCHITECTURES)}, and not {machine!r}")
    column = list(_ARCHITECTURES).index(machine)
    numbers = [call[column] for call in _DENIED.values()]
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, len(numbers) + 1, 0, _X32),
    ]
    # Jumps count the instructions that they skip; the last two are the verdicts.
    lines += [(_EQUAL, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]
    lines += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)]
    return b"".join(struct.pack("<HBBI", *line) for line in lines)
