"""Experiments: plain functions that ask a plan for stages, arm by arm."""

from __future__ import annotations

from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument, OutputOf, Stage, StepsOf


def compare_arms(plan: Plan) -> None:
    """The paper's loop and its controls: each arm is trained from the pretrained weights.

    Stages start in the order in which they are asked for, so the longest trainings come first.
    """
    arms, seeds = plan.settings.arms, plan.settings.seeds
    for seed in seeds:
        if set(arms) - {"rho"}:
            sft = plan.train("sft", seed, plan.train_problems)
        if "rho" in arms and seed == seeds[0]:
            _measure(plan, "rho", seed, plan.model)
        if set(arms) - {"rho", "sft"}:
            _rft_arms(plan, seed, sft)
        if "sft" in arms:
            _measure(plan, "sft", seed, OutputOf(sft))


def _rft_arms(plan: Plan, seed: int, sft: Stage) -> None:
    arms = plan.settings.arms
    samples = plan.sample("sft", seed, OutputOf(sft))
    kept = OutputOf(plan.collect("rft", seed, samples), "paths.jsonl")
    if "rft_no_dedup" in arms:
        every = plan.collect("rft_no_dedup", seed, samples, dedup="none")
        _train_and_measure(plan, "rft_no_dedup", seed, OutputOf(every, "paths.jsonl"))
    if "rft" in arms:
        _train_and_measure(plan, "rft", seed, kept)
    if "sft_steps" in arms:
        steps = StepsOf(plan.train("rft", seed, kept))
        longer = plan.train("sft_steps", seed, plan.train_problems, num_steps=steps)
        _measure(plan, "sft_steps", seed, OutputOf(longer))
    if "rft_oracle" in arms:
        oracle = plan.oracle("rft_oracle", seed, kept)
        _train_and_measure(plan, "rft_oracle", seed, OutputOf(oracle, "paths.jsonl"))


def _train_and_measure(plan: Plan, arm: str, seed: int, data: Argument) -> None:
    _measure(plan, arm, seed, OutputOf(plan.train(arm, seed, data)))


def _measure(plan: Plan, arm: str, seed: int, model: Argument) -> None:
    plan.evaluate(arm, seed, model)
    if arm in plan.settings.vote_arms:
        plan.vote(arm, seed, model)
