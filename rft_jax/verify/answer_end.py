"""Where a response has given its answer, so that what is written after it can be left out."""

from __future__ import annotations

import re

from rft_jax.verify.answers import Reader

_LINE_END = re.compile(r"\n")
_WORD_END = re.compile(r"(?<=\S)(?=\s|$)")
# What closes a formula, an emphasis or a sentence around an answer, and blanks.
_CLOSING = re.compile(r"(?:[\s$*_.,;!?)\]}\"'”’`]|\\[\])]|\\end\s?\{\w+\*?\}|</\w+>)*+")
_MOST_READS = 1_000  # of one response: lines and words that are left out one by one


def end_of_answer(text: str, read: Reader, is_closed: bool = False) -> int:
    """Number of leading characters without which the text's answer would be another one.

    Lines, then words of the last line, are left out from the end as long as the answer stays. The
    whole text if it gives no answer, or only blanks are left out.

    Args:
      read: reads the answer.
      is_closed: whether an answer stands in running text, so that the whole text counts too where
        only markup and punctuation are left out, which close what stands around the answer.
    """
    answer = read(text)
    if answer is None:
        return len(text)
    end, reads = len(text), 0
    for boundaries in (_LINE_END, _WORD_END):
        for match in reversed(list(boundaries.finditer(text, 0, end))):
            reads += 1
            if reads > _MOST_READS or read(text[: match.start()]) != answer:
                break
            end = match.start()
    rest = text[end:]
    is_end = _CLOSING.fullmatch(rest) if is_closed else not rest.strip()
    return len(text) if is_end else end
