"""A tiny random model, and samples of it that are made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from rft_jax.devices import partitioning
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params, init_params
from rft_jax.policy.learner import Learner, Weights
from rft_jax.policy.rewards import Judged
from rft_jax.policy.rollouts import Rollout
from rft_jax.policy.scored import Scored
from rft_jax.policy.switches import Objective
from rft_jax.records import Sample
from rft_jax.training.settings import TrainSettings
from rft_jax.training.train_step import TrainState, init_train_state, state_shardings
from rft_jax.verify.grading import Grade

EOS = 1
CONFIG = LlamaConfig(
    vocab_size=48,
    hidden_size=8,
    intermediate_size=16,
    num_layers=1,
    num_heads=2,
    num_kv_heads=1,
)
# Without clipping and with an epsilon that is large, an update is proportional to the gradient.
SETTINGS = TrainSettings(batch_size=2, max_length=32, learning_rate=1.0, max_grad_norm=0, epsilon=1)
OBJECTIVE = Objective(baseline="mean", aggregation="sequence")


@cache
def params() -> Params:
    """On the host, as updates donate what they are given."""
    return jax.device_get(jax.jit(init_params, static_argnums=0)(CONFIG, jax.random.key(0)))


@cache
def teacher() -> Weights:
    """A wider model of another seed, with the same tokens."""
    config = replace(CONFIG, hidden_size=16, num_layers=2)
    wide = jax.jit(init_params, static_argnums=0)(config, jax.random.key(1))
    return Weights(jax.device_get(wide), config)


def scored(
    index: int,
    reward: float | None,
    length: int = 6,
    number: int = 0,
    more: int = 0,
    finish: str = "stop",
) -> Scored:
    """A sample of random tokens that ends with EOS; `more` of them are behind its answer."""
    random = np.random.default_rng([index, number])
    prompt = np.random.default_rng(index).integers(2, 48, 5).tolist()
    tokens = (*random.integers(2, 48, length + more - 1).tolist(), EOS)
    sample = Sample(f"p{index}", number, "m", 0, "", tokens, finish, -1.0)
    grade = Grade(None, [], "correct" if reward else "wrong_answer", None)
    logprobs = np.full(len(tokens), -2.0, np.float32)
    return Scored(Rollout(index, prompt, sample, logprobs), Judged(reward, grade, 0), length)


def samples() -> list[Scored]:
    """Three groups of three: two with variance, one without."""
    rewards = [[1.0, 0.0, 0.0], [0.7, 0.3, 0.3], [1.0, 1.0, 1.0]]
    return [
        scored(index, reward, 4 + 2 * number + index, number)
        for index, group in enumerate(rewards)
        for number, reward in enumerate(group)
    ]


def mesh(devices: int = 1) -> Mesh:
    return partitioning.make_mesh(MeshSettings(), jax.devices()[:devices])


def learner(
    objective: Objective = OBJECTIVE,
    settings: TrainSettings = SETTINGS,
    devices: int = 1,
    updates: int = 1,
    drops: bool = False,
    pad_id: int = 0,
    teacher: Weights | None = None,
) -> Learner:
    shape = CONFIG, mesh(devices), pad_id, 16
    return Learner(objective, settings, *shape, updates, drops, teacher=teacher)


def state(one: Learner) -> TrainState:
    fresh = init_train_state(jax.tree.map(jnp.asarray, params()), one.settings)
    return jax.device_put(fresh, state_shardings(fresh, one.mesh))


def after_update(
    one: Learner, of: Sequence[Scored], **others: object
) -> tuple[list[np.ndarray], dict[str, float]]:
    """The parameters after one step's updates, and its metrics."""
    with jax.set_mesh(one.mesh):
        new, metrics = one.update(state(one), of, 1.0, **others)  # type: ignore[arg-type]
        return [np.asarray(leaf) for leaf in jax.tree.leaves(new.params)], metrics
