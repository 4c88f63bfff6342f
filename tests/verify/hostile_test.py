"""No text that a model may write ends a command: each reader of responses answers, or says none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.records.references import is_only_answer
from rft_jax.rft.dedup import KEYS
from rft_jax.rft.rows import Row
from rft_jax.verify import symbolic
from rft_jax.verify.answers import answer_formats, readers_of
from rft_jax.verify.calculator import calculated
from rft_jax.verify.comparison import AnswerComparer
from rft_jax.verify.equations import CHECKS, find_annotations
from rft_jax.verify.grading import Grader
from rft_jax.verify.plans import plan_values
from rft_jax.verify.running_text import EQUATION_SOURCES

PIECES = [
    *("0", "1", "9", "12", "1" * 50, "9" * 500, "0" * 40, ".", ",", "e", "1e9", "e-4000", "e99999"),
    *("+", "-", "*", "/", "**", "//", "%", "(", ")", "[", "]", "{", "}", "=", "<<", ">>", "<", ">"),
    *("#### ", "\n", " ", "\t", "$", "€", ":", ";", "x", "_", "^", "~", "not ", "==", "#", ">>>"),
    *(r"\frac", r"\frac{1}{2}", r"\sqrt", r"\boxed{", r"\text{", r"\pi", r"\pm", r"\infty"),
    *(r"\overline{3}", r"0.1\overline{", r"\cup", r"\{", r"\}", r"\begin{pmatrix}", "&", r"\\"),
    *(
        "the answer is ",
        "and ",
        "or ",
        "million",
        "dozen",
        " km",
        " hours",
        "50%",
        "1,234",
        "3 1/7",
    ),
    *(
        "½",
        "²",
        "°",
        60 * "°C",
        60 * r" \text{ab}",
        "∞",
        "≤",
        "×",
        "÷",
        "１",
        "٣",
        "－",
        "\0",
        "\ud800",
    ),
    *("print(", "def solution():\n  return ", "```python\n", "```", "'", '"', "import math\n"),
    *("for i in range(9):\n ", "lambda:", "f'{", "!r}", "1j", "0x", "nan", "inf", "True", "None"),
]
"""Parts of numbers, formulas, equations, programs and prose; what no single grammar expects."""

NUMBERS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["1", "12", "1" * 50, "9" * 500]),
    st.sampled_from(["", ".5", "." + "1" * 400, ",123", "/7"]),
    st.sampled_from(["", "e9", "e-9", "e-4000", "e4000", "e99999"]),
)
BODIES = st.lists(st.one_of(NUMBERS, st.sampled_from(PIECES)), min_size=1, max_size=14).map("".join)
TEXTS = st.one_of(
    NUMBERS,
    BODIES,
    BODIES.map("#### {}".format),
    BODIES.map("<<{}=1>>\n#### 18".format),
    NUMBERS.map("<<{0}+0={0}>>\n#### 18".format),
)
REFERENCES = st.sampled_from(["18", "1/2", r"\sqrt{2}", "x=5", "(1,2)", "B", "5 km", "50%", "1e5"])
CHOICES = list(product(answer_formats(), (None, *CHECKS), EQUATION_SOURCES))


@pytest.fixture(autouse=True, scope="module")
def _no_formula_process() -> Iterator[None]:
    """Formulas are another process's, whose own tests bound it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(symbolic.Formulas, "equal", lambda *_: False)
        patch.setattr(symbolic.Formulas, "factor", lambda *_: 0)
        patch.setattr(symbolic.Formulas, "value", lambda *_: [])
        yield


@settings(max_examples=300, deadline=None)
@given(TEXTS, REFERENCES, st.sampled_from(CHOICES), st.sampled_from(["text", "program"]))
def test_every_text_gets_a_verdict(text, reference, chosen, form):
    answers, equations, source = chosen
    grader = Grader(answers, equations, source)
    assert grader.grade(text, "stop", reference, form).verdict
    end = grader.answer_end(text, reference)
    assert end is None or 0 <= end <= len(text)


@settings(max_examples=300, deadline=None)
@given(TEXTS, REFERENCES)
def test_every_text_can_be_compared_counted_and_continued(text, reference):
    comparer = AnswerComparer()
    assert comparer.equal(reference, text) in (True, False, None)
    assert hash(comparer.value(text)) == hash(comparer.value(text))
    assert isinstance(is_only_answer(text), bool)
    readers_of(text), plan_values(text), calculated(text)


@pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
@settings(max_examples=60, deadline=None)
@given(text=TEXTS, form=st.sampled_from(["text", "program"]))
def test_every_text_has_a_key_of_its_path(key, text, form):
    row, equations = Row(0, 0, "model", text, "stop", None, form), find_annotations(text) or [text]
    assert hash(key(row, equations)) == hash(key(row, equations))
