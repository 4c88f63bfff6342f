r"""One spelling, as LaTeX, of what people and models write for the same answer."""

from __future__ import annotations

import re
import unicodedata

# The minus signs of Unicode, full-width and small forms included.
MINUS_SIGNS = str.maketrans(dict.fromkeys("−–—‒﹣－⁻", "-"))
# Signs that people write for the operators of arithmetic.
OPERATOR_SIGNS = str.maketrans(
    {"×": "*", "✕": "*", "·": "*", "∙": "*", "÷": "/", "−": "-", "–": "-"}
)
CURRENCY = "$€£¥₹"

_SIGNS = {
    "×": r"\times ", "✕": r"\times ", "·": r"\cdot ", "∙": r"\cdot ", "÷": r"\div ",
    "√": r"\sqrt ", "π": r"\pi ", "∞": r"\infty ", "∪": r"\cup ", "∩": r"\cap ",
    "∅": "no solution", "°": r"^\circ ", "±": r"\pm ",
}  # fmt: skip
_SUPERSCRIPT = re.compile("[⁺⁻]?[⁰¹²³⁴-⁹]+")
_VULGAR_FRACTION = re.compile("[¼-¾⅐-⅞]")
_FUNCTIONS = "sqrt|pi|exp|sin|cos|tan|sec|csc|cot|log|ln|infty|frac"
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|limits)(?![A-Za-z])", ""),
        (r"(?<!\\)\\! *", ""),
        (r"(?<!\\)(?:\$|\\[()\[\]])", ""),  # where mathematics begins and ends
        (r"(?<!\\)\\[,;:> \n]|\\q?quad(?![A-Za-z])|[\s~]+", " "),
        (r"\{ ?, ?\}", ","),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\(?:text(?:bf|it|rm|sf|normal)?|mathrm|mbox|hbox) ?\{ ?", r"\\text{"),
        (r"\\text\{([^{}A-Za-z]*|[ei]) ?\}", r"\1"),  # 1/2, e, i
        (r"\\(?:math(?:bf|it|sf)|boldsymbol|bm|boxed|fbox|framebox) ?\{([^{}]*)\}", r"\1"),
        (r"\\lbrace(?![A-Za-z])", r"\\{"),
        (r"\\rbrace(?![A-Za-z])", r"\\}"),
        (r"\\langle(?![A-Za-z])", "("),
        (r"\\rangle(?![A-Za-z])", ")"),
        (r"\\leq?(?:slant)?(?![A-Za-z])|<=", "≤"),
        (r"\\geq?(?:slant)?(?![A-Za-z])|>=", "≥"),
        (r"\\neq?(?![A-Za-z])|\\not ?=|!=", "≠"),
        (r"\\lt(?![A-Za-z])", "<"),
        (r"\\gt(?![A-Za-z])", ">"),
        (r"\\in(?![A-Za-z])", "∈"),
        (r"\\approx(?![A-Za-z])", "≈"),
        (r"\\(?:varnothing|emptyset)(?![A-Za-z])|\\\{ ?\\\}|no solutions", "no solution"),
        (r"\\%|\\text\{ ?(?:percent|percentage|pct) ?\}|(?<=[0-9}]) ?\b(?:percent|pct)\b", "%"),
        (r"\\text\{ ?deg(?:rees?)? ?\}|(?<=[0-9}]) ?\bdegrees?\b", r"^\\circ "),
        (r"(?<=[0-9{]) ?(?:a\.m\.?|A\.?M\.?)(?![A-Za-z])", " am"),
        (r"(?<=[0-9{]) ?(?:p\.m\.?|P\.?M\.?)(?![A-Za-z])", " pm"),
        (r"\*\*", "^"),
        (r"\*", r"\\cdot "),
        (rf"(?<![\\A-Za-z])({_FUNCTIONS})(?![A-Za-z])", r"\\\1 "),
        (r"\\sqrt ?\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"\^ ?\(([^()]*)\)", r"^{\1}"),
        (r"\{([^{}]*)\\over(?![A-Za-z]) ?([^{}]*)\}", r"\\frac{\1}{\2}"),
        (r"\\(frac|binom) ?([A-Za-z0-9])", r"\\\1{\2}"),
        (r"(\\(?:frac|binom) ?\{[^{}]*\}) ?([A-Za-z0-9])", r"\1{\2}"),
        (r"\\sqrt ?([A-Za-z0-9])", r"\\sqrt{\1}"),
        (r"\\\$", "$"),
        (r" +", " "),
    )
)
_BEFORE, _AFTER = " \n\t*_:=`", " \n\t*_:.,;`。"
# Letters, digits and signs of full width, as in Chinese text; other slashes and points; what
# nobody sees.
_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)}
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"), "")
_CHARACTERS = {**_WIDTH, **_UNSEEN, ord("⁄"): "/", ord("∕"): "/", ord("٫"): ".", ord("٬"): ","}
_OTHER_DIGIT = re.compile(r"[^\D0-9]")
# A space beside anything but two letters or digits means nothing.
_IDLE_SPACE = re.compile(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])")


def tidy(text: str) -> str:
    r"""An answer in one dialect of LaTeX, without math marks and marks of emphasis.

    `**$\dfrac12$.**` is `\frac{1}{2}`. Spaces between digits stay: `1 1/2` is not `11/2`.
    """
    if not text.isascii():
        text = _SUPERSCRIPT.sub(_as_power, text)
        text = text.translate(MINUS_SIGNS).translate(_CHARACTERS)
        text = _OTHER_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)
    text = text.lstrip(_BEFORE).rstrip(_AFTER)
    text = _VULGAR_FRACTION.sub(_as_fraction, text)
    for sign, latex in _SIGNS.items():
        text = text.replace(sign, latex)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text.lstrip(_BEFORE).rstrip(_AFTER)


def _as_power(match: re.Match[str]) -> str:
    digits = unicodedata.normalize("NFKC", match[0])
    return f"^{digits}" if len(digits) == 1 else f"^{{{digits}}}"


def _as_fraction(match: re.Match[str]) -> str:
    above, _, below = unicodedata.normalize("NFKC", match[0]).partition("⁄")
    return rf"\frac{{{above}}}{{{below}}}"


def squeeze(text: str) -> str:
    """A tidy text without the spaces and braces that change nothing."""
    return re.sub(r"\{([A-Za-z0-9])\}", r"\1", _IDLE_SPACE.sub("", text))
