"""`rft policy`: on-policy training on verified rewards, resumable to the bit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial

import jax
from jax.sharding import Mesh

from rft_jax.checkpoints.huggingface import export_model
from rft_jax.checkpoints.load import LoadedModel, describe_checkpoints
from rft_jax.checkpoints.peft import FOLDER as ADAPTER
from rft_jax.checkpoints.peft import export_adapters
from rft_jax.devices import distributed, partitioning
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.files.outputs import OutputFolder
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params, init_adapters
from rft_jax.models.lora import merge_adapters, with_adapters
from rft_jax.policy.inputs import Inputs, answers_for_both
from rft_jax.policy.learner import Learner
from rft_jax.policy.records import StepFiles
from rft_jax.policy.rewards import Judge
from rft_jax.policy.rollouts import Rollouts
from rft_jax.policy.scored import split_held_out
from rft_jax.policy.settings import PolicySettings, RolloutSettings, UpdateSettings
from rft_jax.policy.steps import PolicySteps
from rft_jax.prompts import shown
from rft_jax.records import Problem
from rft_jax.training.loop import run_steps
from rft_jax.training.trainer import starting_model, tidy_checkpoints, train_further
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
        if folder.is_complete:
            if distributed.is_main():
                files.remove_segments()  # left if the process was killed just after the end
                tidy_checkpoints(folder, update)
                print(f"policy: {output} is finished already")
            return
        device_mesh = partitioning.make_mesh(mesh or MeshSettings())
        partitioning.check_rows(update.batch_size, device_mesh)
        problems, held_out = inputs.load_problems(settings.limit)
        answers = answers_for_both(problems, held_out, settings.answers)
        judge = Judge(settings.rewards, answers, settings.timeout, settings.programs)
        with jax.set_mesh(device_mesh), closing(judge):
            start = starting_model(inputs.model, update.complete(settings), device_mesh)
            steps, params = _prepare(
                *(inputs, problems, held_out, folder, files, start, judge),
                *(settings, update, rollout, device_mesh),
            )
            _run(steps, params, start, stopped, folder)


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
) -> tuple[PolicySteps, Params]:
    """The steps, and the parameters that are trained."""
    train = update.complete(settings)
    start.config.check_length(train.max_length)
    reference = inputs.load_reference(start, settings, train, mesh)
    teacher = inputs.load_teacher(start, train, mesh)
    every, sampling = problems + held_out, rollout.complete(settings)
    rollouts = Rollouts(start, every, sampling, mesh, folder.path, judge.form)
    rollouts.check_length(train.max_length)
    apart = len(problems) if held_out else None
    trained, measured = split_held_out(rollouts.places, settings, apart)
    config, params, frozen = start.config, start.params, {}
    if train.lora is not None:
        config = replace(config, lora=train.lora)
        frozen, params = params, init_adapters(config, jax.random.key(train.seed))
    learner = Learner(
        objective=settings.objective,
        settings=train,
        config=config,
        mesh=mesh,
        pad_id=start.tokenizer.pad_id,
        longest=rollout.max_new_tokens,
        updates=settings.updates_per_step,
        drops=bool(settings.resample_rounds),
        frozen=frozen,
        teacher=teacher,
    )
    steps = PolicySteps(
        settings=train,
        mesh=mesh,
        num_steps=settings.num_steps,
        folder=folder.path,
        frozen=frozen,
        policy=settings,
        files=files,
        problems=every,
        trained=trained,
        held_out=measured,
        rollouts=rollouts,
        judge=judge,
        learner=learner,
        reference=reference,
        whole=_whole(config, frozen),
    )
    return steps, params


def _whole(config: LlamaConfig, frozen: Params) -> Callable[[Params], Params]:
    """From the parameters that are trained to those that are sampled from."""
    if config.lora is None:
        return lambda params: params
    return lambda adapters: merge_adapters(config, with_adapters(frozen, adapters))


def _run(
    steps: PolicySteps,
    params: Params,
    start: LoadedModel,
    stopped: Callable[[int], bool],
    folder: OutputFolder,
) -> None:
    """All remaining steps; then the model folder, and the ledger in one file."""
    config, settings = steps.learner.config, steps.settings
    if config.lora is None:
        checkpoints = folder.path / "checkpoints"
        described = config, start.tokenizer, start.template, settings.stored_dtype
        describe_checkpoints(checkpoints, *described)
    if distributed.is_main():
        print(_summary(steps), flush=True)
        prompt = shown(steps.rollouts.first_prompt)
        print(f"policy: the first prompt, by template {start.template.name!r}:\n{prompt}")
    trained = with_adapters(steps.frozen, run_steps(steps, params, stopped).params)
    dtype = settings.stored_dtype
    export_model(folder.path, config, trained, start.tokenizer, start.template, dtype)
    if config.lora:
        export_adapters(folder.path / ADAPTER, config, trained, start.source)
    if distributed.is_main():
        steps.files.merge()
        folder.commit()
        steps.files.remove_segments()
        tidy_checkpoints(folder, settings)


def _summary(steps: PolicySteps) -> str:
    policy = steps.policy
    signal = (
        f"reward {' × '.join(policy.rewards)}" if steps.learner.teacher is None else "a teacher"
    )
    return (
        f"policy: {policy.preset}, {signal}; {len(steps.trained):,} "
        f"problems, {len(steps.held_out):,} more held out; {policy.num_steps:,} steps of "
        f"{policy.problems_per_step} × {policy.samples_per_problem} samples"
    )
