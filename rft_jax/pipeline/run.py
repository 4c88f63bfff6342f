"""`rft run`: plans an experiment, runs its unfinished stages and writes the results."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import rft_jax
from rft_jax.checkpoints.names import EMBEDDED
from rft_jax.devices.cluster import VARIABLES, ClusterProcess, is_started_together, named_process
from rft_jax.errors import UserError, names_as_given
from rft_jax.files.jsonl import atomic_write, write_json, write_rows
from rft_jax.files.mirror import original
from rft_jax.files.names import COSTS_FILE, RESULTS_FILE, TIMING_FILE
from rft_jax.files.outputs import CONFIG, RUN, open_output
from rft_jax.files.remote import fetched
from rft_jax.gin_settings import Config
from rft_jax.installation import versions
from rft_jax.pipeline.checks import check_plan, shared_questions
from rft_jax.pipeline.experiments import EXPERIMENTS, Experiment, experiment_class
from rft_jax.pipeline.graph import StageGraph, known_folders
from rft_jax.pipeline.outcome.costs import make_costs
from rft_jax.pipeline.outcome.models import FOLDER as MODELS
from rft_jax.pipeline.outcome.models import link_models
from rft_jax.pipeline.outcome.results import make_results, results_text
from rft_jax.pipeline.outcome.stage_result import stage_result
from rft_jax.pipeline.outcome.tensorboard import write_tensorboard
from rft_jax.pipeline.plan import Plan, model_input
from rft_jax.pipeline.problems import chosen_problems
from rft_jax.pipeline.settings import RunSettings
from rft_jax.pipeline.stages import Stage
from rft_jax.pipeline.supervise.display import RunDisplay
from rft_jax.pipeline.supervise.environment import child_environment
from rft_jax.pipeline.supervise.execute import Executor, stage_seconds
from rft_jax.pipeline.supervise.hosts import Hosts, several_hosts
from rft_jax.pipeline.supervise.process import run_report
from rft_jax.pipeline.unused import check_bindings
from rft_jax.records import Problem, to_row
from rft_jax.records.renamed import Renaming, parse_columns
from rft_jax.report.runs import read_run
from rft_jax.verify.programs.reading import EVALUATOR, check_programs
from rft_jax.workers.pool import cpu_cores

_MADE_WITH = {"command": "run"}
_MOST_PARALLEL = 4
_NAMED = 8  # models in the last line
_SEEDED = ("train", "sample", "policy")
"""Settings whose seed is the run's."""


def run(output: str, config: Config) -> None:
    """Runs the experiment in `output`; stages that earlier runs finished there are reused.

    Raises:
      UserError: an input or setting is invalid (before any work), or a stage says so.
      StageFailed: a stage ended with another error.
      Preempted: SIGTERM or Ctrl-C arrived; every stage's state is saved.
    """
    root = Path(output)
    process = process_of_run(os.environ)
    if process is None:
        plan = make_plan(config, root)
        with open_output(root, _MADE_WITH):
            _lead(root, config, plan, Hosts())
        return
    if url := original(root):
        raise UserError(
            f"{url}: rft run on several hosts needs a disk that all of them share, since its "
            "stages read each other's folders; name another --output, or start the stages one by "
            "one"
        )
    words = (rft_jax.__version__, config.text())
    if process.index == 0:
        with open_output(root, _MADE_WITH), several_hosts(process, root, words) as hosts:
            _lead(root, config, make_plan(config, root), hosts)
    else:
        with several_hosts(process, root, words) as hosts:
            _run_stages(root, make_plan(config, root), hosts)
            hosts.wait_for_end()


def process_of_run(environment: Mapping[str, str]) -> ClusterProcess | None:
    """Which process of a run on several hosts this is; None for a run on one host.

    Raises:
      UserError: a launcher has started several processes and the variables are not set.
    """
    process = named_process(environment)
    if process is None and is_started_together(environment):
        raise UserError(
            f"rft run as several processes needs {', '.join(VARIABLES)} in the environment of "
            "each; launch/slurm.sh and launch/tpu_slice.sh set them"
        )
    return process if process is not None and process.count > 1 else None


def _lead(root: Path, config: Config, plan: Plan, hosts: Hosts) -> None:
    """The part of process 0: inputs, stages, results and report."""
    home = root / plan.settings.name
    for note in plan.notes:
        print(note, flush=True)
    _write_inputs(root, home, config, plan)
    try:
        _run_stages(root, plan, hosts)
    finally:
        models = link_models(root, home, plan)
    write_json(home / RUN, _describe(root, home, plan))  # all numbers of steps are known now
    write_json(home / RESULTS_FILE, make_results(root, plan))
    write_json(home / COSTS_FILE, make_costs(root, plan))
    write_json(home / TIMING_FILE, {"stages": _stage_timing(root, plan)})
    write_tensorboard(root, home, plan)
    print(f"\n{results_text(read_run(str(home)))}\n", flush=True)
    run_report(home, child_environment(os.environ, one_thread=False))
    print(f"results: {home / RESULTS_FILE}; report: {home / 'report' / 'index.html'}")
    more = len(models) - _NAMED
    named = ", ".join(models[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    print(f"models, for --model and other programs: {home / MODELS}/ ({named})")


def commands(output: str, config: Config) -> list[str]:
    """The command lines of the stages that `run` would start in `output`, in order.

    Before them, as comments, the notes that `run` would print.
    """
    root = Path(output)
    plan = make_plan(config, root)
    notes = [f"# {note}" for note in plan.notes]
    return [*notes, *(_command_line(stage, root) for stage in plan.stages)]


def _command_line(stage: Stage, root: Path) -> str:
    done = "  # finished" if stage.is_complete(root) else ""
    return f"rft {shlex.join(stage.words(root))}{done}"


def make_plan(config: Config, root: Path) -> Plan:
    """The experiment's stages and rows.

    Args:
      root: the run's folder, where earlier runs may have begun some of the stages.

    Raises:
      UserError: an input is missing or invalid, or the experiment does not use a bound setting.
    """
    settings = config.get(RunSettings)
    for one in config.bindings:
        if one.field == "seed" and one.name in _SEEDED and config.is_asked_for(one):
            raise UserError(f"{one.where}: rft run sets {one.key} from run.seeds; bind that")
    experiment = _experiment(config, settings.experiment)
    train, test = _load_problems(settings)
    model = model_input(settings.model or EMBEDDED)
    plan = Plan(settings, config, model, train, test, StageGraph(known_folders(root)))
    experiment.add_to(plan)
    if not plan.measured:
        raise UserError(f"{settings.experiment} measures nothing: one of its lists is empty")
    plan.select_arms()
    check_plan(plan, config)
    plan.notes += check_bindings(plan, config) + shared_questions(plan)
    return plan


def _load_problems(settings: RunSettings) -> list[list[Problem]]:
    """Training and test problems."""
    specs = [settings.train_problems, settings.test_problems]
    with ExitStack() as stack:
        if settings.columns:
            folder = stack.enter_context(TemporaryDirectory())
            renaming = Renaming(parse_columns(settings.columns), Path(folder))
            copies = [str(renaming.copy(Path(fetched(spec)))) for spec in specs]
            renaming.check()
            stack.enter_context(names_as_given(dict(zip(copies, specs, strict=True))))
            specs = copies
        most, limit = settings.max_calculations, settings.limit
        train, test = (chosen_problems(spec, most, limit) for spec in specs)
        return [train[: settings.train_limit or None], test]


def _experiment(config: Config, name: str) -> Experiment:
    """The experiment of that name with its settings.

    Raises:
      UserError: there is no such experiment, or settings of another one are bound.
    """
    chosen: type[Experiment] = experiment_class(name)
    for one in config.bindings:
        is_of_another = one.name in EXPERIMENTS and one.name != name
        if is_of_another and config.is_asked_for(one):
            raise UserError(
                f"{one.where}: {one.key} is bound, and run.experiment is {name!r}; leave it out, "
                f"or set that to {one.name!r}"
            )
    return config.get(chosen)


def _write_inputs(root: Path, home: Path, config: Config, plan: Plan) -> None:
    for name, rows in plan.files.items():
        if not (root / name).exists():
            write_rows(root / name, map(to_row, rows))
    with atomic_write(home / CONFIG) as file:
        file.write(config.text())
    write_json(home / RUN, _describe(root, home, plan))


def _describe(root: Path, home: Path, plan: Plan) -> dict[str, Any]:
    """The content of `run.json`; folders are relative to it."""
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


def _run_stages(root: Path, plan: Plan, hosts: Hosts) -> None:
    """Runs the stages that are not finished."""
    stages = plan.stages
    waiting = [stage for stage in stages if not stage.is_complete(root)]
    asked = {getattr(s, "programs", EVALUATOR) for one in waiting for s in one.settings.values()}
    for programs in asked:
        check_programs(programs)
    finished = [stage for stage in stages if stage not in waiting]
    result = partial(stage_result, root)
    shown = RunDisplay(stages, finished, stage_seconds(root), result, quiet=not hosts.leads)
    with shown as display:
        if waiting:
            backend = _jax_backend(hosts)
            parallel = _parallel(plan.settings.parallel, backend, hosts)
            display.forecast.parallel = parallel
            Executor(root, parallel, hosts, backend == "cpu", display).run(stages)


def _stage_timing(root: Path, plan: Plan) -> dict[str, float]:
    """Seconds of the plan's stages by title, whichever run they were computed for."""
    seconds = stage_seconds(root)
    folders = {stage.title: stage.folder.name for stage in plan.stages}
    return {title: seconds[name] for title, name in folders.items() if name in seconds}


def _jax_backend(hosts: Hosts) -> str:
    """The platform that JAX computes on: `cpu`, `gpu` or `tpu`, detected in a child process."""
    if hosts.count > 1:  # a slice's chips can only be opened by all of its hosts together
        return os.environ.get("JAX_PLATFORMS", "several hosts")
    code = "import jax; print(jax.default_backend())"
    detection = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    if detection.returncode != 0:
        reason = detection.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise UserError(f"JAX does not start here ({reason[0]}); see rft doctor")
    return detection.stdout.split()[-1]


def _parallel(requested: int, backend: str, hosts: Hosts) -> int:
    """The number of stages side by side.

    Args:
      requested: the setting; 0 chooses by backend and cores.
    """
    if hosts.count > 1 and requested > 1:
        raise UserError(f"run.parallel = {requested}: several hosts compute one stage at a time")
    if requested or backend != "cpu" or hosts.count > 1:
        return requested or 1
    return min(_MOST_PARALLEL, cpu_cores())
