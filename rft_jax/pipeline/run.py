"""`rft run`: plans an experiment, runs what is not finished of it, puts the figures together."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rft_jax
from rft_jax.checkpoints.names import EMBEDDED, model_folder
from rft_jax.data.sources import load_problems
from rft_jax.derive.write import PROBLEMS as DERIVED_PROBLEMS
from rft_jax.errors import UserError
from rft_jax.files.jsonl import atomic_write, write_json, write_rows
from rft_jax.files.mirror import original
from rft_jax.files.outputs import CONFIG, open_output
from rft_jax.gin_settings import Config
from rft_jax.installation import versions
from rft_jax.pipeline.experiments import EXPERIMENTS, Experiment, experiment_class
from rft_jax.pipeline.outcome.costs import make_costs
from rft_jax.pipeline.outcome.results import make_results, results_text
from rft_jax.pipeline.plan import VOTE, Plan, known_folders, model_input
from rft_jax.pipeline.settings import RunSettings
from rft_jax.pipeline.stages import Stage
from rft_jax.pipeline.supervise.display import RunDisplay
from rft_jax.pipeline.supervise.environment import child_environment
from rft_jax.pipeline.supervise.execute import Executor, stage_seconds
from rft_jax.pipeline.supervise.follower import follow
from rft_jax.pipeline.supervise.hosts import Hosts, Leader, OneHost, place_in_run
from rft_jax.pipeline.supervise.process import run_report
from rft_jax.records import to_row
from rft_jax.workers.pool import cpu_cores

_MOST_PARALLEL = 4
# What runs sets in the stages itself, by seed or arm.
_NOT_TO_BIND = {"train.seed": "run.seeds", "sample.seed": "run.seeds"}


def run(output: str, config: Config) -> None:
    """Runs the experiment in `output`; what earlier runs finished there is used as it is.

    Raises:
      UserError: an input or setting is wrong (before any work), or a stage says so.
      StageFailed: a stage ended with another error.
      Preempted: SIGTERM or Ctrl-C came; every stage's state is saved.
    """
    root, words = Path(output), (rft_jax.__version__, config.text())
    place = place_in_run(os.environ)
    if place is not None and (url := original(root)):
        raise UserError(
            f"{url}: rft run on several hosts needs a disk that all of them see, since its stages "
            "read each other's folders; name another --output, or start the stages one by one"
        )
    if place is None:
        _run(root, config, OneHost())
    elif place.index > 0:
        follow(place, words, root)
    else:
        with Leader(place, words) as hosts:
            _run(root, config, hosts)


def _run(root: Path, config: Config, hosts: Hosts) -> None:
    plan = make_plan(config, root)
    home = root / plan.settings.name
    with open_output(root, {"command": "run"}):
        _write_inputs(root, home, config, plan)
        _run_stages(root, home, plan, hosts)
        write_json(home / "results.json", make_results(root, plan))
        write_json(home / "costs.json", make_costs(root, plan))
        print(f"\n{results_text(home)}\n", flush=True)
        run_report(home, child_environment(os.environ, one_thread=False))
        print(f"results: {home / 'results.json'}; report: {home / 'report' / 'index.html'}")


def commands(output: str, config: Config) -> list[str]:
    """The commands that `run` would start in `output`, in order."""
    root = Path(output)
    return [_command_line(stage, root) for stage in make_plan(config, root).stages]


def _command_line(stage: Stage, root: Path) -> str:
    done = "  # finished" if stage.is_complete(root) else ""
    return f"rft {shlex.join(stage.words(root))}{done}"


def make_plan(config: Config, root: Path) -> Plan:
    """The experiment's stages and rows; `root` is where earlier runs may have begun some.

    Raises:
      UserError: an input is missing or bad, or a setting that the experiment has no use for.
    """
    settings = config.get(RunSettings)
    for name, instead in _NOT_TO_BIND.items():
        if where := config.location_of(name):
            raise UserError(f"{where}: rft run sets {name} from {instead}; bind that")
    experiment = _experiment(config, settings.experiment)
    train, test = (
        load_problems(spec)[: settings.limit or None]
        for spec in (settings.train_problems, settings.test_problems)
    )
    model = model_input(Path(model_folder(settings.model or EMBEDDED)).absolute())
    plan = Plan(settings, config, model, train, test, known_folders(root))
    experiment.add_to(plan)
    plan.keep_asked()
    _check_oracle(plan)
    _check_scopes(config, plan)
    return plan


def _experiment(config: Config, name: str) -> Experiment:
    """The experiment of that name with its settings.

    Raises:
      UserError: there is none, or another one's settings are bound.
    """
    asked: type[Experiment] = experiment_class(name)
    for other in EXPERIMENTS:
        kind = experiment_class(other)
        if other != name and config.get(kind) != kind():
            raise UserError(f"{other} has settings bound, and run.experiment is {name!r}")
    return config.get(asked)


def _check_oracle(plan: Plan) -> None:
    asks = any(stage.title.endswith("derive oracle") for stage in plan.stages)
    if asks and not plan.settings.train_problems.startswith("wordproblems:"):
        raise UserError(
            f"the oracle arm needs a generator of paths, and run.train_problems is "
            f"{plan.settings.train_problems}: only wordproblems:… come with one; leave that arm "
            "out (run.arms)"
        )


def _check_scopes(config: Config, plan: Plan) -> None:
    arms = {*(one.arm for one in plan.measured), *(stage.arm for stage in plan.stages), VOTE}
    for scope, where in config.scopes.items():
        if scope not in arms and scope not in DERIVED_PROBLEMS:
            raise UserError(
                f"{where}: no arm {scope!r} in this run; there are {', '.join(sorted(arms))}"
            )


def _write_inputs(root: Path, home: Path, config: Config, plan: Plan) -> None:
    for name, rows in plan.files.items():
        if not (root / name).exists():
            write_rows(root / name, map(to_row, rows))
    with atomic_write(home / CONFIG) as file:
        file.write(config.text())
    write_json(home / "run.json", _describe(root, home, plan))


def _describe(root: Path, home: Path, plan: Plan) -> dict[str, Any]:
    """What `run.json` holds; folders as seen from it."""
    stages = {
        stage.title: {
            "folder": os.path.relpath(root / stage.folder, home),
            "command": stage.command,
            "arm": stage.arm,
            "seed": stage.seed,
            "label": stage.label,
            "typed": f"rft {shlex.join(stage.words(root))}",
        }
        for stage in plan.stages
    }
    return {
        "stages": stages,
        "arms": {one.arm: one.label for one in plan.measured},
        "settings": asdict(plan.settings),
        "versions": versions(),
        "notes": plan.settings.notes,
    }


def _run_stages(root: Path, home: Path, plan: Plan, hosts: Hosts) -> None:
    """Runs the stages that are not finished; timing.json has the seconds of all."""
    stages = plan.stages
    waiting = [stage for stage in stages if not stage.is_complete(root)]
    width = max(len(stage.title) for stage in stages)
    with RunDisplay(len(stages), len(stages) - len(waiting), width) as display:
        if waiting:
            backend = _jax_backend(hosts)
            parallel = _parallel(plan.settings.parallel, backend, hosts)
            Executor(root, parallel, hosts, backend == "cpu", display).run(stages)
    known = stage_seconds(root)
    seconds = {s.title: known[s.folder.name] for s in stages if s.folder.name in known}
    write_json(home / "timing.json", {"stages": seconds})


def _jax_backend(hosts: Hosts) -> str:
    """Where JAX computes here: `cpu`, `gpu` or `tpu`; asked in a process of its own."""
    if hosts.count > 1:  # the chips of a slice answer to all of its hosts together only
        return os.environ.get("JAX_PLATFORMS", "several hosts")
    question = "import jax; print(jax.default_backend())"
    asked = subprocess.run(
        [sys.executable, "-P", "-c", question], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        reason = asked.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise UserError(f"JAX does not start here ({reason[0]}); see rft doctor")
    return asked.stdout.split()[-1]


def _parallel(asked: int, backend: str, hosts: Hosts) -> int:
    """Stages side by side."""
    if hosts.count > 1 and asked > 1:
        raise UserError(f"run.parallel = {asked}: several hosts compute one stage at a time")
    if asked or backend != "cpu" or hosts.count > 1:
        return asked or 1
    return min(_MOST_PARALLEL, cpu_cores())
