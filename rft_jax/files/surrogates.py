"""Lone surrogates: JSON can write them, no tokenizer reads them, and UTF-8 has none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


def replace_surrogates(text: str) -> str:
    """The text with U+FFFD for lone surrogates."""
    return _SURROGATE.sub("\ufffd", text)


def without_surrogates(value: Any) -> Any:
    """A JSON value, all of whose texts have U+FFFD for lone surrogates."""
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, list | tuple):
        return list(map(without_surrogates, value))
    if isinstance(value, Mapping):
        return {replace_surrogates(name): without_surrogates(one) for name, one in value.items()}
    return value
