"""Forced tokens: the same samples in any batch, at no cost to programs that force none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import jax
import numpy as np
import pytest

from rft_jax.arithmetic.vocabulary import TOKENIZER_FOLDER
from rft_jax.errors import UserError
from rft_jax.sampling.forcing import ForcedTokens, Forcing
from rft_jax.sampling.geometry import Geometry, Hardware, choose_geometry
from rft_jax.sampling.requests import Request, SampledTokens
from rft_jax.sampling.sampler import Sampler
from rft_jax.sampling.scheduler import Scheduler
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.state import idle_state
from rft_jax.sampling.stops import StopStrings
from rft_jax.sampling.tasks import Task
from rft_jax.tokenizers import load_tokenizer
from tests.sampling.tiny import (
    CONFIG,
    EOS,
    GEOMETRY,
    assert_same,
    full_pass_token,
    placed,
    program,
    requests,
)

PAUSES = tuple(range(20, 35))  # a quarter of the vocabulary, so that most samples pause

Samples = dict[tuple[int, int], SampledTokens]


class Answers(ForcedTokens):
    """As many tokens as the last one says, from none to six; some of them are pauses themselves."""

    def __init__(self) -> None:
        pass

    def after(self, tokens: Sequence[int]) -> list[int]:
        assert tokens[-1] in PAUSES
        return [8 + (sum(tokens) + i) % 40 for i in range(tokens[-1] % 7)]


def run(
    wanted: Sequence[Request],
    geometry: Geometry = GEOMETRY,
    stops: StopStrings | None = None,
) -> Samples:
    one = replace(program(geometry=geometry), pauses_at=PAUSES)
    scheduler = Scheduler(placed(one), one, stops, forced=Answers())
    return {
        (request.index, request.first + number): sample
        for finished in scheduler.run(wanted)
        for request, sampled in finished
        for number, sample in enumerate(sampled)
    }


@pytest.fixture(scope="module")
def sampled() -> Samples:
    return run(requests(30))


def one_by_one(request: Request, sample: int) -> tuple[list[int], list[float]]:
    """The same sample by the full forward pass, with the forced tokens put in."""
    tokens, logprobs, queue = list(request.prompt), [], list[int]()
    for position in range(GEOMETRY.columns):
        token, logprob = full_pass_token(tokens, request.key, sample, position)
        if queue:
            tokens.append(queue.pop(0))
            logprobs.append(0.0)
        else:
            tokens.append(token)
            logprobs.append(logprob)
            if tokens[-1] in PAUSES:
                queue = Answers().after(tokens[len(request.prompt) :])
        if tokens[-1] in EOS:
            break
    return tokens[len(request.prompt) :], logprobs


@pytest.mark.each_change
def test_samples_with_forced_tokens_are_those_of_the_full_forward_pass(sampled: Samples):
    for request in requests(4):
        for sample in range(2):
            tokens, logprobs = one_by_one(request, sample)
            found = sampled[request.index, sample]
            assert found.tokens.tolist() == tokens
            np.testing.assert_allclose(found.logprobs, logprobs, atol=1e-4)


def test_the_log_probability_of_forced_tokens_is_not_counted(sampled: Samples):
    forced = [one.logprobs == 0 for one in sampled.values()]
    assert sum(map(np.sum, forced)) > len(sampled)
    for one in sampled.values():
        queue = 0
        for position, token in enumerate(one.tokens.tolist()):
            assert (one.logprobs[position] == 0) == (queue > 0)
            if queue:
                queue -= 1
            elif token in PAUSES:
                queue = token % 7


def test_forced_samples_are_bit_identical_for_any_batch(sampled: Samples):
    alone = run(requests(30)[11:12])
    for key, sample in alone.items():
        assert_same(sample, sampled[key])
    later = [replace(one, num_samples=2, first=3) for one in reversed(requests(30)[:12])]
    for key, sample in run(later).items():
        assert_same(sample, sampled[key])


def test_forced_samples_are_bit_identical_in_any_slot(
    sampled: Samples, monkeypatch: pytest.MonkeyPatch
):
    """Behind so many other requests, the request's task starts in another group of slots."""
    groups = set()
    start_task = Scheduler._start_task

    def start(scheduler: Scheduler, cell: int, bucket: int) -> Task | None:
        task = start_task(scheduler, cell, bucket)
        if task is not None and task.request.index == 11:
            groups.add(cell // GEOMETRY.prompts)
        return task

    monkeypatch.setattr(Scheduler, "_start_task", start)
    for others in range(GEOMETRY.groups):
        found = run([*requests(others), requests(30)[11]])
        for sample in range(5):
            assert_same(found[11, sample], sampled[11, sample])
    assert groups == set(range(GEOMETRY.groups))


def test_the_length_of_a_chunk_changes_no_forced_sample(sampled: Samples):
    for key, sample in run(requests(12), replace(GEOMETRY, chunk=3)).items():
        assert_same(sample, sampled[key])


def test_a_stop_string_ends_a_sample_that_waits_or_is_forced(sampled: Samples):
    stops = StopStrings(lambda tokens: "".join(chr(200 + t) for t in tokens), (chr(200 + 30),))
    ended = run(requests(30), stops=stops)
    for key, sample in ended.items():
        whole = sampled[key].tokens.tolist()
        end = whole.index(30) + 1 if 30 in whole else len(whole)
        assert sample.tokens.tolist() == whole[:end]


def test_a_program_that_forces_nothing_has_no_state_for_it():
    state = idle_state(program(), 16)
    forcing = idle_state(replace(program(), pauses_at=PAUSES), 16)
    assert state.forced is None
    assert len(jax.tree.leaves(forcing)) == len(jax.tree.leaves(state)) + 2


def test_too_many_forced_tokens_for_the_queue_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Answers, "after", lambda *_: [9] * 33)
    with pytest.raises(ValueError, match="33 forced tokens, a slot's queue holds 32"):
        run(requests(4))


def test_a_forcing_is_asked_where_a_token_ends_in_its_ending():
    tokenizer = load_tokenizer(TOKENIZER_FOLDER)
    forcing = Forcing("=", lambda text: "7" if text == "3+4=" else "")
    assert [tokenizer.decode([i]) for i in forcing.pauses_at(tokenizer)] == ["="]
    forced = ForcedTokens(forcing, tokenizer)
    assert tokenizer.decode(forced.after(tokenizer.encode("3+4="))) == "7"
    assert forced.after(tokenizer.encode("3+5=")) == []


def test_the_setting_needs_a_forcing_and_no_ring():
    class Model:
        config, params = CONFIG, None

    settings = SampleSettings(calculator=True, max_new_tokens=64)
    with pytest.raises(UserError, match=r"sample\.calculator = True needs a forcing"):
        Sampler(Model(), load_tokenizer(TOKENIZER_FOLDER), settings)  # type: ignore[arg-type]
    hardware = Hardware("tpu", memory=2**34)
    assert choose_geometry(CONFIG, replace(settings, calculator=False), hardware).ring
    assert not choose_geometry(CONFIG, settings, hardware).ring
