"""`rft policy`: on-policy training on verified rewards, resumable to the bit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial

import jax
from jax.sharding import Mesh

from rft_jax.checkpoints.load import LoadedModel
from rft_jax.devices import distributed, partitioning
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.outputs import OutputFolder
from rft_jax.models.lora import whole_params
from rft_jax.policy.inputs import Inputs, answers_for_both
from rft_jax.policy.learner import Learner
from rft_jax.policy.records import StepFiles
from rft_jax.policy.rewards import Judge
from rft_jax.policy.rollouts import Rollouts
from rft_jax.policy.scored import split_held_out
from rft_jax.policy.settings import PolicySettings, RolloutSettings, UpdateSettings
from rft_jax.policy.steps import PolicySteps
from rft_jax.progress import quantity
from rft_jax.prompts import shown
from rft_jax.records import Problem
from rft_jax.training.loop import run_steps
from rft_jax.training.model import TrainedModel, is_finished, starting_model, train_further
from rft_jax.verify.grading import check_references
from rft_jax.verify.programs.reading import check_programs


def train_policy(
    inputs: Inputs,
    output: str,
    settings: PolicySettings,
    update: UpdateSettings,
    rollout: RolloutSettings,
    mesh: MeshSettings | None = None,
    config_text: str = "",
) -> None:
    """Trains a model on its own samples; the output is a model folder once it is finished.

    Args:
      inputs: models and problems.
      output: folder for the model, checkpoints, metrics, samples and the ledger; a run that was
        stopped is resumed.
      settings: of policy training.
      update: of the optimizer.
      rollout: of the samples.
      mesh: sizes of the device mesh, which samples and trains in turn; None for fsdp over all
        devices.
      config_text: the resolved settings as a gin file, written into the output.

    Raises:
      UserError: models, problems, folder and settings don't fit each other, or a reward is not a
        finite number.
      Preempted: SIGTERM came; the state is saved.
    """
    check_programs(settings.programs)
    inputs.check(settings)
    distributed.initialize()
    made_with = partial(inputs.made_with, settings, update, rollout)
    longer = train_further(output, "policy.num_steps", and_other=" and policy.seed")
    with (
        distributed.open_shared_output(output, made_with, config_text, instead=longer) as folder,
        distributed.stop_flag() as stopped,
    ):
        files = StepFiles(folder.path, settings.num_steps)
        if is_finished(folder, update, "policy"):
            if distributed.is_main():
                files.remove_segments()  # left if the process was killed just after the end
            return
        device_mesh = partitioning.make_mesh(mesh or MeshSettings())
        partitioning.check_rows(update.batch_size, device_mesh)
        problems, held_out = inputs.load_problems(settings.limit)
        answers = answers_for_both(problems, held_out, settings.answers)
        check_references(problems + held_out, answers, inputs.problems)
        judge = Judge(settings.rewards, answers, settings.timeout, settings.programs)
        with jax.set_mesh(device_mesh), closing(judge):
            start = starting_model(inputs.model, update.complete(settings), device_mesh)
            steps, trained = _prepare(
                *(inputs, problems, held_out, folder, files, start, judge),
                *(settings, update, rollout, device_mesh),
            )
            _run(steps, trained, stopped, folder)


def _prepare(
    inputs: Inputs,
    problems: list[Problem],
    held_out: list[Problem],
    folder: OutputFolder,
    files: StepFiles,
    start: LoadedModel,
    judge: Judge,
    settings: PolicySettings,
    update: UpdateSettings,
    rollout: RolloutSettings,
    mesh: Mesh,
) -> tuple[PolicySteps, TrainedModel]:
    """The steps, and what they train."""
    train = update.complete(settings)
    start.config.check_length(train.max_length)
    reference = inputs.load_reference(start, settings, train, mesh)
    teacher = inputs.load_teacher(start, train, mesh)
    every, sampling = problems + held_out, rollout.complete(settings)
    rollouts = Rollouts(start, every, sampling, mesh, folder.path, judge.form)
    rollouts.check_length(train.max_length)
    apart = len(problems) if held_out else None
    chosen, measured = split_held_out(rollouts.places, settings, apart)
    answers, bound = judge.answers, settings.timeout
    grading = EvaluateSettings(answers=answers, timeout=bound, programs=settings.programs)
    trained = TrainedModel.of(start, train)
    learner = Learner(
        objective=settings.objective,
        settings=train,
        config=trained.config,
        mesh=mesh,
        pad_id=start.tokenizer.pad_id,
        longest=rollout.max_new_tokens,
        updates=settings.updates_per_step,
        drops=bool(settings.resample_rounds),
        frozen=trained.frozen,
        teacher=teacher,
    )
    steps = PolicySteps(
        settings=train,
        mesh=mesh,
        num_steps=settings.num_steps,
        folder=folder.path,
        frozen=trained.frozen,
        policy=settings,
        files=files,
        problems=every,
        trained=chosen,
        held_out=rollouts.accuracy(measured, grading) if measured else None,
        rollouts=rollouts,
        judge=judge,
        learner=learner,
        reference=reference,
        whole=partial(whole_params, trained.config, trained.frozen),
    )
    return steps, trained


def _run(
    steps: PolicySteps,
    trained: TrainedModel,
    stopped: Callable[[int], bool],
    folder: OutputFolder,
) -> None:
    """All remaining steps; then the model folder, and the ledger in one file."""
    trained.describe(folder.path / "checkpoints")
    if distributed.is_main():
        print(_summary(steps), flush=True)
        prompt = shown(steps.rollouts.first_prompt)
        print(f"policy: the first prompt, by template {trained.start.template.name!r}:\n{prompt}")
    last = run_steps(steps, trained.params, stopped).params
    if distributed.is_main():
        steps.files.merge()
    trained.finish(folder, last)
    if distributed.is_main():
        steps.files.remove_segments()


def _summary(steps: PolicySteps) -> str:
    policy, held_out = steps.policy, steps.held_out.requests if steps.held_out else ()
    signal = (
        f"reward {' × '.join(policy.rewards)}" if steps.learner.teacher is None else "a teacher"
    )
    return (
        f"policy: {policy.preset}, {signal}; "
        f"{quantity(len(steps.trained), 'problem')}, {len(held_out):,} more held out; "
        f"{quantity(policy.num_steps, 'step')} of {policy.problems_per_step} × "
        f"{quantity(policy.samples_per_problem, 'sample')}"
    )
