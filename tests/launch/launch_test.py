"""The launch scripts: their dry runs, their calls (of stub programs), and invalid arguments."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
SCRIPTS = ("gpus.sh", "slurm.sh", "tpu_slice.sh", "gke.sh")
REWRITE = "REWRITE_GOLDENS"  # set it to rewrite the goldens, then read the diff

TRAIN = ["--", "train", "--model", "models/7b", "--data", "gsm8k:train", "--output", "runs/sft"]
TRAIN += ["--gin_file", "runs/sft.gin"]
SAMPLE = ["--", "sample", "--model", "runs/sft", "--problems", "my problems.jsonl"]
SAMPLE += ["--output", "runs/samples", "--gin.sample.stop=('it''s \"$5\"',)"]
COLLECT = ["--", "collect", "--problems", "p", "--samples", "s", "--output", "o"]
RUN = ["--", "run", "--output", "runs/gsm8k", "--gin_file", "runs/gsm8k.gin", "--model", "m"]
TPU = ["--name", "rft", "--zone", "us-west4-a"]
V5P = ["--accelerator", "tpu-v5p-slice", "--topology", "2x2x2"]
GKE = ["--name", "rft", "--image", "eu/rft:1", "--claim", "rft"]

DRY_RUNS = {
    "gpus_train": ["gpus.sh", "--gpus", "8", *TRAIN],
    "gpus_sample": ["gpus.sh", "--gpus", "2", *SAMPLE],
    "gpus_sample_one": ["gpus.sh", "--gpus", "1", *SAMPLE],
    "gpus_sample_together": ["gpus.sh", "--gpus", "4", "--together", *SAMPLE],
    "slurm_train": ["slurm.sh", "--partition", "gpu", "--account", "math", *TRAIN],
    "slurm_train_nodes": ["slurm.sh", "--nodes", "4", *TRAIN],
    "slurm_container": [
        *("slurm.sh", "--container", "registry/rft:1", "--sbatch=--qos=high"),
        *("--sbatch=--constraint=h100", "--cpus", "96", "--mem", "900G", *SAMPLE),
    ],
    "slurm_run": ["slurm.sh", "--nodes", "2", *RUN],
    "slurm_sample": ["slurm.sh", "--nodes", "4", "--time", "2:00:00", *SAMPLE],
    "slurm_sample_together": ["slurm.sh", "--nodes", "2", "--together", *SAMPLE],
    "tpu_create": ["tpu_slice.sh", "create", *TPU, "--project", "p", "--type", "v6e-8", "--spot"],
    "tpu_create_pod": ["tpu_slice.sh", "create", *TPU, "--type", "v5p-128"],
    "tpu_wait": ["tpu_slice.sh", "wait", *TPU],
    "tpu_setup": ["tpu_slice.sh", "setup", *TPU, "--nfs", "10.0.0.2:/share"],
    "tpu_run": ["tpu_slice.sh", "run", *TPU, *TRAIN],
    "tpu_run_loop": ["tpu_slice.sh", "run", *TPU, *RUN],
    "tpu_run_shard": ["tpu_slice.sh", "run", *TPU, *SAMPLE, "--shard", "1/4"],
    "tpu_logs": ["tpu_slice.sh", "logs", *TPU],
    "tpu_stop": ["tpu_slice.sh", "stop", *TPU],
    "tpu_status": ["tpu_slice.sh", "status", *TPU],
    "tpu_resume": ["tpu_slice.sh", "resume", *TPU, "--nfs", "10.0.0.2:/share", *TRAIN],
    "tpu_delete": ["tpu_slice.sh", "delete", *TPU],
    "gke_train": ["gke.sh", "apply", *GKE, *TRAIN],
    "gke_train_pod": ["gke.sh", "apply", *GKE, "--topology", "4x8", *TRAIN],
    "gke_run_v5p": ["gke.sh", "apply", *GKE, *V5P, *RUN],
    "gke_sample": ["gke.sh", "apply", *GKE, "--slices", "4", "--topology", "2x2", *SAMPLE],
    "gke_logs": ["gke.sh", "logs", "--name", "rft"],
    "gke_status": ["gke.sh", "status", "--name", "rft"],
    "gke_delete": ["gke.sh", "delete", "--name", "rft"],
}

MISTAKES = {
    "no command": (["gpus.sh", "--gpus", "1"], "no rft command after --"),
    "unknown flag": (["slurm.sh", "--node", "2", *TRAIN], "--node: no such flag"),
    "no value": (["slurm.sh", "--nodes", "--gpus", "2", *TRAIN], "--nodes needs a value"),
    "no GPUs": (["gpus.sh", "--gpus", "0", *TRAIN], "--gpus is 0; it must be at least 1"),
    "GPUs in letters": (["gpus.sh", "--gpus", "abc", *TRAIN], "--gpus is abc; it must be at least"),
    "collecting on two nodes": (["slurm.sh", "--nodes", "2", *COLLECT], "has 2 hosts"),
    "no cores": (["slurm.sh", "--cpus", "0", *TRAIN], "--cpus is 0; it must be at least 1"),
    "no nodes": (["slurm.sh", "--nodes", "some", *TRAIN], "--nodes is some; it must be at least 1"),
    "collecting on a slice": (["tpu_slice.sh", "run", *TPU, *COLLECT], "run rft collect on any"),
    "no zone": (["tpu_slice.sh", "delete", "--name", "rft"], "--zone is needed"),
    "a type without a size": (["tpu_slice.sh", "create", *TPU, "--type", "v5p"], "--type is v5p"),
    "resuming without a share": (["tpu_slice.sh", "resume", *TPU, *TRAIN], "--nfs is needed"),
    "resuming nothing": (["tpu_slice.sh", "resume", *TPU, "--nfs", "s:/p"], "no rft command"),
    "no share": (["tpu_slice.sh", "setup", *TPU], "--nfs is needed"),
    "a shard before the command": (["tpu_slice.sh", "run", *TPU, "--shard", "0/2", *SAMPLE], "--"),
    "unknown action": (["gke.sh", "start", *GKE, *TRAIN], "start: no such action"),
    "no claim": (["gke.sh", "apply", *GKE[:4], *TRAIN], "--claim is needed"),
    "a name for YAML to trip over": (["gke.sh", "apply", "--name", "a: b", *TRAIN], "lower-case"),
    "collecting on hosts": (["gke.sh", "apply", *GKE, *V5P, *COLLECT], "has 2 hosts"),
    "training on slices": (["gke.sh", "apply", *GKE, "--slices", "2", *TRAIN], "is for sample"),
    "slices in letters": (["gke.sh", "apply", *GKE, "--slices", "x", *SAMPLE], "--slices is x"),
    "slices in octal": (["gke.sh", "apply", *GKE, "--slices", "08", *SAMPLE], "--slices is 08"),
    "a topology in octal": (["gke.sh", "apply", *GKE, "--topology", "08x4", *TRAIN], "is 08x4"),
    "a host without a chip": (["gke.sh", "apply", *GKE, "--topology", "3x5", *TRAIN], "15 chips"),
    "slices of hosts": (["gke.sh", "apply", *GKE, *V5P, "--slices", "2", *SAMPLE], "with one host"),
}


def _run(words: list[str], programs: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a launch script, with the programs of a folder first in the path."""
    search = f"{programs}:/usr/bin:/bin" if programs else os.environ["PATH"]
    return subprocess.run(
        ["bash", f"launch/{words[0]}", *words[1:]],
        cwd=ROOT,
        env=os.environ | {"PATH": search},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _run_job(script: str, programs: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a batch script as Slurm would."""
    (programs / "job.sh").write_text(script)
    environment = {"PATH": f"{programs}:/usr/bin:/bin"} | variables
    return subprocess.run(
        ["bash", str(programs / "job.sh")],
        cwd=programs,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _stand_in(folder: Path, name: str, body: str) -> Path:
    """A stub program with the given shell body."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/usr/bin/env bash\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def fakes(tmp_path: Path) -> Path:
    """Stub programs that record their arguments in `calls`."""
    for name in ("gcloud", "kubectl", "sbatch", "git", "scontrol"):
        note = f'cd {tmp_path}; printf "%s\\n" "${{0##*/}}" "$@" >> calls; cat >> input'
        _stand_in(tmp_path / "bin", name, note)
    return tmp_path


@pytest.fixture(autouse=True)
def _all_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def _worker_script(name: str, fakes: Path) -> str:
    """The script that a golden sends to the workers, for `fakes` as their disk."""
    _stand_in(fakes / "bin", "gcloud", 'printf "%s" "${@: -1}" > told')
    sent = _run_job((GOLDEN / f"{name}.txt").read_text(), fakes / "bin")
    assert sent.returncode == 0
    script = (fakes / "bin" / "told").read_text().removeprefix("--command=")
    return script.replace("cd /mnt/rft", f"cd {fakes}")


@pytest.mark.parametrize("name", DRY_RUNS)
def test_a_dry_run_prints_the_golden_text_and_calls_nothing(name: str, fakes: Path) -> None:
    script, *words = DRY_RUNS[name]
    at = words.index("--") if "--" in words else len(words)
    done = _run([script, *words[:at], "--dry_run", *words[at:]], programs=fakes / "bin")
    assert done.returncode == 0, done.stderr
    assert not (fakes / "calls").exists()
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get(REWRITE):
        golden.write_text(done.stdout)
    assert done.stdout == golden.read_text()


def test_every_golden_belongs_to_a_dry_run() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(DRY_RUNS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_explains_every_flag_and_action(script: str) -> None:
    text = (ROOT / "launch" / script).read_text()
    done = _run([script, "--help"])
    assert done.returncode == 0
    flags = set(re.findall(r"^    (--\w+)\)", text, re.MULTILINE))
    assert len(flags) > 2
    actions = re.search(r"^  (create|apply) \|([\w |]+)\)", text, re.MULTILINE)
    names = actions[0].strip(" )").split(" | ") if actions else []
    for word in [*flags, *names]:
        assert re.search(rf"^  {word}\b", done.stdout, re.MULTILINE), word


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_with_code_2_and_one_line_before_any_call(name: str, fakes: Path) -> None:
    words, message = MISTAKES[name]
    done = _run(words, programs=fakes / "bin")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (fakes / "calls").exists()


@pytest.mark.parametrize(
    "words",
    [["tpu_slice.sh", "run", *TPU], ["slurm.sh", "--nodes", "2"], ["gke.sh", "apply", *GKE, *V5P]],
)
def test_policy_training_runs_on_all_hosts(words: list[str]) -> None:
    done = _run([*words, "--dry_run", "--", "policy", "--model", "m", "--output", "runs/grpo"])
    assert done.returncode == 0, done.stderr
    assert "policy" in done.stdout


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs shellcheck")
def test_shellcheck_finds_nothing() -> None:
    scripts = [f"launch/{name}" for name in ("common.sh", *SCRIPTS)]
    scripts += ["tools/make_venv", "tools/try_install"]
    done = subprocess.run(
        ["shellcheck", "--external-sources", *scripts],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    assert done.returncode == 0


def test_a_cloud_command_gets_the_words_that_the_dry_run_prints(fakes: Path) -> None:
    done = _run(DRY_RUNS["tpu_run_shard"], programs=fakes / "bin")
    assert done.returncode == 0
    told = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {done.stdout}"], capture_output=True, text=True, check=True
    )
    assert (fakes / "calls").read_text() == told.stdout


def test_waiting_ends_when_the_slice_is_active_and_fails_when_the_request_has(
    fakes: Path,
) -> None:
    _stand_in(fakes / "bin", "sleep", "exit 0")
    for states, code in (("WAITING_FOR_RESOURCES PROVISIONING ACTIVE", 0), ("SUSPENDED", 2)):
        (fakes / "states").write_text(states.replace(" ", "\n") + "\n")
        _stand_in(fakes / "bin", "gcloud", f"cd {fakes}; head -n 1 states; sed -i 1d states")
        assert _run(DRY_RUNS["tpu_wait"], programs=fakes / "bin").returncode == code


@pytest.mark.parametrize("name", ["tpu_run", "tpu_run_loop", "tpu_run_shard", "tpu_setup"])
def test_the_script_of_a_worker_is_valid_shell(name: str, fakes: Path) -> None:
    script = _worker_script(name, fakes)
    assert len(script.splitlines()) > 2
    checked = subprocess.run(
        ["bash", "-n"], input=script, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(("code", "again"), [(0, False), (75, True), (2, False)])
def test_a_slurm_job_queues_again_only_when_rft_saved_its_state(
    code: int, again: bool, fakes: Path
) -> None:
    _stand_in(fakes / "bin", "srun", f"exit {code}")
    job = _run_job((GOLDEN / "slurm_train.txt").read_text(), fakes / "bin", SLURM_JOB_ID="17")
    assert job.returncode == code
    calls = (fakes / "calls").read_text() if (fakes / "calls").exists() else ""
    assert (calls == "scontrol\nrequeue\n17\n") == again


def test_the_slurm_script_goes_to_sbatch_as_it_is_printed(fakes: Path) -> None:
    assert _run(DRY_RUNS["slurm_train"], programs=fakes / "bin").returncode == 0
    assert (fakes / "input").read_text() == (GOLDEN / "slurm_train.txt").read_text()


@pytest.mark.parametrize(
    ("assigned", "own"),
    [("", "3"), ("4,5,6,7", "7"), ("GPU-a,GPU-b,MIG-c,MIG-d", "MIG-d"), ("6", "6")],
)
def test_a_slurm_task_gets_its_words_unharmed_and_its_own_gpu(
    assigned: str, own: str, fakes: Path
) -> None:
    python = _stand_in(fakes / "bin", "python", 'printf "%s\\n" "$CUDA_VISIBLE_DEVICES" "$@"')
    _stand_in(fakes / "bin", "srun", 'shift; exec "$@"')
    printed = _run(["slurm.sh", "--python", str(python), "--dry_run", *SAMPLE])
    variables = {"SLURM_LOCALID": "3", "SLURM_PROCID": "11", "SLURM_NTASKS": "32"}
    variables |= {"CUDA_VISIBLE_DEVICES": assigned} if assigned else {}
    job = _run_job(printed.stdout, fakes / "bin", **variables)
    expected = [own, "-m", "rft_jax.cli", *SAMPLE[1:], "--shard", "11/32"]
    assert job.stdout.splitlines() == expected


def test_slurm_tasks_of_several_nodes_find_each_other(fakes: Path) -> None:
    names = "$JAX_COORDINATOR_ADDRESS $JAX_NUM_PROCESSES $JAX_PROCESS_ID"
    python = _stand_in(fakes / "bin", "python", f'echo "{names} $CUDA_VISIBLE_DEVICES" "$3" "$5"')
    _stand_in(fakes / "bin", "srun", 'shift; exec "$@"')
    _stand_in(fakes / "bin", "scontrol", "echo node-7; echo node-8")
    printed = _run(["slurm.sh", "--nodes", "2", "--python", str(python), "--dry_run", *RUN])
    variables = {"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_JOB_ID": "40017"}
    job = _run_job(printed.stdout, fakes / "bin", **variables)
    assert job.stdout == "node-7:20017 2 1  run runs/gsm8k\n", job.stderr


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        ("a:b:10.0.0.5,c:d:10.0.0.6,e:f:10.0.0.7", "10.0.0.5:8476 3 2"),
        ("w-0,w-1,w-2", "w-0:8476 3 2"),
        ("a:b:10.0.0.5", ""),
    ],
)
def test_the_workers_of_a_slice_find_each_other(endpoints: str, expected: str, fakes: Path) -> None:
    answers = f"*worker-network-endpoints) echo {endpoints} ;; *agent-worker-number) echo 2 ;;"
    _stand_in(fakes / "bin", "curl", f'case "${{@: -1}}" in {answers} *) exit 22 ;; esac')
    (fakes / "rft" / "bin").mkdir(parents=True)
    names = "$JAX_COORDINATOR_ADDRESS $JAX_NUM_PROCESSES $JAX_PROCESS_ID"
    _stand_in(fakes / "rft" / "bin", "python", f"echo {names} > {fakes}/told; echo $3 >> told")
    script = _worker_script("tpu_run_loop", fakes) + "\nwait; sleep 0.1"
    _run_job(script, fakes / "bin", HOME=str(fakes))
    deadline = time.monotonic() + 30
    while not (fakes / "rft.exit").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (fakes / "told").read_text().splitlines() == [expected, "run"]


def test_a_slice_refuses_a_second_command_until_the_first_has_ended(fakes: Path) -> None:
    _stand_in(fakes / "bin", "curl", "echo a:b:10.0.0.5")
    (fakes / "rft" / "bin").mkdir(parents=True)
    _stand_in(fakes / "rft" / "bin", "python", "echo second")
    script = _worker_script("tpu_run", fakes) + "\nwait"
    pid, log = (fakes / "rft.pid", fakes / "rft.log")
    pid.write_text(f"{os.getpid()}\n")
    log.write_text("first\n")
    refused = _run_job(script, fakes / "bin", HOME=str(fakes))
    assert refused.returncode == 2
    assert "tpu_slice.sh status" in refused.stderr and "tpu_slice.sh stop" in refused.stderr
    assert (pid.read_text(), log.read_text()) == (f"{os.getpid()}\n", "first\n")
    (fakes / "rft.exit").write_text("75\n")
    assert _run_job(script, fakes / "bin", HOME=str(fakes)).returncode == 0
    assert (log.read_text(), (fakes / "rft.exit").read_text()) == ("second\n", "0\n")


def test_each_setup_archives_the_script_s_checkout_into_a_folder_of_its_own(fakes: Path) -> None:
    words = ["bash", str(ROOT / "launch" / "tpu_slice.sh"), *DRY_RUNS["tpu_setup"][1:]]
    search = os.environ | {"PATH": f"{fakes / 'bin'}:/usr/bin:/bin"}
    for _ in range(2):
        subprocess.run(words, cwd=fakes, env=search, stdin=subprocess.DEVNULL, check=True)
    calls = (fakes / "calls").read_text()
    checkouts = re.findall(r"^git\n-C\n(.+)", calls, re.MULTILINE)
    assert [Path(path).resolve() for path in checkouts] == [ROOT, ROOT]
    archives = re.findall(r"^--output=(.+)", calls, re.MULTILINE)
    assert re.findall(r"^scp\n(.+)", calls, re.MULTILINE) == archives
    assert len({Path(path).parent for path in archives}) == 2
    assert not any(Path(path).parent.exists() for path in archives)


@pytest.mark.parametrize(
    ("words", "devices"),
    [([*SAMPLE], ["5", "7"]), (["--gpus", "1", *SAMPLE], ["5"]), ([*TRAIN], ["5,7"])],
)
def test_gpus_that_the_environment_names_are_the_only_ones(
    monkeypatch: pytest.MonkeyPatch, words: list[str], devices: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    done = _run(["gpus.sh", "--dry_run", *words])
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        f"CUDA_VISIBLE_DEVICES={one}" for one in devices
    ]
    refused = _run(["gpus.sh", "--dry_run", "--gpus", "3", *TRAIN])
    assert refused.returncode and "--gpus is 3, and CUDA_VISIBLE_DEVICES=5,7" in refused.stderr


@pytest.mark.parametrize("words", [[], ["--gpus", "2"]])
def test_an_empty_list_of_gpus_allows_none(
    monkeypatch: pytest.MonkeyPatch, words: list[str], fakes: Path
) -> None:
    _stand_in(fakes / "bin", "nvidia-smi", "echo GPU 0; echo GPU 1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = _run(["gpus.sh", "--dry_run", *words, *SAMPLE], programs=fakes / "bin")
    assert (done.returncode, done.stdout) == (2, "")
    assert "CUDA_VISIBLE_DEVICES" in done.stderr


def test_sampling_runs_a_process_per_gpu_and_reports_one_that_fails(fakes: Path) -> None:
    body = 'echo "GPU $CUDA_VISIBLE_DEVICES ${*: -2}" >> calls; [ "${*: -1}" != 1/3 ] || exit 75'
    python = _stand_in(fakes / "bin", "python", f"cd {fakes}; {body}")
    done = _run(["gpus.sh", "--gpus", "3", "--python", str(python), *SAMPLE])
    assert done.returncode == 75
    calls = sorted((fakes / "calls").read_text().splitlines())
    assert calls == [f"GPU {n} --shard {n}/3" for n in range(3)]


@pytest.mark.parametrize("code", [75, 0])
def test_sigterm_reaches_every_gpu_process_and_the_exit_code_is_theirs(
    code: int, fakes: Path
) -> None:
    body = f"trap 'sleep 0.3; echo saved >> saved; exit {code}' TERM; echo >> up\n"
    body += "while sleep 0.05; do :; done"
    python = _stand_in(fakes / "bin", "python", f"cd {fakes}; {body}")
    words = ["bash", "launch/gpus.sh", "--gpus", "2", "--python", str(python), *SAMPLE]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL) as script:
        deadline = time.monotonic() + 30
        while not (fakes / "up").exists() or len((fakes / "up").read_text()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        script.send_signal(signal.SIGTERM)
        assert script.wait(timeout=30) == code
    assert (fakes / "saved").read_text() == "saved\nsaved\n"
