"""Lists among an experiment's settings: empty, or with an item twice."""

from __future__ import annotations

import dataclasses

import pytest

from rft_jax.errors import UserError
from rft_jax.pipeline.experiments import EXPERIMENTS, experiment_class

LISTS = [
    (name, field.name)
    for name in EXPERIMENTS
    for field in dataclasses.fields(experiment_class(name))
    if isinstance(field.default, tuple)
]


@pytest.mark.parametrize(("name", "field"), LISTS)
def test_every_list_of_an_experiment_may_be_empty_or_is_refused(plan_of, name, field):
    flags = (f"run.experiment={name}", f"{name}.{field}=()")
    try:
        assert plan_of("rft_k", *flags).measured
    except UserError as error:
        said = str(error)
        assert name.partition("_")[0] in said or "run.train_problems" in said  # no generator


def test_a_list_that_repeats_an_item_does_not_count_a_training_twice(plan_of):
    with pytest.raises(UserError, match=r"condition 'human' occurs twice for seed 0.* quickstart"):
        plan_of("quickstart_seeds", "quickstart.controls=('human', 'human')")
