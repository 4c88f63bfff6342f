"""`benchmarks/offline/measure.py`: its commands exist, it stops in time, it resumes."""

from __future__ import annotations

import gzip
import importlib
import json
import os
import shlex
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rft_jax import cli
from rft_jax.devices.chips import CHIPS, USABLE, available_memory
from rft_jax.gin_settings import load_config
from rft_jax.models.shapes import num_params
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.run import make_plan
from rft_jax.sampling.geometry import Hardware, memory_needed
from rft_jax.sampling.settings import SampleSettings
from rft_jax.wordproblems.files import write_split
from tests.tiny_model import write_tiny_model

ROOT = Path(__file__).parents[3]
GOLDEN = Path(__file__).parent / "golden_measure"


@pytest.fixture(scope="module")
def measure() -> Iterator[ModuleType]:
    folders = [str(ROOT / "benchmarks" / "offline"), str(ROOT / "benchmarks")]
    sys.path[:0] = folders
    yield importlib.import_module("measure")
    for folder in folders:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def items(measure: ModuleType) -> ModuleType:
    del measure  # makes it importable
    return importlib.import_module("items")


@pytest.mark.parametrize("item", ["gsm8k", "sampling", "training"])
def test_a_dry_run_prints_the_commands_and_does_nothing(
    measure: ModuleType,
    item: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [item, "--dry_run", "--output", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
    monkeypatch.setattr(sys, "argv", ["measure.py", *words])
    assert measure.main() == 0
    printed = capsys.readouterr().out.replace(str(tmp_path), "TMP")
    golden = GOLDEN / f"{item}.txt"
    if os.environ.get("REWRITE_GOLDENS"):
        golden.write_text(printed)
    assert printed == golden.read_text()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tiny", [False, True])
@pytest.mark.parametrize("item", ["sampling", "training"])
def test_the_benchmarks_know_the_flags_they_are_given(
    measure: ModuleType, item: str, tiny: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = []
    for step in measure.ITEMS[item](measure.Workspace(tmp_path / item, tmp_path, tiny=tiny)):
        if step.name == "doctor":
            continue
        script, *flags = step.words
        monkeypatch.setattr(sys, "argv", [script, *flags])
        parsed = importlib.import_module(Path(script).stem).parse()
        outputs.append(parsed.output)
        if item == "sampling":
            known = importlib.import_module("sampling").PARTS
            assert {*parsed.parts.split(",")} <= known.keys()
        if tiny:
            assert "tiny" in (getattr(parsed, "model", ""), getattr(parsed, "shape", ""))
    assert len(outputs) == len({*outputs}) >= 6


def _commands(measure: ModuleType, item: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The parsed flags of an item's benchmark commands, by the name of the step."""
    for step in measure.ITEMS[item](measure.Workspace(Path("item"), Path("work"))):
        if step.name != "doctor":
            monkeypatch.setattr(sys, "argv", [*step.words])
            yield importlib.import_module(item).parse()


def test_sampling_fits_the_memory_of_an_h100(
    measure: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.95")  # as the benchmark sets it
    known = importlib.import_module("sampling")
    for flags in _commands(measure, "sampling", monkeypatch):
        if not flags.slots:
            continue
        flags.k = 100
        group = 1 if "prefix" in flags.parts else 8  # without sharing, a prompt for every slot
        settings = SampleSettings(dtype=flags.dtype, cache_dtype="int8" if flags.int8 else "")
        config, geometry = known.SHAPES[flags.shape], known.geometry(flags, group)
        needed = sum(memory_needed(config, settings, geometry, Hardware("gpu")).values())
        assert needed <= USABLE * available_memory(CHIPS["h100"]), (flags, needed)


def test_trained_weights_and_their_optimizer_states_fit_the_memory_of_an_h100(
    measure: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.95")
    known = importlib.import_module("training")
    for flags in _commands(measure, "training", monkeypatch):
        first = 2 if flags.moments == "bfloat16" else 4
        # Weights, gradients and second moments in float32; with LoRA the weights alone.
        per_parameter = 4 if flags.lora else 12 + first
        needed = per_parameter * num_params(known.SHAPES[flags.model])
        assert needed <= USABLE * available_memory(CHIPS["h100"]), (flags, needed)


def test_a_side_that_does_not_fit_is_a_row_and_the_other_takes_its_turns(
    measure: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del measure  # makes it importable
    training, calls = importlib.import_module("training"), []
    found = {"machine": ("cpu", "cpu"), "our_side": ([0.5], None), "their_side": None}

    def alone(side: Any, *_: Any) -> Any:
        calls.append(side.__name__)
        return found[side.__name__]

    monkeypatch.setattr(training.memory, "alone", alone)
    output = tmp_path / "o.json"
    words = f"training.py --model tiny --rounds 2 --output {output}"
    monkeypatch.setattr(sys, "argv", words.split())
    training.main()
    assert calls == ["machine", "our_side", "their_side", "our_side"]
    rows = json.loads(output.read_text())["rows"]
    assert (rows["ours"]["seconds"], rows["ours"]["steps"]) == (0.5, 2)
    assert rows["torch"] == {"error": "does not fit"}


def test_a_part_that_does_not_fit_does_not_end_the_others(
    measure: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del measure
    sampling, output = importlib.import_module("sampling"), tmp_path / "o.json"

    def too_large(_: Any) -> Any:
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 45.19GiB")

    parts = {"speed": (too_large, "tiny", 1, 8), "int8": (lambda _: {"x": 1.0}, "tiny", 1, 8)}
    monkeypatch.setattr(sampling, "PARTS", parts)
    words = f"sampling.py --parts speed,int8 --output {output}"
    monkeypatch.setattr(sys, "argv", words.split())
    sampling.main()
    results = json.loads(output.read_text())
    assert results["speed"]["error"] == "does not fit"
    assert results["int8"]["x"] == 1.0
    assert results["memory"].keys() == {*sampling.memory.jax_memory()}


def test_a_side_alone_has_a_process_and_only_a_lack_of_memory_is_none(measure: ModuleType) -> None:
    del measure
    memory = importlib.import_module("memory")
    assert memory.alone(os.getpid) not in (None, os.getpid())
    assert memory.alone(exec, "raise RuntimeError('RESOURCE_EXHAUSTED: 1 GiB')") is None
    kind = "type('OutOfMemoryError', (RuntimeError,), {})"  # PyTorch's has this name
    assert memory.alone(exec, f"raise {kind}('CUDA out of memory')") is None
    with pytest.raises(ValueError, match="other"):
        memory.alone(exec, "raise ValueError('other')")


@pytest.fixture(scope="module")
def plans(items: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    """What `rft run` would do in each step of the GSM8K item, on twenty problems."""
    tmp_path = tmp_path_factory.mktemp("plans")
    for split in ("train", "test"):
        write_split(split, tmp_path / "data" / f"{split}.jsonl", 20)
    workspace = items.Workspace(tmp_path / "item", tmp_path)
    workspace.item.mkdir()
    write_tiny_model(tmp_path / "smollm2-135m")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(items, "HELD_OUT", 5)
        patch.setattr(items, "best_rate", lambda _item: "2e-4")
        patch.setenv("GSM8K_DIR", str(tmp_path / "data"))
        items.hold_out((tmp_path / "data" / "train.jsonl").read_text(), workspace.item)
        steps = [step for step in items.gsm8k(workspace) if "run" in step.words]
        return {step.name: _plan(step.words[2:], workspace.item / "run") for step in steps}


def _plan(words: tuple[str, ...], output: Path) -> Plan:
    """Of an `rft run` command line."""
    flags, rest = cli.build_parser().parse_known_args(words)
    command = flags.command
    bindings = [*command.bindings(flags), *cli._gin_flags(rest, command)]
    files = command.gin_files(flags)
    config = load_config(command.settings_classes(flags), files, bindings, command.scoped)
    return make_plan(config, output)


def test_the_runs_share_their_common_stages(plans: dict[str, Plan]) -> None:
    loops = {name: plan for name, plan in plans.items() if not name.startswith("tune-")}
    assert [*loops] == ["first", "controls", "votes", "temperature-1", "seeds", "union"]
    stages = {name: {one.digest for one in plan.stages} for name, plan in loops.items()}
    assert stages["first"] < stages["controls"] < stages["votes"]
    assert stages["first"] & stages["seeds"] >= {
        one.digest for one in loops["first"].stages if one.arm != "rho"
    }
    named = {(one.command, one.arm, one.seed): one.digest for one in loops["first"].stages}
    for name in ("temperature-1", "union"):
        assert named["train", "sft", 0] in stages[name]
    assert named["sample", "sft", 0] in stages["union"]
    assert named["sample", "sft", 0] not in stages["temperature-1"]
    assert [len(plan.stages) for plan in loops.values()] == [7, 12, 14, 6, 12, 11]


def test_learning_rates_are_tuned_on_training_problems_that_are_held_out(
    plans: dict[str, Plan],
) -> None:
    tuned = [plan for name, plan in plans.items() if name.startswith("tune-")]
    assert len(tuned) == 3
    assert len({stage.digest for plan in tuned for stage in plan.stages}) == 6
    for plan in tuned:
        questions = [{one.question for one in part} for part in (plan.train_list, plan.test_list)]
        assert (len(plan.train_list), len(plan.test_list)) == (15, 5)
        assert not questions[0] & questions[1]
        assert not questions[1] & {one.question for one in plans["first"].test_list}


def test_a_problem_is_held_out_whole_whatever_is_in_its_text(
    items: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "HELD_OUT", 3)
    rows = [json.dumps({"n": n, "question": "a\u2028b\x85c"}, ensure_ascii=False) for n in range(9)]
    items.hold_out("\n".join([*rows, ""]), tmp_path)
    found = [
        [json.loads(line)["n"] for line in (tmp_path / name).open(encoding="utf-8", newline="\n")]
        for name in ("tune-train.jsonl", "tune-held-out.jsonl")
    ]
    assert [len(numbers) for numbers in found] == [6, 3]
    assert sorted(found[0] + found[1]) == [*range(9)]


def test_the_best_rate_has_the_highest_held_out_accuracy(items: ModuleType, tmp_path: Path) -> None:
    assert items.best_rate(tmp_path) == "BEST"
    for rate, right in zip(items.RATES, (0.05, 0.08, 0.08), strict=True):
        folder = tmp_path / "run" / f"tune-{rate}"
        folder.mkdir(parents=True)
        row = {"rows": [{"accuracy": {"value": right}}]}
        (folder / "results.json").write_text(json.dumps(row))
    assert items.best_rate(tmp_path) == items.RATES[1]


def _steps(measure: ModuleType, programs: dict[str, str]) -> Iterator[Any]:
    return iter([measure.Step(name, ("-c", text)) for name, text in programs.items()])


@pytest.fixture
def workspace(measure: ModuleType, tmp_path: Path) -> Any:
    made = measure.Workspace(tmp_path / "samples" / "item", tmp_path / "samples")
    made.item.mkdir(parents=True)
    return made


def test_finished_steps_are_skipped_unless_their_command_changed(
    measure: ModuleType, workspace: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    end = time.monotonic() + 60
    bad = {"a": "print('first')", "b": "raise SystemExit(3)", "c": "print('third')"}
    assert not measure.carry_out(_steps(measure, bad), workspace, end)
    assert "third" in capfd.readouterr().out
    good = bad | {"b": "print('second')", "c": "print('other')"}
    assert measure.carry_out(_steps(measure, good), workspace, end)
    again = capfd.readouterr().out
    assert "a: done before" in again
    assert "second" in again and "other" in again and "first" not in again
    assert (workspace.item / "c.log").read_text() == "third\nother\n"
    assert measure.carry_out(_steps(measure, good), workspace, end - 1000)


def test_the_running_step_is_stopped_in_time_and_no_other_starts(
    measure: ModuleType, workspace: Any
) -> None:
    steps = {"long": "import time; time.sleep(60)", "next": "print('never')"}
    for visit in (1, 2):
        assert not measure.carry_out(_steps(measure, steps), workspace, time.monotonic() + 1)
        record = json.loads((workspace.item / "steps.json").read_text())
        assert [*record] == ["long"]
        assert record["long"]["exit"] < 0
        assert record["long"]["seconds"] >= visit  # of all visits


def test_the_commands_see_the_checkout_and_the_bundles_packages(
    measure: ModuleType, workspace: Any
) -> None:
    text = "import os, rft_jax; print(os.environ['PYTHONPATH']); print(os.environ['GSM8K_DIR'])"
    measure.carry_out(_steps(measure, {"a": text}), workspace, time.monotonic() + 60)
    paths, gsm8k = (workspace.item / "a.log").read_text().split()
    assert paths.split(os.pathsep)[:2] == [str(ROOT), str(workspace.work / "site")]
    assert gsm8k == str(workspace.work / "data")


def test_results_and_paths_are_kept_and_nothing_large(
    measure: ModuleType, workspace: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure.carry_out(
        _steps(measure, {"loop": "print('a table')"}), workspace, time.monotonic() + 60
    )
    trained, paths = "run/stages/rft-0-train-1", "run/stages/rft-0-collect-1/paths.jsonl"
    small = ["run/loop/results.json", f"{trained}/metrics.jsonl", "run/stages/x.log"]
    large = [f"{trained}/model.safetensors", "run/stages/s/samples-00000-of-00001.jsonl"]
    large += [f"{trained}/tokens/manifest.json", "tune-train.jsonl"]
    for name in [*small, *large, paths]:
        (workspace.item / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.item / name).write_text(f"{name}\n")
    (workspace.item / "run" / "big.json").write_text("x" * (2**20 + 1))
    output = tmp_path / "out"
    output.mkdir()
    (output / "notes.bin").write_bytes(b"x" * 100)
    measure.summarise("item", workspace, output)
    names = {path.name for path in output.iterdir()}
    made = {"item.md", "item.tar.gz", "paths-rft-0-collect-1.jsonl.gz"}
    assert names == made | {"notes.bin"}
    with tarfile.open(output / "item.tar.gz") as archive:
        kept = archive.getnames()
    assert {f"item/{name}" for name in small} <= {*kept}
    assert not {f"item/{name}" for name in [*large, "run/big.json"]} & {*kept}
    text = gzip.decompress((output / "paths-rft-0-collect-1.jsonl.gz").read_bytes()).decode()
    assert text == f"{paths}\n"
    summary = (output / "item.md").read_text()
    assert "a table" in summary and shlex.quote("print('a table')") in summary
    monkeypatch.setattr(measure, "LARGEST", 40)
    measure.summarise("item", workspace, output)
    assert [path.name for path in output.iterdir()] == ["notes.bin"]


def test_gsm8k_without_a_bundle_is_refused(
    measure: ModuleType, workspace: Any, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="is not a bundle"):
        measure.prepare(workspace, tmp_path / "none", "gsm8k")
    measure.prepare(workspace, tmp_path / "none", "training")
