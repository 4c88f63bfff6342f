"""`rft run`: plans an experiment, runs what is not finished of it, puts the figures together."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import rft_jax
from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.gin_settings import Config
from rft_jax.identity import input_identity
from rft_jax.jsonl import atomic_write, read_json, write_json, write_rows
from rft_jax.model_names import EMBEDDED, model_folder
from rft_jax.outputs import CONFIG, open_output
from rft_jax.pipeline.child import child_environment, cpu_cores
from rft_jax.pipeline.display import RunDisplay
from rft_jax.pipeline.execute import Executor, run_report
from rft_jax.pipeline.experiments import compare_arms
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.results import make_results, results_text
from rft_jax.pipeline.settings import RunSettings
from rft_jax.pipeline.stages import Given, Stage
from rft_jax.records import Problem, to_row

_MOST_PARALLEL = 4
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "tokenizers")
# What runs sets in the stages itself, by seed or arm.
_NOT_TO_BIND = {"train.seed": "run.seeds", "sample.seed": "run.seeds"}


def run(output: str, config: Config) -> None:
    """Runs the experiment in `output`; what earlier runs finished there is used as it is.

    Raises:
      UserError: an input or setting is wrong (before any work), or a stage says so.
      StageFailed: a stage ended with another error.
      Preempted: SIGTERM or Ctrl-C came; every stage's state is saved.
    """
    root = Path(output)
    plan, problems = make_plan(config)
    with open_output(root, {"command": "run"}):
        _write_inputs(root, config, plan, problems)
        _run_stages(root, plan)
        write_json(root / "results.json", make_results(root, plan.stages))
        print(f"\n{results_text(root)}\n", flush=True)
        run_report(root, child_environment(os.environ, one_thread=False))
        print(f"results: {root / 'results.json'}; report: {root / 'report' / 'index.html'}")


def commands(output: str, config: Config) -> list[str]:
    """The commands that `run` would start in `output`, in order."""
    plan, _ = make_plan(config)
    root = Path(output)
    return [_command_line(stage, root) for stage in plan.stages]


def _command_line(stage: Stage, root: Path) -> str:
    done = "  # finished" if stage.is_complete(root) else ""
    return f"rft {shlex.join(stage.words(root))}{done}"


def make_plan(config: Config) -> tuple[Plan, dict[str, list[Problem]]]:
    """The experiment's stages, and the problems by the names of the files they will be in.

    Raises:
      UserError: an input is missing or bad, or a setting that the experiment has no use for.
    """
    settings = config.get(RunSettings)
    for name, instead in _NOT_TO_BIND.items():
        if where := config.place_of(name):
            raise UserError(f"{where}: rft run sets {name} from {instead}; bind that")
    sets = {
        name: load_problems(spec)[: settings.limit or None]
        for name, spec in (("train", settings.train_problems), ("test", settings.test_problems))
    }
    if "rft_oracle" in settings.arms and not settings.train_problems.startswith("wordproblems:"):
        raise UserError(
            f"run.arms has rft_oracle, and run.train_problems is {settings.train_problems}: only "
            "wordproblems:… come with a generator; leave that arm out"
        )
    files = {
        "train": _problems_file(settings.train_problems, sets["train"]),
        "test": _problems_file(settings.test_problems, sets["test"]),
    }
    plan = Plan(settings, config, _model(settings), files["train"], files["test"])
    compare_arms(plan)
    _check_scopes(config, plan)
    return plan, {files[name].value: problems for name, problems in sets.items()}


def _problems_file(spec: str, problems: Sequence[Problem]) -> Given:
    """The copy of the problems in the run's folder, named by what it holds."""
    content = json.dumps([to_row(problem) for problem in problems], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    name = re.sub(r"\W+", "-", Path(spec).name.removesuffix(".gz").removesuffix(".jsonl"))
    return Given(f"problems/{name}-{digest[:12]}.jsonl", digest)


def _model(settings: RunSettings) -> Given:
    folder = Path(model_folder(settings.model or EMBEDDED)).absolute()
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; run.model names one with config.json")
    return Given(str(folder), input_identity(folder))


def _check_scopes(config: Config, plan: Plan) -> None:
    arms = {*plan.settings.arms, *(stage.arm for stage in plan.stages), "vote"}
    for scope, where in config.scopes.items():
        if scope not in arms:
            raise UserError(
                f"{where}: no arm {scope!r} in this run; there are {', '.join(sorted(arms))}"
            )


def _write_inputs(
    root: Path, config: Config, plan: Plan, problems: dict[str, list[Problem]]
) -> None:
    for name, rows in problems.items():
        if not (root / name).exists():
            write_rows(root / name, map(to_row, rows))
    with atomic_write(root / CONFIG) as file:
        file.write(f"# rft run\n{config.text()}")
    write_json(root / "run.json", _describe(root, plan))


def _describe(root: Path, plan: Plan) -> dict[str, Any]:
    """What `run.json` holds."""
    stages = {
        stage.title: {
            "folder": str(stage.folder),
            "command": stage.command,
            "arm": stage.arm,
            "seed": stage.seed,
            "typed": f"rft {shlex.join(stage.words(root))}",
        }
        for stage in plan.stages
    }
    versions = {"rft_jax": rft_jax.__version__, "python": platform.python_version()}
    versions |= {package: metadata.version(package) for package in _PACKAGES}
    return {
        "stages": stages,
        "settings": asdict(plan.settings),
        "versions": versions,
        "notes": plan.settings.notes,
    }


def _run_stages(root: Path, plan: Plan) -> None:
    """Runs the stages that are not finished, and adds their seconds to timing.json."""
    waiting = [stage for stage in plan.stages if not stage.is_complete(root)]
    width = max(len(stage.title) for stage in plan.stages)
    seconds: dict[str, float] = {}
    with RunDisplay(len(plan.stages), len(plan.stages) - len(waiting), width) as display:
        if waiting:
            backend = _jax_backend()
            parallel = plan.settings.parallel or _default_parallel(backend)
            environment = child_environment(os.environ, one_thread=backend == "cpu")
            seconds = Executor(root, parallel, environment, display).run(plan.stages)
    timing = root / "timing.json"
    before = read_json(timing)["stages"] if timing.exists() else {}
    write_json(timing, {"stages": before | seconds})


def _jax_backend() -> str:
    """Where JAX computes here: `cpu`, `gpu` or `tpu`; asked in a process of its own."""
    question = "import jax; print(jax.default_backend())"
    asked = subprocess.run(
        [sys.executable, "-c", question], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        reason = asked.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise UserError(f"JAX does not start here ({reason[0]}); see rft doctor")
    return asked.stdout.split()[-1]


def _default_parallel(backend: str) -> int:
    if backend != "cpu":
        return 1
    return min(_MOST_PARALLEL, cpu_cores())
