"""Stop strings: a response ends before the first of them, wherever token borders fall."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StopStrings:
    """Looks for strings in the text of drawn tokens.

    Attributes:
      decode: text of token ids.
      strings: any of them ends a response; none given, nothing is ever found.
    """

    decode: Callable[[Sequence[int]], str]
    strings: tuple[str, ...] = ()

    def text(self, tokens: Sequence[int]) -> str:
        """The text of the tokens, up to the first stop string."""
        text = self.decode(tokens)
        return text[: min(self._places(text), default=len(text))]

    def occurs_in(self, tokens: Sequence[int]) -> bool:
        """Whether there is a stop string in the text."""
        return bool(self.strings) and bool(self._places(self.decode(tokens)))

    def end(self, tokens: Sequence[int]) -> int | None:
        """How many tokens it takes to complete a stop string; None when there is none."""
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

    def _places(self, text: str) -> list[int]:
        places = (text.find(string) for string in self.strings)
        return [place for place in places if place >= 0]
