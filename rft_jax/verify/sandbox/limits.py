"""What one program in the sandbox may use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """The limits of one program, which is one process and cannot start another.

    Attributes:
      cpu_seconds: of computing.
      seconds: until it is ended, whatever it does; far more than `cpu_seconds`, for busy machines.
      memory_bytes: of address space.
      file_bytes: of one file that it writes.
      folder_bytes: of all files in its folder.
      open_files: at one time.
      output: characters printed, as for programs that are evaluated.
    """

    cpu_seconds: int = 10
    seconds: int = 60
    memory_bytes: int = 1 << 30
    file_bytes: int = 8 << 20
    folder_bytes: int = 64 << 20
    open_files: int = 64
    output: int = 10_000
