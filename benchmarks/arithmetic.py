"""Lines of arithmetic per CPU second: generated, in every format, and written as rows.

One process; CPU seconds, which the load of the machine changes less than those of the clock.

  python benchmarks/arithmetic.py
  python benchmarks/arithmetic.py --lines 2000 --output out.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rft_jax.arithmetic.formats import FORMATS  # noqa: E402
from rft_jax.arithmetic.generator import lines  # noqa: E402
from rft_jax.arithmetic.settings import ArithmeticSettings  # noqa: E402
from rft_jax.arithmetic.splits import PROBLEM_SPLITS  # noqa: E402


def lines_a_second(texts: Iterator[str], count: int) -> float:
    """Lines per CPU second."""
    start = time.process_time()
    made = sum(1 for _ in islice(texts, count))
    return made / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--output", type=Path)
    flags = parser.parse_args()
    settings = ArithmeticSettings()
    found = {
        split: {
            name: lines_a_second(map(spell, lines(settings, split, 0)), flags.lines)
            for name, spell in FORMATS.items()
        }
        for split in PROBLEM_SPLITS
        if split != "dev"  # as fast as test
    }
    for split, speeds in found.items():
        for name, speed in speeds.items():
            print(f"{split:<16}{name:<11}{speed:>9,.0f} lines a CPU second")
    if flags.output:
        flags.output.write_text(json.dumps({"lines_a_cpu_second": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
