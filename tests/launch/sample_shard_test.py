"""`launch/sample_shard.py`: problems are divided, and samples are merged."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import jax
import pytest

import rft_jax.wordproblems
from rft_jax import cli
from rft_jax.checkpoints.huggingface import export_model
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import init_params
from rft_jax.prompts import TEMPLATES
from rft_jax.records import read_problems, read_samples
from rft_jax.rft.samples import find_shards
from rft_jax.tokenizers import load_tokenizer

SCRIPT = Path(__file__).parents[2] / "launch" / "sample_shard.py"
GEOMETRY = ["--gin.sample.slots=8", "--gin.sample.group=2", "--gin.sample.chunk=8"]
DRAWS = ["--gin.sample.num_samples=2", "--gin.sample.max_new_tokens=8", *GEOMETRY]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("sample_shard", SCRIPT)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    """Seven problems without ids, of which two are the same."""
    path = tmp_path / "mine.jsonl"
    rows = [{"question": f"Amy has {n % 6} apples.", "answer": f"#### {n}"} for n in range(7)]
    write_rows(path, rows)
    return path


@pytest.fixture
def fake_rft(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`rft sample` that writes a finished folder, one row a problem; or ends with a code."""

    def install(code: int = 0) -> None:
        def sample(words: list[str]) -> int:
            read, write = Path(words[2]), Path(words[4])
            if code == 0:
                rows = [{"id": row["id"]} for _, row in read_rows(read)]
                write_rows(write / "samples-00000-of-00001.jsonl", rows)
                (write / "settings.json").write_text("{}")
                (write / "COMPLETE").write_text("{}")
            return code

        monkeypatch.setattr(cli, "main", sample)

    install()
    return install


def _words(problems: Path, output: Path, shard: int, shards: int, *more: str) -> list[str]:
    own = ["--shard", str(shard), "--shards", str(shards), "--"]
    return [*own, "--model", "m", "--problems", str(problems), "--output", str(output), *more]


@pytest.mark.usefixtures("fake_rft")
def test_every_problem_is_in_one_shard_with_the_id_it_has_in_the_whole(
    script: ModuleType, problems: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    for shard in (2, 0, 1):
        assert not list(output.glob("samples-*"))
        with pytest.raises(UserError):
            find_shards([str(output)])
        assert script.main(_words(problems, output, shard, 3)) == 0
    files = [shard.path for shard in find_shards([str(output)])]
    assert [Path(file).name for file in files] == [
        f"samples-0000{n}-of-00003.jsonl" for n in range(3)
    ]
    ids = [[row["id"] for _, row in read_rows(file)] for file in files]
    whole = [problem.id for problem in read_problems(problems)]
    assert whole[6].endswith("-2")
    assert ids == [whole[0::3], whole[1::3], whole[2::3]]


@pytest.mark.usefixtures("fake_rft")
def test_a_folder_that_is_moved_keeps_its_samples(
    script: ModuleType, problems: Path, tmp_path: Path
) -> None:
    for shard in range(2):
        script.main(_words(problems, tmp_path / "out", shard, 2))
    (tmp_path / "out").rename(tmp_path / "moved")
    assert sum(1 for f in (tmp_path / "moved").glob("samples-*") for _ in read_rows(f)) == 7


def test_a_shard_that_stops_is_told_and_nothing_is_put_together(
    script: ModuleType, problems: Path, tmp_path: Path, fake_rft: Callable[[int], None]
) -> None:
    assert script.main(_words(problems, tmp_path / "out", 0, 2)) == 0
    fake_rft(75)
    assert script.main(_words(problems, tmp_path / "out", 1, 2)) == 75
    assert not list((tmp_path / "out").glob("samples-*"))
    fake_rft(0)
    assert script.main(_words(problems, tmp_path / "out", 1, 2)) == 0
    assert script.main(_words(problems, tmp_path / "out", 1, 2)) == 0
    assert len(list((tmp_path / "out").glob("samples-*"))) == 2


@pytest.mark.usefixtures("fake_rft")
@pytest.mark.parametrize(
    ("change", "message"),
    [("shards", "has shard"), ("problems", "other problems"), ("too many", "7 problems")],
)
def test_a_folder_of_other_shards_or_problems_is_refused(
    change: str,
    message: str,
    script: ModuleType,
    problems: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert script.main(_words(problems, tmp_path / "out", 0, 2)) == 0
    if change == "problems":
        write_rows(problems, [{"question": f"Q{n}", "answer": "#### 1"} for n in range(7)])
    shard = {"shards": (0, 3), "problems": (0, 2), "too many": (7, 8)}[change]
    output = tmp_path / ("out" if change != "too many" else "other")
    assert script.main(_words(problems, output, *shard)) == 2
    assert message in capsys.readouterr().err


def test_a_dry_run_prints_the_command_and_writes_nothing(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = _words(Path("mine.jsonl"), tmp_path / "out", 1, 4, "--name", "a b")
    assert script.main(["--dry_run", *words]) == 0
    place = tmp_path / "out" / "shards" / "00001-of-00004"
    assert capsys.readouterr().out == (
        f"rft sample --problems {place}/problems.jsonl --output {place}/samples --model m "
        "--name 'a b'\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_shards_draw_what_one_run_draws(script: ModuleType, problems: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(Path(rft_jax.wordproblems.__file__).parent / "tokenizer")
    shape = {"hidden_size": 16, "intermediate_size": 24, "num_layers": 1, "num_heads": 2}
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, num_kv_heads=1, **shape)
    params = init_params(config, jax.random.key(0))
    model = tmp_path / "model"
    export_model(model, config, params, tokenizer, TEMPLATES["plain"], "float32")
    flags = ["--model", str(model), "--problems", str(problems), *DRAWS]
    assert cli.main(["sample", *flags, "--output", str(tmp_path / "whole")]) == 0
    for shard in ("0", "1"):
        words = ["--shard", shard, "--shards", "2", "--", *flags, "--output", str(tmp_path / "out")]
        assert script.main(words) == 0
    whole = _draws(tmp_path / "whole")
    assert len(whole) == 14
    assert _draws(tmp_path / "out") == whole


def _draws(folder: Path) -> dict[tuple[str, int], tuple[tuple[int, ...] | None, float | None]]:
    files = sorted(folder.glob("samples-*.jsonl"))
    rows = [sample for file in files for _, sample in read_samples(file)]
    return {(row.id, row.sample): (row.tokens, row.logprob) for row in rows}
