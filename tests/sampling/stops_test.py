"""Stop strings that span tokens."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from rft_jax.sampling.methods import TemperatureSampling
from rft_jax.sampling.stops import StopStrings
from tests.sampling.tiny import requests, run

_PIECES = ("a", "b", "ab", "ba", "ab\n", "\n", "")


def _decode(tokens: Sequence[int]) -> str:
    return "".join(_PIECES[token % len(_PIECES)] for token in tokens)


@given(
    tokens=st.lists(st.integers(0, 6), max_size=30),
    strings=st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3),
)
def test_the_end_is_the_first_token_that_completes_a_stop_string(
    tokens: list[int], strings: list[str]
) -> None:
    stops = StopStrings(_decode, tuple(strings))
    complete = [n for n in range(len(tokens) + 1) if any(s in _decode(tokens[:n]) for s in strings)]
    assert stops.end(tokens) == (complete[0] if complete else None)
    assert stops.occurs_in(tokens) == bool(complete)
    text = stops.text(tokens)
    assert _decode(tokens).startswith(text)
    assert not any(s in text for s in strings)
    assert complete or text == _decode(tokens)


def test_samples_are_cut_where_a_stop_string_is_complete_and_the_slots_are_freed() -> None:
    """The same samples as without stop strings, as far as they go; fewer steps."""
    stops = StopStrings(_decode, ("bab", "a\nab"))
    wanted = requests(12, longest=9)
    method = TemperatureSampling(1.0)
    cut, whole = run(wanted, method, eos=(), stops=stops), run(wanted, method, eos=())
    lengths = []
    for key, sample in whole.samples.items():
        tokens = sample.tokens.tolist()
        assert cut.samples[key].tokens.tolist() == tokens[: stops.end(tokens)]
        lengths.append(len(cut.samples[key].tokens))
        assert len(cut.samples[key].logprobs) == lengths[-1]
        assert cut.samples[key].stopped == (lengths[-1] < 24 or stops.occurs_in(tokens))
        assert not sample.stopped
    assert min(lengths) < 10
    assert max(lengths) == 24
    assert cut.counters.steps < whole.counters.steps
    assert cut.counters.tokens == sum(lengths)
