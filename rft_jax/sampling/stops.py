"""Stop strings: a response ends before the first of them, wherever token boundaries fall."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StopStrings:
    """Finds strings in the text of sampled tokens.

    Attributes:
      decode: text of token ids.
      strings: any of them ends a response.
    """

    decode: Callable[[Sequence[int]], str]
    strings: tuple[str, ...]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of the tokens, up to the first stop string."""
        text = self.decode(tokens)
        return text[: min(self._offsets(text), default=len(text))]

    def occurs_in(self, tokens: Sequence[int]) -> bool:
        """Whether there is a stop string in the text."""
        return bool(self._offsets(self.decode(tokens)))

    def end(self, tokens: Sequence[int]) -> int | None:
        """The fewest tokens whose text has a stop string; None when there is none."""
        if not self.occurs_in(tokens):
            return None
        without, enough = 0, len(tokens)
        while enough - without > 1:
            middle = (without + enough) // 2
            if self.occurs_in(tokens[:middle]):
                enough = middle
            else:
                without = middle
        return enough

    def _offsets(self, text: str) -> list[int]:
        offsets = (text.find(string) for string in self.strings)
        return [offset for offset in offsets if offset >= 0]
