"""The pipeline with a stand-in for `rft`: what runs, what is reused, how bad ends end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rft_jax.checkpoints.names import model_folder
from rft_jax.commands.loop import RUN
from rft_jax.errors import Preempted, StageFailed, UserError
from rft_jax.files.jsonl import read_json, write_rows
from rft_jax.gin_settings import Config, load_config
from rft_jax.pipeline import run as pipeline
from rft_jax.pipeline.supervise import process
from rft_jax.verify.sandbox.run import run_in_sandbox

FAKE = (sys.executable, str(Path(__file__).with_name("fake_rft.py")))
FIVE_ARMS = ["rho", "sft", "sft_steps", "rft", "rft_no_dedup"]
EMBEDDED = "run.train_problems=wordproblems:train"


@pytest.fixture(autouse=True)
def fake(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "COMMAND", FAKE)
    monkeypatch.setattr(pipeline, "_jax_backend", lambda _hosts: "cpu")
    monkeypatch.setenv("FAKE_TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def config(model, tmp_path):
    files = {"train": tmp_path / "train.jsonl", "test": tmp_path / "test.jsonl"}
    for split, file in files.items():
        rows = [
            {"id": name, "question": f"{name} in {split}?", "answer": "1+1=2\n#### 2"}
            for name in "abcd"
        ]
        write_rows(file, rows)
    classes = RUN.settings_classes()
    common = [f"run.model={model}", "run.limit=3", "run.parallel=2", f"run.arms={FIVE_ARMS}"]
    common += [f"run.{split}_problems={file}" for split, file in files.items()]

    def make(*flags: str) -> Config:
        return load_config(classes, flags=[*common, *flags], scoped=True)

    return make


def _events(tmp_path: Path) -> list[list[str]]:
    file = tmp_path / "trace"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def _started(tmp_path: Path) -> list[str]:
    return [folder for event, folder, _ in _events(tmp_path) if event == "start"]


def _forget(tmp_path: Path) -> None:
    (tmp_path / "trace").write_text("")


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _wait_until(holds, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_every_arm_ends_in_a_row_and_the_comparisons_are_paired(tmp_path, config, capsys):
    arms = [*FIVE_ARMS, "rft_oracle"]
    pipeline.run(str(tmp_path / "run"), config(EMBEDDED, f"run.arms={arms}"))
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    rows = {row["model"]: row for row in results["rows"]}
    assert list(rows) == arms
    assert rows["rft"]["accuracy"]["value"] == 0.75
    assert (rows["rho"]["train_rows"], rows["sft"]["train_rows"]) == (0, 3)
    assert rows["rft"]["train_rows"] == 6
    assert rows["rft"]["distinct_paths_per_problem"] == 1.0
    assert rows["sft"]["distinct_paths_per_problem"] is None
    against_sft = next(c for c in results["comparisons"] if (c["a"], c["b"]) == ("rft", "sft"))
    assert against_sft["difference"] == 0.5
    assert against_sft["p_value"] == 0.5  # two questions, both for rft: 2 · (1/2)²
    assert "RFT – SFT" in capsys.readouterr().out


def test_step_matched_sft_has_the_steps_of_rft(tmp_path, config):
    pipeline.run(str(tmp_path / "run"), config())
    steps = {}
    for arm in ("sft", "rft", "sft_steps"):
        (file,) = (tmp_path / "run" / "stages").glob(f"{arm}-0-train-*/metrics.jsonl")
        steps[arm] = file.read_text().count("\n")
    assert steps == {"sft": 3, "rft": 6, "sft_steps": 6}


def test_the_commands_of_a_finished_run_can_be_typed(tmp_path, config):
    pipeline.run(str(tmp_path / "run"), config())
    stages = json.loads((tmp_path / "run" / "run.json").read_text())["stages"]
    typed = [one["typed"] for one in stages.values()]
    assert any("--gin.train.num_steps=" in line for line in typed)
    assert not any("STEPS" in line for line in typed)


def test_a_stage_starts_after_what_it_reads_and_two_run_side_by_side(tmp_path, config, monkeypatch):
    monkeypatch.setenv("FAKE_MEET", "1")
    pipeline.run(str(tmp_path / "run"), config())
    running, ended, most = set(), set(), 0
    plan = pipeline.make_plan(config(), tmp_path / "run")
    stages = {stage.folder.name: stage for stage in plan.stages}
    for event, folder, _ in _events(tmp_path):
        if event == "start":
            assert ended.issuperset(s.folder.name for s in stages[folder].waits_for)
            running.add(folder)
        else:
            running.discard(folder)
            ended.add(folder)
        most = max(most, len(running))
    assert ended == set(stages)
    assert most == 2


def test_a_second_run_does_nothing_again(tmp_path, config, capsys):
    pipeline.run(str(tmp_path / "run"), config())
    first = (tmp_path / "run" / "results.json").read_bytes()
    _forget(tmp_path)
    pipeline.run(str(tmp_path / "run"), config())
    assert _started(tmp_path) == []
    assert (tmp_path / "run" / "results.json").read_bytes() == first
    assert "stages were finished by an earlier run" in capsys.readouterr().out


def test_trained_models_have_names_that_lead_to_them(tmp_path, config, capsys):
    root = tmp_path / "run"
    pipeline.run(str(root), config())
    assert f"{root / 'models'}/ (rft-0, rft_no_dedup-0, sft-0, sft_steps-0)" in (
        capsys.readouterr().out
    )
    (trained,) = (root / "stages").glob("rft-0-train-*/metrics.jsonl")
    assert (root / "models" / "rft-0").resolve() == trained.parent
    for link in (root / "models").glob("*-0"):  # a copy without links has the table
        link.unlink()
    assert Path(model_folder(str(root / "models" / "rft-0"))) == trained.parent


def test_a_run_that_fails_names_the_models_that_it_trained(tmp_path, config, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "rft-0-train")
    with pytest.raises(StageFailed):
        pipeline.run(str(tmp_path / "run"), config("run.parallel=1"))
    assert {*read_json(tmp_path / "run" / "models" / "links.json")} >= {"sft-0"}


def test_a_changed_setting_runs_again_what_depends_on_it_alone(tmp_path, config):
    pipeline.run(str(tmp_path / "run"), config())
    before = set((tmp_path / "run" / "stages").iterdir())
    _forget(tmp_path)
    pipeline.run(str(tmp_path / "run"), config("sample.num_samples=7"))
    again = {name.rpartition("-")[0] for name in _started(tmp_path)} - {""}
    assert "sft-0-sample" in again
    assert again.isdisjoint({"sft-0-train", "sft-0-evaluate", "rho-0-evaluate"})
    assert before <= set((tmp_path / "run" / "stages").iterdir())


def test_mapped_columns_are_those_of_both_files_and_change_no_stage(tmp_path, config):
    rows = [{"id": f"p{i}", "question": f"{i}?", "answer": f"It is.\n#### {i}"} for i in (1, 2)]
    theirs = [{"id": r["id"], "text": r["question"], "gold": {"is": r["answer"]}} for r in rows]
    stages = []
    for folder, written, columns in (
        ("ours", rows, ""),
        ("theirs", theirs, "question=text,answer=gold.is"),
    ):
        file = tmp_path / folder / "mine.jsonl"
        file.parent.mkdir()
        write_rows(file, written)
        names = [f"run.{split}_problems={file}" for split in ("train", "test")]
        plan = pipeline.make_plan(
            config(*names, f"run.columns={columns}", "run.arms=['sft', 'rft']"), tmp_path / "run"
        )
        stages.append([stage.digest for stage in plan.stages])
    assert stages[0] == stages[1] != []
    with pytest.raises(UserError, match=r"no row has a column 'gold\.was'"):
        pipeline.make_plan(config(*names, "run.columns=id=gold.was"), tmp_path / "run")


def test_a_scope_changes_its_arm_alone(tmp_path, config):
    plain, scoped = config(), config("rft_no_dedup/train.num_epochs=9")
    run = tmp_path / "run"
    stages = [{s.folder for s in pipeline.make_plan(c, run).stages} for c in (plain, scoped)]
    changed = {folder.name.rpartition("-")[0] for folder in stages[1] - stages[0]}
    assert changed == {"rft_no_dedup-0-train", "rft_no_dedup-0-evaluate"}


def test_each_seed_is_trained_and_sampled_with_its_number_and_rho_measured_once(tmp_path, config):
    plan = pipeline.make_plan(config("run.seeds=(3, 4)"), tmp_path / "run")
    seeds = {(s.command, s.settings[s.command].seed) for s in plan.stages if s.command == "sample"}
    assert seeds == {("sample", 3), ("sample", 4)}
    assert [s.seed for s in plan.stages if s.arm == "rho"] == [3]


def test_arms_that_are_not_asked_for_cost_nothing(tmp_path, config):
    plan = pipeline.make_plan(config("run.arms=['rho']"), tmp_path / "run")
    assert [stage.title for stage in plan.stages] == ["rho-0 evaluate"]
    plan = pipeline.make_plan(config("run.arms=['sft', 'rft']"), tmp_path / "run")
    assert {stage.arm for stage in plan.stages} == {"sft", "rft"}


def test_votes_are_measured_for_the_arms_that_are_named(tmp_path, config):
    flags = ["run.arms=['sft', 'rft']", "run.vote_arms=['rft']", "vote/evaluate.num_samples=8"]
    plan = pipeline.make_plan(config(*flags), tmp_path / "run")
    assert [stage.title for stage in plan.stages if stage.label] == ["rft-0 vote"]
    with pytest.raises(UserError, match=r"bind vote/evaluate\.num_samples"):
        pipeline.make_plan(config(*flags[:2]), tmp_path / "run")


def test_the_dry_run_prints_commands_and_writes_nothing(tmp_path, config):
    lines = pipeline.commands(str(tmp_path / "run"), config())
    assert lines[0].startswith("rft train --model ")
    assert any("--gin.train.num_steps=STEPS" in line for line in lines)
    assert not (tmp_path / "run").exists()


def test_a_failing_stage_stops_the_others_and_shows_its_last_lines(tmp_path, config, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "rho-0-evaluate")
    monkeypatch.setenv("FAKE_HANG", "sft-0-train")
    with pytest.raises(StageFailed, match=r"(?s)rho-0 evaluate: exit code 3.*something broke") as e:
        pipeline.run(str(tmp_path / "run"), config())
    assert e.value.exit_code == 3
    assert not any(_alive(int(pid)) for _, _, pid in _events(tmp_path))
    (log,) = (tmp_path / "run" / "stages").glob("rho-0-evaluate-*.log")
    assert "something broke" in log.read_text()
    assert log.read_text().startswith("$ rft evaluate --model ")


def test_a_users_mistake_in_a_stage_is_passed_on(tmp_path, config, monkeypatch):
    monkeypatch.setenv("FAKE_MISTAKE", "sft-0-train")
    with pytest.raises(UserError, match=r"sft-0 train: data.jsonl:3: not JSON; fix or remove"):
        pipeline.run(str(tmp_path / "run"), config())


def test_sigterm_stops_the_stages_and_the_next_run_resumes(tmp_path, config, monkeypatch):
    monkeypatch.setenv("FAKE_HANG", "rft-0-train")
    hung = signal.signal(signal.SIGALRM, lambda *_: _terminate_when_hanging(tmp_path))
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    try:
        with pytest.raises(Preempted, match="SIGTERM"):
            pipeline.run(str(tmp_path / "run"), config())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, hung)
    assert not any(_alive(int(pid)) for _, _, pid in _events(tmp_path))
    done = {folder for event, folder, _ in _events(tmp_path) if event == "end"}
    _forget(tmp_path)
    monkeypatch.delenv("FAKE_HANG")
    pipeline.run(str(tmp_path / "run"), config())
    assert done.isdisjoint(_started(tmp_path))
    assert (tmp_path / "run" / "results.json").exists()


def _terminate_when_hanging(tmp_path: Path) -> None:
    if any(event == "hangs" for event, _, _ in _events(tmp_path)):
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.kill(os.getpid(), signal.SIGTERM)


def test_no_stage_outlives_a_killed_parent(tmp_path, model):
    program = (
        "import sys\n"
        "from rft_jax.cli import main\n"
        "from rft_jax.pipeline import run\n"
        "from rft_jax.pipeline.supervise import process\n"
        f"process.COMMAND = {FAKE!r}\n"
        "run._jax_backend = lambda _hosts: 'cpu'\n"
        f"main(['run', '--output', {str(tmp_path / 'run')!r}, '--gin.run.limit=3',"
        f" '--gin.run.model={model}'])\n"
    )
    environment = dict(os.environ) | {"FAKE_HANG": "sft-0-train"}
    parent = subprocess.Popen([sys.executable, "-c", program], env=environment)
    _wait_until(lambda: any(event == "hangs" for event, _, _ in _events(tmp_path)))
    parent.kill()
    parent.wait()
    children = [int(pid) for _, _, pid in _events(tmp_path)]
    assert children
    _wait_until(lambda: not any(map(_alive, children)))


def test_the_folder_of_a_run_can_be_moved(tmp_path, config):
    pipeline.run(str(tmp_path / "run"), config())
    (tmp_path / "run").rename(tmp_path / "moved")
    _forget(tmp_path)
    pipeline.run(str(tmp_path / "moved"), config())
    assert _started(tmp_path) == []


def test_seeds_of_another_machine_are_joined_by_copying_its_stages(tmp_path, config):
    here, there = tmp_path / "here", tmp_path / "there"
    arms = "run.arms=['sft', 'rft']"
    pipeline.run(str(here), config(arms, "run.seeds=(0,)"))
    pipeline.run(str(there), config(arms, "run.seeds=(1,)"))
    shutil.copytree(there / "stages", here / "stages", dirs_exist_ok=True)
    _forget(tmp_path)
    pipeline.run(str(here), config(arms, "run.seeds=(0, 1)"))
    assert _started(tmp_path) == []
    assert {row["seed"] for row in read_json(here / "results.json")["rows"]} == {0, 1}


def test_another_test_set_to_compare_with_makes_other_collecting_stages(
    tmp_path, config, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    folders = []
    for answer in ("1", "2"):
        write_rows("test.jsonl", [{"question": "a?", "answer": f"#### {answer}"}])
        plan = pipeline.make_plan(config("collect.decontaminate=test.jsonl"), tmp_path / "run")
        (stage,) = [stage for stage in plan.stages if stage.title == "rft-0 collect"]
        assert f"--gin.collect.decontaminate={tmp_path}/test.jsonl" in stage.words(tmp_path / "run")
        folders.append(stage.folder)
    assert folders[0] != folders[1]


def test_a_model_with_other_weights_is_another_input(tmp_path, config, model):
    before = pipeline.make_plan(config(), tmp_path / "run")
    (model / "model.safetensors").write_bytes(b"other")
    after = pipeline.make_plan(config(), tmp_path / "run")
    assert before.stages[0].digest != after.stages[0].digest


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("train.seed=3", "rft run sets train.seed from run.seeds"),
        ("stf/train.num_epochs=3", r"no condition 'stf' in this run; there are"),
        ("run.train_problems=/nowhere.jsonl", "/nowhere.jsonl: no such file"),
        ("run.model=/nowhere", "/nowhere: no such folder"),
        ("run.arms=['sft', 'rtf']", r"run.arms has 'rtf'; there are rho, sft"),
        ("run.seeds=()", "one or more distinct ones are needed"),
    ],
)
def test_a_mistake_is_found_before_any_work(tmp_path, config, flag, message):
    with pytest.raises(UserError, match=message):
        pipeline.run(str(tmp_path / "run"), config(flag))
    assert not (tmp_path / "run").exists()


def test_oracle_paths_need_the_embedded_generator(tmp_path, config):
    with pytest.raises(UserError, match=r"oracle needs.*only wordproblems"):
        pipeline.make_plan(config("run.arms=['sft', 'rft_oracle']"), tmp_path / "run")


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path, config):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match=r"thesis\.tex"):
        pipeline.run(str(tmp_path / "home"), config())
    assert os.listdir(tmp_path / "home") == ["thesis.tex"]


def test_without_a_sandbox_an_experiment_that_asks_for_one_starts_no_stage(
    tmp_path, config, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    run_in_sandbox.cache_clear()
    with pytest.raises(UserError, match="bwrap"):
        pipeline.run(str(tmp_path / "run"), config("evaluate.programs='sandbox'"))
    assert _started(tmp_path) == []


@pytest.mark.parametrize(
    ("arms", "is_refused"), [(["sft"], True), (["rft"], True), (["rho"], False)]
)
def test_problems_with_only_answers_are_refused_before_the_first_stage_if_a_stage_trains_on_them(
    tmp_path, config, arms, is_refused
):
    problems = tmp_path / "answers.jsonl"
    write_rows(problems, [{"question": f"{name}?", "answer": "2"} for name in "abc"])
    settings = config(f"run.train_problems={problems}", f"run.arms={arms}")
    if not is_refused:
        assert pipeline.commands(str(tmp_path / "run"), settings)
        return
    for start in (pipeline.commands, pipeline.run):
        with pytest.raises(UserError, match=r"answers\.jsonl: 3 problems, all with only an answer"):
            start(str(tmp_path / "run"), settings)
    assert not _started(tmp_path)
    assert not (tmp_path / "run").exists()
