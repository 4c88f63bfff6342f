"""A step's update does not depend on how it is computed, and trains what it should alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.models.llama import Params, unembed
from rft_jax.policy.learner import Learner, Weights
from rft_jax.policy.responses import join_responses, split_responses, token_arrays
from rft_jax.policy.scored import Scored
from rft_jax.policy.switches import Objective
from rft_jax.training.losses import token_logprobs
from rft_jax.training.train_step import forward
from tests.policy.tiny import (
    CONFIG,
    EOS,
    OBJECTIVE,
    SETTINGS,
    after_update,
    learner,
    params,
    samples,
    scored,
    state,
    teacher,
)

DISTILLED = Objective()


def moved(of: list[Scored], objective: Objective = OBJECTIVE, **others: object) -> float:
    """How far an update moves the parameters."""
    after, _ = after_update(learner(objective), of, **others)
    before = jax.tree.leaves(params())
    return max(float(np.abs(a - b).max()) for a, b in zip(after, before, strict=True))


def rows_of(of: list[Scored]) -> tuple[dict[str, jax.Array], np.ndarray, np.ndarray]:
    """One sample a row: tokens, the targets, and where they are of a response."""
    tokens = np.zeros((len(of), SETTINGS.max_length + 1), np.int32)
    is_response = np.zeros((len(of), SETTINGS.max_length), bool)
    for row, one in enumerate(of):
        whole = [*one.rollout.prompt, *(one.rollout.sample.tokens or ())]
        tokens[row, : len(whole)] = whole
        is_response[row, len(one.rollout.prompt) - 1 : len(whole) - 1] = True
    rows = {"tokens": jnp.asarray(tokens[:, :-1])}
    rows["segment_ids"] = jnp.ones_like(rows["tokens"])
    rows["positions"] = jnp.cumsum(rows["segment_ids"], axis=1) - 1
    return rows, tokens[:, 1:], is_response


def after_gradient(loss: Callable[[Params], jax.Array]) -> list[np.ndarray]:
    """The parameters after an update by a loss's gradient."""
    grads = jax.device_get(jax.jit(jax.grad(loss))(params()))
    # AdamW's first update is g / (|g| + 1) here: see SETTINGS.
    moved = jax.tree.map(lambda p, g: p - g / (np.abs(g) + 1), params(), grads)
    return jax.tree.leaves(moved)


def assert_close(left: list[np.ndarray], right: list[np.ndarray], tolerance: float = 1e-6) -> None:
    for one, other in zip(left, right, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)


KINDS = ["microbatches", "unpacked", "devices", "order", "chunks"]


@pytest.mark.parametrize(
    ("kind", "of_teacher"),
    [
        *((kind, False) for kind in KINDS),
        ("chunks", True),
        *(pytest.param(kind, True, marks=pytest.mark.slow) for kind in KINDS[:-1]),
    ],
)
def test_an_update_does_not_depend_on_how_it_is_computed(kind: str, of_teacher: bool) -> None:
    of = samples()
    make = partial(learner, DISTILLED, teacher=teacher()) if of_teacher else learner
    other = {
        "microbatches": make(settings=replace(SETTINGS, batch_size=8)),
        "unpacked": make(settings=replace(SETTINGS, pack=False)),
        "devices": make(devices=2),
        "order": make(),
        "chunks": make(settings=replace(SETTINGS, loss_chunk=8)),
    }[kind]
    expected, metrics = after_update(make(), of)
    found, others = after_update(other, of[::-1] if kind == "order" else of)
    assert moved(of) > 1e-3
    assert_close(found, expected)
    assert others["loss"] == pytest.approx(metrics["loss"], abs=1e-6)


def test_the_on_policy_gradient_is_that_of_reinforce_on_the_model() -> None:
    of = samples()[:6]
    rows, targets, is_response = rows_of(of)
    lengths = np.array([[one.length] for one in of])
    weights = is_response * learner().advantages(of, None)[:, None] / lengths

    def reinforce(params: Params) -> jax.Array:
        whole, hidden = forward(params, rows, CONFIG)
        logprobs = token_logprobs(whole, hidden, jnp.asarray(targets))
        return -jnp.sum(logprobs * weights) / len(of)

    found, metrics = after_update(learner(), of)
    assert_close(found, after_gradient(reinforce))
    assert metrics["clip_share"] == 0.0


def test_a_teachers_gradient_is_that_of_the_divergence_over_the_whole_vocabulary() -> None:
    of = samples()
    rows, _, is_response = rows_of(of)
    guide = teacher()
    theirs = jax.nn.log_softmax(unembed(*forward(guide.params, rows, guide.config)))

    def divergence(params: Params) -> jax.Array:
        ours = jax.nn.log_softmax(unembed(*forward(params, rows, CONFIG)))
        each = jnp.sum(jnp.exp(ours) * (ours - theirs), axis=-1)
        return jnp.sum(each * is_response) / is_response.sum()

    found, metrics = after_update(learner(DISTILLED, teacher=guide), of)
    assert_close(found, after_gradient(divergence))
    expected = float(divergence(params()))
    assert expected > 0.1
    assert metrics["teacher_kl"] == pytest.approx(expected, abs=1e-5)
    assert metrics["loss"] == pytest.approx(expected, abs=1e-5)


def test_a_teacher_that_is_the_policy_moves_nothing_and_rewards_do_not_matter() -> None:
    of = samples()
    same = learner(DISTILLED, teacher=Weights(params(), CONFIG))
    found, metrics = after_update(same, of)
    assert metrics["teacher_kl"] == pytest.approx(0, abs=1e-6)
    assert_close(found, jax.tree.leaves(params()))
    guided = learner(DISTILLED, teacher=teacher())
    others = [replace(one, judged=one.judged._replace(reward=0.5)) for one in of]
    assert_close(after_update(guided, of)[0], after_update(guided, others)[0], 0.0)


def test_updates_by_a_teacher_lower_the_divergence_from_it() -> None:
    of, one = samples(), learner(DISTILLED, teacher=teacher(), updates=3)
    with jax.set_mesh(one.mesh):
        now, found = state(one), []
        for _ in range(12):
            now, metrics = one.update(now, of, 1.0)
            found.append(metrics["teacher_kl"])
    assert all(after < before for before, after in pairwise(found))
    assert found[-1] < found[0] / 2


def test_a_zero_variance_group_moves_nothing_alone_and_beside_others() -> None:
    of = samples()
    assert moved(of[6:]) == 0.0
    dropped = learner(drops=True)
    assert_close(after_update(dropped, of)[0], after_update(dropped, of[:6])[0], 0.0)


@pytest.mark.parametrize("term", ["none", "loss", "reward"])
def test_a_step_whose_groups_were_all_dropped_counts_and_moves_nothing(term: str) -> None:
    objective = replace(OBJECTIVE, kl=term, kl_coefficient=float(term != "none"))
    assert moved([], objective, reference=[]) == 0.0
    for updates in (1, 2):
        one = learner(objective, drops=True, updates=updates)
        assert after_update(one, [], reference=[])[1]["tokens"] == 0


@pytest.mark.parametrize("masked", [False, True])
def test_a_step_whose_groups_are_all_replaced_moves_nothing(masked: bool) -> None:
    assert moved([], replace(OBJECTIVE, mask_truncated=masked)) == 0.0


def test_the_divergence_does_not_move_a_zero_variance_group_either() -> None:
    of = samples()
    far = [np.full(one.length, -9.0, np.float32) for one in of]
    for term in ("loss", "reward"):
        objective = replace(OBJECTIVE, kl=term, kl_coefficient=1.0)
        assert moved(of[6:], objective, reference=far[6:]) == 0.0
    in_the_loss = replace(OBJECTIVE, kl="loss", kl_coefficient=1.0)
    ours, _ = after_update(learner(in_the_loss), of[:6], reference=far[:6])
    without, _ = after_update(learner(), of[:6])
    assert max(float(np.abs(a - b).max()) for a, b in zip(ours, without, strict=True)) > 1e-3


def test_a_step_without_anything_to_learn_changes_neither_weights_nor_moments() -> None:
    one = learner()
    with jax.set_mesh(one.mesh):
        before = jax.device_get(state(one))
        after, metrics = one.update(state(one), samples()[6:], 1.0)
    assert int(after.step) == 1
    assert metrics == {"loss": 0.0, "grad_norm": 0.0, "tokens": 0.0}
    for left, right in zip(
        jax.tree.leaves(after.replace(step=0)),  # type: ignore[attr-defined]
        jax.tree.leaves(before),
        strict=True,
    ):
        assert (np.asarray(left) == np.asarray(right)).all()


def batch_of(
    of: list[Scored], pad_id: int = 0, objective: Objective = OBJECTIVE
) -> dict[str, np.ndarray]:
    """The microbatch that an update by these samples is computed from."""
    one = learner(objective, pad_id=pad_id)
    advantage = one.advantages(of, None)
    weights = one.weights(of, advantage, np.ones(len(of), bool))
    arrays = token_arrays(of)
    each = [np.full(s.length, w) for s, w in zip(of, weights, strict=True)]
    values = {
        "loss_weights": join_responses(arrays, each),
        "advantages": join_responses(
            arrays, [np.full(s.length, a) for s, a in zip(of, advantage, strict=True)]
        ),
    }
    return one._batches(arrays, values).batch(0)


@pytest.mark.parametrize("pad_id", [0, EOS])
def test_the_end_token_is_in_the_loss_and_nothing_behind_it(pad_id: int) -> None:
    batch = batch_of([scored(0, 1.0, 6), scored(0, 0.0, 4, 1)], pad_id)
    weighted = batch["loss_weights"] > 0
    assert weighted.sum() == 6 + 4
    assert (batch["targets"][weighted] == EOS).sum() == 2
    assert (batch["segment_ids"][weighted] > 0).all()
    ends = np.argwhere(weighted & (batch["targets"] == EOS))
    for row, column in ends:
        assert not weighted[row, column + 1]


def test_what_is_written_after_the_answer_earns_and_loses_nothing() -> None:
    brief = [scored(0, 1.0, 6), scored(0, 0.0, 5, 1)]
    tokens = (*brief[0].rollout.sample.tokens, 9, 9, 9, EOS)  # type: ignore[misc]
    longer = replace(brief[0].rollout.sample, tokens=tokens)
    logprobs = np.full(len(tokens), -2.0, np.float32)
    goes_further = replace(
        brief[0], rollout=replace(brief[0].rollout, sample=longer, logprobs=logprobs)
    )
    for aggregation in ("sequence", "token", "constant"):
        objective = replace(OBJECTIVE, aggregation=aggregation)
        found = batch_of([goes_further, brief[1]], objective=objective)
        for name, expected in batch_of(brief, objective=objective).items():
            assert (found[name] == expected).all()


def test_undecided_and_masked_samples_are_left_out_and_positive_only_keeps_the_others() -> None:
    of = [scored(0, 1.0), scored(0, 0.0, number=1), scored(0, 0.0, number=2, finish="length")]
    every = np.ones(3, bool)

    def used(objective: Objective, of: list[Scored]) -> list[bool]:
        one = learner(objective)
        return (one.weights(of, one.advantages(of, None), every) > 0).tolist()

    assert used(OBJECTIVE, of) == [True, True, True]
    assert used(replace(OBJECTIVE, mask_truncated=True), of) == [True, True, False]
    assert used(replace(OBJECTIVE, positive_only=True), of) == [True, False, False]
    undecided = [of[0], of[1], scored(0, None, number=3)]
    assert used(OBJECTIVE, undecided) == [True, True, False]
    assert learner().advantages(undecided, None).tolist() == [0.5, -0.5, 0.0]


def test_raft_trains_on_groups_that_are_correct_throughout() -> None:
    raft = learner(Objective(positive_only=True))
    for reward, is_used in ((1.0, True), (0.0, False)):
        of = [scored(0, reward), scored(0, reward, number=1)]
        weights = raft.weights(of, raft.advantages(of, None), np.ones(2, bool))
        assert (weights > 0).all() == is_used


def test_reinforce_rej_takes_what_is_neither_all_correct_nor_all_incorrect() -> None:
    one = learner(Objective(baseline="signed", aggregation="sequence"))
    rewards = [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    of = [
        scored(index, reward, 4 + number, number)
        for index, group in enumerate(rewards)
        for number, reward in enumerate(group)
    ]
    advantage = one.advantages(of, None)
    assert advantage.tolist() == [1.0, -1.0, -1.0, *[0.0] * 6]
    weights = one.weights(of, advantage, np.ones(9, bool))
    # A mean over the three samples that are left, and over the tokens of each.
    np.testing.assert_allclose(weights, [1 / 12, 1 / 15, 1 / 18, *[0.0] * 6], rtol=1e-12)
    assert moved(of[3:], one.objective) == 0.0


def test_the_divergence_in_the_reward_is_summed_over_the_response() -> None:
    of = samples()[:3]
    far = [np.full(one.length, -3.0, np.float32) for one in of]  # sampled at -2 everywhere
    objective = replace(OBJECTIVE, kl="reward", kl_coefficient=0.1)
    rewards = np.array([one.reward - 0.1 * one.length for one in of])
    np.testing.assert_allclose(
        learner(objective).advantages(of, far), rewards - rewards.mean(), atol=1e-6
    )


def test_later_updates_of_a_step_have_ratios_to_the_policy_that_sampled() -> None:
    exact = replace(OBJECTIVE, epsilon_low=0.0, epsilon_high=0.0)
    assert after_update(learner(exact, updates=2), samples()[:6])[1]["clip_share"] > 0.1
    assert after_update(learner(exact, updates=1), samples()[:6])[1]["clip_share"] == 0


def test_advantages_are_of_the_whole_step_however_many_updates_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of, one = samples(), learner(replace(OBJECTIVE, scale="batch"), updates=3)
    expected = one.advantages(of, None)
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    weights = Learner.weights

    def watched(self: Learner, scored: list, advantage: np.ndarray, mine: np.ndarray) -> np.ndarray:
        seen.append((advantage, mine))
        return weights(self, scored, advantage, mine)

    monkeypatch.setattr(Learner, "weights", watched)
    after_update(one, of)
    assert len(seen) == 3
    assert all((advantage == expected).all() for advantage, _ in seen)
    assert (np.sum([mine for _, mine in seen], axis=0) == 1).all()


def test_the_samplers_difference_is_that_of_all_tokens_of_a_step() -> None:
    of = samples()[:6]
    exact = learner()
    with jax.set_mesh(exact.mesh):
        trainers = exact.logprobs(Weights(params(), CONFIG), of)
    agreeing = [
        replace(one, rollout=replace(one.rollout, logprobs=np.asarray(ours, np.float32)))
        for one, ours in zip(of, trainers, strict=True)
    ]
    for updates in (1, 2):
        metrics = after_update(learner(updates=updates), agreeing)[1]
        assert metrics["logprob_difference"] < 1e-5
    for number in (0, 5):  # whichever update a sample is in
        off = list(agreeing)
        moved_by = off[number].rollout.logprobs - np.float32(0.25)
        off[number] = replace(off[number], rollout=replace(off[number].rollout, logprobs=moved_by))
        for updates in (1, 2):
            metrics = after_update(learner(updates=updates), off)[1]
            assert metrics["logprob_difference"] == pytest.approx(0.25, abs=1e-5)


def test_tokens_that_the_sampler_underrates_are_capped_and_counted() -> None:
    of = samples()[:6]  # sampled at -2; an untrained model's are near -log 48
    capped = after_update(learner(replace(OBJECTIVE, importance_cap=1.0)), of)[1]
    assert capped["capped_share"] == 0.0
    far = [
        replace(one, rollout=replace(one.rollout, logprobs=one.rollout.logprobs - 9)) for one in of
    ]
    assert (
        after_update(learner(replace(OBJECTIVE, importance_cap=1.0)), far)[1]["capped_share"] == 1.0
    )
    assert "capped_share" not in after_update(learner(), of)[1]


def test_log_probabilities_are_those_of_the_model_response_by_response() -> None:
    of = samples()
    one = learner()
    with jax.set_mesh(one.mesh):
        found = one.logprobs(Weights(params(), CONFIG), of)
        alone = [one.logprobs(Weights(params(), CONFIG), [each])[0] for each in of]
    assert [len(values) for values in found] == [each.length for each in of]
    for left, right in zip(found, alone, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)


def test_values_of_responses_are_joined_and_split_again() -> None:
    of = samples()
    arrays = token_arrays(of)
    values = [np.arange(one.length, dtype=np.float32) + 1 for one in of]
    flat = join_responses(arrays, values)
    assert (flat > 0).sum() == sum(one.length for one in of)
    for left, right in zip(split_responses(arrays, flat), values, strict=True):
        assert left.tolist() == right.tolist()
