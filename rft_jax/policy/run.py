"""`rft policy`: on-policy training on verified rewards, resumable to the bit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax
from jax.sharding import Mesh

from rft_jax.checkpoints.load import LoadedModel
from rft_jax.devices import distributed, partitioning
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.names import CHECKPOINTS_FOLDER
from rft_jax.files.outputs import OutputFolder
from rft_jax.models.lora import whole_params
from rft_jax.policy.inputs import Inputs, answers_for_both
from rft_jax.policy.learner import Learner, Weights
from rft_jax.policy.records import StepFiles
from rft_jax.policy.rewards import Judge
from rft_jax.policy.rollouts import Rollouts
from rft_jax.policy.scored import split_held_out
from rft_jax.policy.settings import PolicySettings
from rft_jax.policy.shared_settings import RolloutSettings, UpdateSettings
from rft_jax.policy.steps import PolicySteps
from rft_jax.progress import quantity
from rft_jax.prompts import shown
from rft_jax.records import Problem
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.loop import run_steps
from rft_jax.training.memory import resident_bytes
from rft_jax.training.model import TrainedModel, is_finished, starting_model, train_further
from rft_jax.training.settings import TrainSettings
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
            train = update.complete(settings)
            start = starting_model(inputs.model, train, device_mesh)
            sample = rollout.complete(settings)
            setup = _Setup(inputs, settings, train, sample, device_mesh, folder.path, start, judge)
            steps, trained = setup.steps(problems, held_out, files)
            _run(steps, trained, stopped, folder)


@dataclass(frozen=True, eq=False)
class _Setup:
    """What the steps of a run are made of.

    Attributes:
      inputs: models and problems.
      policy: settings of policy training.
      train: settings of the updates, those that policy training decides among them.
      sample: settings of the samples, likewise.
      mesh: the devices.
      folder: the run's.
      start: the model that training starts from.
      judge: grades and rewards samples.
    """

    inputs: Inputs
    policy: PolicySettings
    train: TrainSettings
    sample: SampleSettings
    mesh: Mesh
    folder: Path
    start: LoadedModel
    judge: Judge

    def steps(
        self, problems: list[Problem], held_out: list[Problem], files: StepFiles
    ) -> tuple[PolicySteps, TrainedModel]:
        """The steps, and what they train.

        Args:
          problems: those of --problems.
          held_out: those of --held_out, if there are any.
          files: of the steps.

        Raises:
          UserError: models, problems and settings don't fit each other.
        """
        start, train, mesh = self.start, self.train, self.mesh
        start.config.check_length(train.max_length)
        reference = self.inputs.load_reference(start, self.policy, train, mesh)
        teacher = self.inputs.load_teacher(start, train, mesh)
        every = problems + held_out
        others = [
            one.config for one in (reference, teacher) if one and one.params is not start.params
        ]
        config = replace(start.config, lora=train.lora)
        resident = resident_bytes(config, train, mesh.shape, others)
        rollouts = Rollouts(start, every, self.sample, mesh, self.folder, self.judge.form, resident)
        rollouts.check_length(train.max_length)
        apart = len(problems) if held_out else None
        chosen, measured = split_held_out(rollouts.indices, self.policy, apart)
        trained = TrainedModel.of(start, train)
        steps = PolicySteps(
            settings=train,
            mesh=mesh,
            num_steps=self.policy.num_steps,
            folder=self.folder,
            frozen=trained.frozen,
            policy=self.policy,
            files=files,
            problems=every,
            trained=chosen,
            held_out=rollouts.accuracy(measured, self._grading) if measured else None,
            rollouts=rollouts,
            judge=self.judge,
            learner=self._learner(trained, teacher),
            reference=reference,
            whole=partial(whole_params, trained.config, trained.frozen),
        )
        return steps, trained

    @property
    def _grading(self) -> EvaluateSettings:
        """How answers to held-out problems are graded: as samples are."""
        return EvaluateSettings(
            answers=self.judge.answers,
            timeout=self.policy.timeout,
            programs=self.policy.programs,
        )

    def _learner(self, trained: TrainedModel, teacher: Weights | None) -> Learner:
        return Learner(
            objective=self.policy.objective,
            settings=self.train,
            config=trained.config,
            mesh=self.mesh,
            pad_id=self.start.tokenizer.pad_id,
            longest=self.sample.max_new_tokens,
            updates=self.policy.updates_per_step,
            drops=bool(self.policy.resample_rounds),
            frozen=trained.frozen,
            teacher=teacher,
        )


def _run(
    steps: PolicySteps,
    trained: TrainedModel,
    stopped: Callable[[int], bool],
    folder: OutputFolder,
) -> None:
    """All remaining steps; then the model folder, and the ledger in one file."""
    trained.describe(folder.path / CHECKPOINTS_FOLDER)
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
