"""Samples do not depend on order, batch, slot or geometry; prompts are prefilled once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from rft_jax.sampling.methods import Greedy
from rft_jax.sampling.requests import Request
from tests.sampling.tiny import (
    COMMON,
    EOS,
    GEOMETRY,
    Outcome,
    agreement,
    assert_same,
    full_pass_token,
    requests,
    requests_alike,
    run,
)


@pytest.fixture(scope="module")
def sampled() -> Outcome:
    """40 requests of 5 samples."""
    return run(requests(40))


def _one_by_one(request: Request, sample: int, columns: int) -> tuple[list[int], list[float]]:
    """The same sample by the full forward pass over prompt and response, token by token."""
    tokens, logprobs = list(request.prompt), []
    for position in range(columns):
        token, logprob = full_pass_token(tokens, request.key, sample, position)
        logprobs.append(logprob)
        tokens.append(token)
        if tokens[-1] in EOS:
            break
    return tokens[len(request.prompt) :], logprobs


def test_samples_are_those_of_the_full_forward_pass(sampled: Outcome) -> None:
    for request in requests(6):
        for sample in (0, 4):
            tokens, logprobs = _one_by_one(request, sample, GEOMETRY.columns)
            found = sampled.samples[request.index, sample]
            assert found.tokens.tolist() == tokens
            np.testing.assert_allclose(found.logprobs, logprobs, atol=2e-5)


def test_a_sample_ends_with_its_first_end_token_or_at_the_last_column(sampled: Outcome) -> None:
    lengths = []
    for one in sampled.samples.values():
        ends = np.isin(one.tokens, EOS)
        assert not ends[:-1].any()
        assert ends[-1] or len(one.tokens) == GEOMETRY.columns
        lengths.append(len(one.tokens))
    assert min(lengths) < 8
    assert max(lengths) == GEOMETRY.columns


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            {
                "slots": 6,
                "group": 1,
                "prompts": 1,
                "refill": 3,
                "chunk": 3,
                "task": 2,
                "buckets": (24,),
            },
            marks=pytest.mark.each_change,
        ),
        pytest.param({"slots": 32, "group": 8, "refill": 2}, marks=pytest.mark.slow),
        {"ring": True},
    ],
    ids=str,
)
def test_nearly_all_samples_agree_between_geometries(sampled: Outcome, change: dict) -> None:
    other = run(requests(40), geometry=replace(GEOMETRY, **change))
    assert agreement(sampled, other) >= 0.99


@pytest.fixture(scope="module")
def alike() -> list[Request]:
    return requests_alike()


@pytest.fixture(scope="module")
def sampled_alike(alike: list[Request]) -> Outcome:
    """Their samples, where what they have in common is held once."""
    return run(alike, geometry=COMMON)


@pytest.mark.each_change
def test_a_common_start_held_once_gives_the_samples_of_the_full_forward_pass(
    alike: list[Request], sampled_alike: Outcome
) -> None:
    for request in alike[:6]:
        tokens, logprobs = _one_by_one(request, 4, GEOMETRY.columns)
        found = sampled_alike.samples[request.index, 4]
        assert found.tokens.tolist() == tokens
        np.testing.assert_allclose(found.logprobs, logprobs, atol=2e-5)


@pytest.mark.each_change
def test_nearly_all_samples_agree_with_and_without_a_common_start(
    alike: list[Request], sampled_alike: Outcome
) -> None:
    assert agreement(sampled_alike, run(alike)) >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"ring": True}, {"int8": True}], ids=str)
def test_a_common_start_works_with_other_caches(
    alike: list[Request], sampled_alike: Outcome, change: dict
) -> None:
    once = agreement(sampled_alike, run(alike, geometry=replace(COMMON, **change)))
    apart = agreement(sampled_alike, run(alike, geometry=replace(GEOMETRY, **change)))
    assert once >= (apart if "int8" in change else 0.99)  # what is common is not rounded to int8


def test_greedy_samples_of_a_problem_are_all_the_same() -> None:
    outcome = run(requests(6, num_samples=3, longest=9), method=Greedy())
    for index in range(6):
        for sample in (1, 2):
            assert_same(outcome.samples[index, sample], outcome.samples[index, 0])


def test_samples_of_a_problem_differ_and_problems_with_one_prompt_do_too() -> None:
    prompt = [9, 10, 11]
    outcome = run([replace(request, prompt=prompt) for request in requests(8)])
    assert len({tuple(one.tokens.tolist()) for one in outcome.samples.values()}) >= 38


def test_a_prompt_is_prefilled_once_for_its_samples(sampled: Outcome) -> None:
    assert sampled.counters.prefills == 40
    assert sampled.counters.samples == 200


def test_a_request_larger_than_a_task_is_split_into_several(sampled: Outcome) -> None:
    outcome = run(requests(3, num_samples=14))
    assert outcome.counters.prefills == 3 * 3  # 6 + 6 + 2
    assert sorted(outcome.samples) == [(i, j) for i in range(3) for j in range(14)]
    for index in range(3):
        assert_same(outcome.samples[index, 4], sampled.samples[index, 4])


@pytest.mark.each_change
def test_blocks_that_no_slot_has_reached_change_nothing() -> None:
    geometry = replace(GEOMETRY, columns=23, block=5)
    short = requests(20, longest=9)
    alone = run(short[:1], geometry=geometry)
    together = run(short, geometry=geometry)
    for key, sample in alone.samples.items():
        assert_same(sample, together.samples[key])
    one_block = run(short)
    for key, sample in together.samples.items():
        assert sample.tokens.tolist() == one_block.samples[key].tokens.tolist()[:23]


@pytest.mark.each_change
def test_slots_stay_busy_at_100_samples_a_problem() -> None:
    geometry = replace(GEOMETRY, slots=64, group=8, refill=1, task=100)
    outcome = run(requests(24, num_samples=100, longest=8), geometry=geometry)
    assert outcome.counters.utilisation >= 0.85


@pytest.mark.each_change
def test_two_programs_are_compiled_for_a_bucket_and_none_in_steady_state() -> None:
    compiled: list[str] = []

    def listen(event: str, _seconds: float, **what: Any) -> None:
        if event.endswith("backend_compile_duration"):
            compiled.append(what["fun_name"])

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        geometry = replace(GEOMETRY, buckets=(8, 16))
        run(requests(40), geometry=geometry)
        programs = [name for name in compiled if name in ("jit(decode_chunk)", "jit(refill)")]
        assert sorted(programs) == ["jit(decode_chunk)"] * 2 + ["jit(refill)"] * 2
        compiled.clear()
        run([replace(request, num_samples=3) for request in requests(90)[40:]], geometry=geometry)
        assert compiled == []
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def test_steps_and_busy_slots_are_counted(sampled: Outcome) -> None:
    counters = sampled.counters
    assert counters.tokens == sum(len(one.tokens) for one in sampled.samples.values())
    assert counters.busy_slot_steps == counters.tokens
    assert counters.slot_steps == counters.steps * GEOMETRY.slots
