"""`rft sample --shard I/N`: processes that share nothing but a disk sample one folder together.

Each samples every N-th problem into a folder of its own, `shards/0000I-of-0000N` in the output. The
one that finishes last links all their files into the output and marks it finished; until then the
output holds no samples.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_json, write_json
from rft_jax.files.outputs import COMPLETE, SETTINGS, OutputFolder, check_content, check_settings
from rft_jax.files.remote import refresh_output, send_output
from rft_jax.records import Problem

_FOLDER = "shards"


@dataclass(frozen=True)
class Shard:
    """One of `count` shards of the problems; the only one of 1 is all of them.

    Attributes:
      index: which shard, from 0.
      count: how many shards there are.
    """

    index: int = 0
    count: int = 1

    @staticmethod
    def parse(text: str) -> Shard:
        """The shard that `--shard I/N` names.

        Raises:
          UserError: it names none.
        """
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if not match or not int(match[1]) < int(match[2]):
            raise UserError(f"--shard {text}: I/N is needed, I from 0 to N - 1, such as 0/8")
        return Shard(int(match[1]), int(match[2]))

    @property
    def suffix(self) -> str:
        """What a label of the shard's progress ends with."""
        return f" shard {self.index}/{self.count}" if self.count > 1 else ""

    @property
    def settings(self) -> dict[str, int]:
        """What the output is made with, besides the settings of sampling."""
        return {"shards": self.count} if self.count > 1 else {}

    def folder(self, output: Path) -> Path:
        """The folder of the shard's samples."""
        if self.count == 1:
            return output
        return output / _FOLDER / f"{self.index:05d}-of-{self.count:05d}"

    def select(self, problems: Sequence[Problem]) -> Sequence[Problem]:
        """The shard's problems.

        Raises:
          UserError: there are fewer problems than shards.
        """
        if len(problems) < self.count:
            shard = f"--shard {self.index}/{self.count}"
            raise UserError(f"{shard}: only {len(problems)} problems; use fewer shards")
        return problems[self.index :: self.count]

    def check(self, output: Path, made_with: Mapping[str, Any]) -> None:
        """Refuses an output with other files, or whose other shards were made otherwise.

        Raises:
          UserError: names the folder and what differs.
        """
        if self.count > 1:
            check_content(output, _FOLDER)
            for folder in (output, *sorted(output.glob(f"{_FOLDER}/*"))):
                check_settings(folder, made_with)

    def join(self, output: Path) -> None:
        """Links the samples of all shards into the output, if this was the last one to finish."""
        send_output(output)
        refresh_output(output)  # at a URL, what the other processes have finished
        folders = [Shard(index, self.count).folder(output) for index in range(self.count)]
        if self.count == 1 or not all((folder / COMPLETE).exists() for folder in folders):
            return
        write_json(output / SETTINGS, read_json(folders[0] / SETTINGS))
        files = [file for folder in folders for file in sorted(folder.glob("samples-*.jsonl"))]
        for number, file in enumerate(files):
            link = output / f"samples-{number:05d}-of-{len(files):05d}.jsonl"
            with suppress(FileExistsError):  # two processes may finish at the same time
                link.symlink_to(file.relative_to(output))
        OutputFolder(output).commit()
        print(f"{output}: all {self.count} shards are finished", flush=True)
