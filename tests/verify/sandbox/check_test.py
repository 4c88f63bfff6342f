"""Where there is no sandbox, a command that needs one says so and stops before any work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.evaluation.evaluate import evaluate
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.rft.collect import collect
from rft_jax.rft.settings import CollectSettings
from rft_jax.verify.sandbox.check import require_sandbox, sandbox_fault
from rft_jax.verify.sandbox.run import run_in_sandbox
from tests.rft.make import write_problems, write_samples


@pytest.fixture
def _no_bwrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    run_in_sandbox.cache_clear()


@pytest.mark.usefixtures("_no_bwrap")
def test_without_bubblewrap_commands_stop_before_any_work(tmp_path: Path) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 72"})
    samples = write_samples(tmp_path / "s", {"p": ["print(72)"]})
    output = tmp_path / "out"
    with pytest.raises(UserError, match=r"bubblewrap \(bwrap\) is not installed.*apt-get"):
        settings = CollectSettings(programs="sandbox", dedup="program")
        collect(problems, [samples], str(output), settings)
    with pytest.raises(UserError, match="programs = 'sandbox'"):
        evaluate(problems, str(output), EvaluateSettings(programs="sandbox"), samples=samples)
    assert not output.exists()


def test_a_kernel_that_forbids_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    run_in_sandbox.cache_clear()
    assert sandbox_fault() == "bwrap: No permissions to create new namespace"
    with pytest.raises(UserError, match="No permissions"):
        require_sandbox()


@pytest.fixture
def _dies_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A bubblewrap that works once, for the check before any work, and fails from then on."""
    (tmp_path / "bin").mkdir()
    bwrap, used = tmp_path / "bin" / "bwrap", tmp_path / "used"
    bwrap.write_text(
        f"#!/bin/sh\nif [ -e {used} ]; then echo 'bwrap: No space left' >&2; exit 1; fi\n"
        f"echo > {used}\nprintf '\\00642\\n'\n"
    )
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    run_in_sandbox.cache_clear()
    yield
    run_in_sandbox.cache_clear()


def _collect(problems: str, samples: str, output: str, workers: int) -> None:
    settings = CollectSettings(
        answers="program", programs="sandbox", dedup="program", workers=workers
    )
    collect(problems, [samples], output, settings)


def _evaluate(problems: str, samples: str, output: str, workers: int) -> None:
    settings = EvaluateSettings(answers="program", programs="sandbox", workers=workers)
    evaluate(problems, output, settings, samples=samples)


@pytest.mark.usefixtures("_dies_later")
@pytest.mark.parametrize("command", [_collect, _evaluate])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_fault_of_the_sandbox_is_one_error_and_no_verdict_in_whichever_process(
    tmp_path: Path, command: Callable[..., None], workers: int
) -> None:
    problems = write_problems(tmp_path / "problems.jsonl", {"p": "#### 72"})
    samples = write_samples(tmp_path / "s", {"p": ["print(72)"]})
    with pytest.raises(UserError, match=r"^programs = 'sandbox': bwrap: No space left; that says"):
        command(problems, samples, str(tmp_path / "out"), workers)
    assert not (tmp_path / "out" / "COMPLETE").exists()
