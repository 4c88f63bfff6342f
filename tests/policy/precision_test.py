"""Sampler and trainer compute the same log-probabilities but for rounding: both against float64."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

from rft_jax.checkpoints.names import EMBEDDED, model_folder
from rft_jax.data.sources import load_problems
from rft_jax.files.jsonl import write_json
from rft_jax.policy.learner import Learner, Weights
from rft_jax.policy.rewards import Judged
from rft_jax.policy.rollouts import Rollouts
from rft_jax.policy.scored import Scored
from rft_jax.policy.switches import Objective
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.model import starting_model
from rft_jax.training.settings import TrainSettings
from rft_jax.verify.grading import Grade
from tests.policy.numpy_llama import response_logprobs
from tests.policy.tiny import mesh

SETTINGS = TrainSettings(batch_size=8, max_length=160)
SAMPLING = SampleSettings(
    num_samples=8, temperature=1.0, max_new_tokens=64, max_prompt_length=96, slots=64
)


def root_mean_square(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(errors**2)))


@pytest.mark.slow
def test_sampler_and_trainer_differ_by_rounding_alone_on_the_embedded_model(tmp_path: Path) -> None:
    """Each is as far from float64 as NumPy's float32 is, which shares no code with them."""
    write_json(tmp_path / "settings.json", {})
    problems, device = load_problems("wordproblems:train")[:16], mesh()
    with jax.set_mesh(device):
        start = starting_model(model_folder(EMBEDDED), SETTINGS, device)
        rollouts = Rollouts(start, problems, SAMPLING, device, tmp_path, lambda form: form)
        sampled = rollouts.sample(start.params, rollouts.indices, 0, 0, "m")
        judged = Judged(1.0, Grade(None, [], "no_answer", None), 0)
        scored = [Scored(one, judged, len(one.logprobs)) for one in sampled]
        pad_id = start.tokenizer.pad_id
        learner = Learner(Objective(), SETTINGS, start.config, device, pad_id, 64)
        trainers = np.concatenate(learner.logprobs(Weights(start.params, start.config), scored))
    samplers = np.concatenate([one.logprobs for one in sampled])
    params = jax.device_get(start.params)
    exact, single = (
        np.concatenate(
            [
                response_logprobs(params, start.config, o.prompt, o.sample.tokens or (), dtype)
                for o in sampled
            ]
        )
        for dtype in (np.float64, np.float32)
    )
    assert len(exact) > 4000
    unavoidable = root_mean_square(single - exact)
    assert root_mean_square(samplers - exact) < 1.25 * unavoidable
    assert root_mean_square(trainers - exact) < 1.25 * unavoidable
    assert root_mean_square(samplers - trainers) < 1e-6
    assert np.abs(samplers - trainers).max() < 5e-5
