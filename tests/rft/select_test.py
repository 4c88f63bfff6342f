from __future__ import annotations

from rft_jax.rft.rows import Row
from rft_jax.rft.select import MAX_COMPARED_CHARS, SELECTORS, Farthest


def _row(text: str, logprob: float | None = None) -> Row:
    return Row(0, 0, "m", text, "stop", logprob)


def test_the_first_stays() -> None:
    assert not SELECTORS["first"]().replaces(_row("new"), 0, [_row("old")])


def test_the_shortest_wins_and_the_first_of_equals_stays() -> None:
    selector = SELECTORS["shortest"]()
    assert selector.replaces(_row("ab"), 0, [_row("abc")])
    assert not selector.replaces(_row("abd"), 0, [_row("abc")])


def test_the_most_likely_wins_and_one_without_a_logprob_loses() -> None:
    selector = SELECTORS["most_likely"]()
    assert selector.replaces(_row("b", -1.0), 0, [_row("a", -2.0)])
    assert not selector.replaces(_row("b", -2.0), 0, [_row("a", -2.0)])
    assert not selector.replaces(_row("b"), 0, [_row("a", -2.0)])
    assert selector.replaces(_row("b", -9.0), 0, [_row("a")])


def test_the_farthest_wins_only_with_a_strictly_larger_sum() -> None:
    kept = [_row("aaaa"), _row("bbbb")]
    assert not Farthest().replaces(_row("bbbb"), 1, kept)
    assert not Farthest().replaces(_row("cccc"), 1, kept)  # 4 away as well
    assert Farthest().replaces(_row("ccccc"), 1, kept)
    assert not Farthest().replaces(_row("aabb"), 1, kept)


def test_a_single_kept_path_is_never_replaced_for_distance() -> None:
    assert not Farthest().replaces(_row("something else"), 0, [_row("a")])


def test_the_own_place_does_not_count() -> None:
    kept = [_row("aaaa"), _row("b")]
    # Far from the path it would replace, but nearer to the other one.
    assert not Farthest().replaces(_row("aaaaaaaa"[:5]), 1, kept)


def test_texts_of_any_length_cost_a_bounded_time() -> None:
    kept = [_row("a" * 5_000_000), _row("b\n" * 2_500_000), _row("c" * 5_000_000)]
    selector = Farthest()
    assert not selector.replaces(_row("d" * 5_000_000), 2, kept)
    selector = Farthest()
    assert selector.replaces(
        _row("ce" * (MAX_COMPARED_CHARS // 2)), 2, [_row("a"), _row("b"), _row("c")]
    )
