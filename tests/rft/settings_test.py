from __future__ import annotations

import pytest

from rft_jax.errors import UserError
from rft_jax.rft.settings import CollectSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("answers", "third"),
        ("equations", "eval"),
        ("equation_source", "air"),
        ("dedup", "some"),
        ("select", "best"),
        ("timeout", 0),
        ("workers", -1),
        ("suspicious_share", 0),
        ("ngrams", (0,)),
        ("remove_ngram", -1),
    ],
)
def test_a_setting_that_means_nothing_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(UserError, match=rf"collect\.{name} = "):
        CollectSettings(**{name: value})
