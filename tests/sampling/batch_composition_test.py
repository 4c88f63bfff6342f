"""Samples are bit-identical whatever is sampled with them, by programs compiled as users' are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sampling.tiny import COMMON, Outcome, assert_same, requests, requests_alike, run

pytestmark = pytest.mark.usefixtures("optimized")


@pytest.fixture(scope="module")
def sampled() -> Outcome:
    """40 requests of 5 samples."""
    return run(requests(40))


def test_samples_are_bit_identical_in_any_order_and_whatever_the_batch(sampled: Outcome) -> None:
    wanted = requests(40)
    for batch in (wanted[::-1], wanted[7:8], wanted[11:30:2]):
        other = run(batch)
        assert len(other.samples) == 5 * len(batch)
        for key, sample in other.samples.items():
            assert_same(sample, sampled.samples[key])


def test_a_sample_does_not_depend_on_how_many_there_are_or_from_which_on(sampled: Outcome) -> None:
    late = [replace(request, num_samples=2, first=3) for request in requests(5)]
    for key, sample in run(late).samples.items():
        assert key[1] in (3, 4)
        assert_same(sample, sampled.samples[key])


@pytest.mark.each_change
def test_samples_after_a_common_start_are_bit_identical_whatever_the_batch() -> None:
    alike = requests_alike()
    together = run(alike, geometry=COMMON)
    for batch in (alike[::-1], alike[7:8], alike[11:30:2]):
        for key, sample in run(batch, geometry=COMMON).samples.items():
            assert_same(sample, together.samples[key])
