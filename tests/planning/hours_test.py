"""Device hours of the method, and the paper's own counts against its published table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rft_jax.devices.chips import CHIPS
from rft_jax.models.config import LlamaConfig, Lora
from rft_jax.models.shapes import num_params, token_flops, train_flops_per_token
from rft_jax.planning import paper
from rft_jax.planning.decoding import plan_decoding
from rft_jax.planning.hours import StageCost, stage_costs, training_cost
from rft_jax.planning.settings import PlanSettings
from rft_jax.planning.topologies import parse_topology
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.settings import TrainSettings

SEVEN = LlamaConfig()
THIRTEEN = LlamaConfig(
    hidden_size=5120, intermediate_size=13824, num_layers=40, num_heads=40, num_kv_heads=40
)
TRAIN = TrainSettings(batch_size=48)
DATA = PlanSettings()


def planned(
    train: TrainSettings = TRAIN, data: PlanSettings = DATA, k: int = 100
) -> list[StageCost]:
    sample = SampleSettings(dtype="bfloat16", slots=128, group=8)
    decoding = plan_decoding(SEVEN, sample, data, parse_topology("a100:1"))
    return stage_costs(SEVEN, train, data, CHIPS["a100"], k=k, decoding=decoding)


def test_hours_with_lora_count_no_gradients_of_frozen_weights() -> None:
    adapted = replace(SEVEN, lora=Lora(16, 32.0))
    full, lora = (
        training_cost("sft", 1.0, config, TRAIN, DATA, CHIPS["a100"]) for config in (SEVEN, adapted)
    )
    assert 4 / 6 < lora.chip_hours / full.chip_hours < 0.7  # of attention's scores all are


@pytest.mark.parametrize(("config", "published"), [(SEVEN, 1.7e17), (THIRTEEN, 3.3e17)])
def test_the_papers_formula_gives_its_published_flops_of_sft(
    config: LlamaConfig, published: float
) -> None:
    tokens = 3 * 7473 * (66 + 130)
    assert paper.paper_train_flops(config, tokens) == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize(("config", "published"), [(SEVEN, 1.4e18), (THIRTEEN, 2.6e18)])
def test_the_papers_formula_is_near_its_published_flops_of_sampling(
    config: LlamaConfig, published: float
) -> None:
    flops = 7473 * 100 * paper.paper_sampling_flops(config, 66, 130)
    assert flops == pytest.approx(published, rel=0.3)


def test_sft_costs_its_padded_steps() -> None:
    sft = planned()[0]
    assert sft.steps == 3 * -(-7473 * 196 // int(512 * 0.95 * 48))
    assert sft.flops == sft.steps * 48 * 512 * train_flops_per_token(SEVEN, 512)
    assert sft.chip_hours == pytest.approx(sft.flops / (312e12 * 0.4) / 3600)


def test_rft_costs_as_many_times_more_as_there_are_paths() -> None:
    sft, _, rft = planned()
    assert rft.tokens == pytest.approx(5.25 * sft.tokens)
    assert rft.flops == pytest.approx(5.25 * sft.flops, rel=0.02)


def test_unpacked_rows_cost_their_padding() -> None:
    packed, unpacked = (planned(replace(TRAIN, pack=pack))[0] for pack in (True, False))
    assert unpacked.steps / packed.steps == pytest.approx(512 * 0.95 / 196, rel=0.02)


def test_num_steps_overrides_the_epochs() -> None:
    sft, _, rft = planned(replace(TRAIN, num_steps=10))
    assert sft.steps == rft.steps == 10 and sft.flops == rft.flops


def test_sampling_grows_with_k_and_prefills_once() -> None:
    one, hundred = (planned(k=k)[1] for k in (1, 100))
    assert hundred.tokens == 7473 * 100 * 130
    assert hundred.flops / one.flops == pytest.approx((66 + 100 * 130) / 196, rel=0.02)
    assert hundred.flops < 0.8 * hundred.paper_flops


def test_sampling_takes_full_decode_steps_and_prefills_at_the_expected_share_of_the_roofline() -> (
    None
):
    sample = planned()[1]
    chip, tokens = CHIPS["a100"], 7473 * 100 * 130
    weights = 2 * (num_params(SEVEN) - 32000 * 4096)
    cache = 2**19 * (128 / 8 * 66 + 128 * 65)
    steps = tokens / 128 * (weights + cache) / chip.bandwidth
    prefill = 7473 * 66 * token_flops(SEVEN, 66).blocks / chip.peak
    assert sample.chip_hours == pytest.approx((steps + prefill) / 0.5 / 3600)
