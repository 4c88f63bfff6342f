"""Files of problems and samples for the tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rft_jax.rft.collect import collect
from rft_jax.rft.settings import CollectSettings

WORKED = "It is worked out in the head."


def sample_row(id: str, sample: int, response: str, model: str = "m", **fields: Any) -> dict:  # noqa: A002
    """A row as `rft sample` writes it."""
    row = {
        "id": id,
        "sample": sample,
        "model": model,
        "seed": 0,
        "response": response,
        "tokens": [1, 2, 3],
        "finish_reason": "stop",
        "logprob": -1.0 - sample,
    }
    return {**row, **fields}


def write_problems(path: Path, answers: Mapping[str, str]) -> str:
    """Problems by id; a final answer alone gets a solution before it."""
    rows = [
        {
            "id": name,
            "question": f"What is {name}?",
            "answer": f"{WORKED}\n{a}" if a[:4] == "####" else a,
        }
        for name, a in answers.items()
    ]
    return write_lines(path, rows)


def write_samples(folder: Path, responses: Mapping[str, Sequence[str]], model: str = "m") -> str:
    """One shard with each problem's responses in order."""
    folder.mkdir(parents=True, exist_ok=True)
    write_lines(
        folder / "samples-00000-of-00001.jsonl",
        [
            sample_row(name, index, text, model)
            for name, texts in responses.items()
            for index, text in enumerate(texts)
        ],
    )
    return str(folder)


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as JSON, escaped, so that lone surrogates can be written."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Collected:
    """What `collect` wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = read_lines(folder / "paths.jsonl")
        self.ledger = read_lines(folder / "ledger.jsonl")
        self.stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))

    def kept(self, id: str) -> list[str]:  # noqa: A002
        """The sampled paths of a problem, in order."""
        return [
            row["response"] for row in self.paths if row["id"] == id and row["origin"] == "sampled"
        ]

    @property
    def verdicts(self) -> list[str]:
        """Verdicts in the ledger's order."""
        return [row["verdict"] for row in self.ledger]


def run_collect(
    folder: Path, references: Mapping[str, str], samples: Sequence[str], **settings: Any
) -> Collected:
    """Writes the problems, collects into `folder/out`, in this process by default."""
    problems = write_problems(folder / "problems.jsonl", references)
    options = CollectSettings(**{"workers": 1, **settings})
    collect(problems, samples, str(folder / "out"), options)
    return Collected(folder / "out")
