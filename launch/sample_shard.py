#!/usr/bin/env python3
"""Draws one shard of a sample folder: every N-th problem, by `rft sample`.

A sample depends on (seed, problem, index) alone, so processes that share nothing but a disk can
divide the problems among them. Start one for each shard, in any order and on any machine; when the
last of them is finished, OUTPUT holds samples-00000-of-0000N.jsonl and so on, as one folder for
rft collect and rft evaluate. Until then it holds no samples, and those commands say so.

  launch/sample_shard.py --shard 0 --shards 8 -- --model runs/sft --problems gsm8k:train \\
    --output runs/samples --gin.sample.num_samples=100

After -- come the flags of rft sample. sample.limit counts problems of each shard.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rft_jax import cli
from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.files.outputs import COMPLETE
from rft_jax.records import to_row

FOLDER = "shards"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one shard and returns rft's exit code."""
    flags, rest = _parse(sys.argv[1:] if argv is None else list(argv))
    place = _place(flags.output, flags.shard, flags.shards)
    words = ["sample", "--problems", str(place / "problems.jsonl"), "--output"]
    words += [str(place / "samples"), *rest]
    if flags.dry_run:
        print(f"rft {shlex.join(words)}")
        return 0
    try:
        _check_shards(flags.output, flags.shards)
        _write_problems(flags.problems, place / "problems.jsonl", flags.shard, flags.shards)
    except UserError as error:
        print(f"sample_shard: {error}", file=sys.stderr)
        return UserError.exit_code
    code = cli.main(words)
    if code == 0:
        _put_together(flags.output, flags.shards)
    return code


def _parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    own, rest = _split(argv)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shard", type=int, required=True, metavar="I", help="from 0")
    parser.add_argument("--shards", type=int, required=True, metavar="N", help="how many in all")
    parser.add_argument("--dry_run", action="store_true", help="print the rft command and stop")
    flags = parser.parse_args(own)
    if not 0 <= flags.shard < flags.shards:
        parser.error(f"--shard {flags.shard} is not one of 0 to {flags.shards - 1}")
    paths = argparse.ArgumentParser(prog="sample_shard.py … --", allow_abbrev=False)
    paths.add_argument("--problems", required=True)
    paths.add_argument("--output", required=True, type=Path)
    return paths.parse_known_args(rest, flags)


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Our flags and rft's; without -- there are only ours."""
    at = argv.index("--") if "--" in argv else len(argv)
    return argv[:at], argv[at + 1 :]


def _place(output: Path, shard: int, shards: int) -> Path:
    return output / FOLDER / f"{shard:05d}-of-{shards:05d}"


def _check_shards(output: Path, shards: int) -> None:
    others = [p.name for p in (output / FOLDER).glob("*") if not p.name.endswith(f"-{shards:05d}")]
    if others:
        raise UserError(f"{output}: has shard {others[0]}, now there are {shards} shards")


def _write_problems(spec: str, path: Path, shard: int, shards: int) -> None:
    """The shard's problems with their ids, so that these do not depend on the number of shards."""
    problems = load_problems(spec)
    if len(problems) < shards:
        raise UserError(f"{spec} has {len(problems)} problems; no more than so many --shards")
    rows = [to_row(problem) for problem in problems[shard::shards]]
    if path.exists():
        if [row for _, row in read_rows(path)] != json.loads(json.dumps(rows)):
            raise UserError(f"{path}: holds other problems than {spec}; name another --output")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(path, rows)


def _put_together(output: Path, shards: int) -> None:
    """Once every shard is finished, links each one's file into the output folder."""
    folders = [_place(output, shard, shards) / "samples" for shard in range(shards)]
    if not all((folder / COMPLETE).exists() for folder in folders):
        return
    for shard, folder in enumerate(folders):
        link = output / f"samples-{shard:05d}-of-{shards:05d}.jsonl"
        with contextlib.suppress(FileExistsError):
            link.symlink_to((folder / "samples-00000-of-00001.jsonl").relative_to(output))
    print(f"{output}: all {shards} shards are there")


if __name__ == "__main__":
    sys.exit(main())
