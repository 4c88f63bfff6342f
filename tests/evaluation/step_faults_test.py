from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from rft_jax.arithmetic.formats import FORMATS
from rft_jax.arithmetic.generator import lines
from rft_jax.arithmetic.reading import plain_steps
from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.evaluation.step_faults import Fault, first_fault


@pytest.mark.parametrize(
    ("expression", "steps", "fault"),
    [
        ("12+3*4", "12+12=24", None),
        ("12+3*4", "24", None),
        ("10/3+1", "(10/3)+1=4.33", None),
        ("10/3", "3.33", None),
        ("10/3", "3.333", Fault(1, "operation")),
        ("10/3+1", "3.33+1=4.33", Fault(1, "operation")),  # only the answer is rounded
        ("12+3*4", "12+13=25", Fault(1, "operation")),
        ("12+3*4", "13+12=25", Fault(1, "copying")),
        ("12+3*4", "12+12=23", Fault(2, "operation")),
        ("3*3+4", "3+4=7", Fault(1, "operation")),
        ("1-2-3", "1-5=-4", None),
        ("8-3+1", "8-4=4", Fault(1, "operation")),
        ("(10/3)+1-2", "(14/3)-2=2.67", Fault(1, "operation")),
        ("(7.5-2)*[3+4%]", "5.5*[3+5%]=16.78", Fault(1, "copying")),
        ("2*3*4", "6*3*4=72", Fault(1, "copying")),
        ("12+3*4", "12+=24", Fault(1, "malformed")),
        ("12+3*4", "12+12=", Fault(2, "malformed")),
        ("12+3*4", "12/0=24", Fault(1, "copying")),
    ],
)
def test_the_first_wrong_step_and_what_went_wrong(expression: str, steps: str, fault: Fault | None):
    assert first_fault(expression, steps) == fault


@pytest.mark.parametrize("form", FORMATS)
def test_generated_lines_have_no_fault(form: str):
    settings = ArithmeticSettings(shuffled=0.5)
    for line in islice(lines(settings, "test", 0), 200):
        assert first_fault(line.expression, plain_steps(FORMATS[form](line))) is None


def test_a_changed_result_is_found_at_its_step():
    rng = Random(0)
    settings = ArithmeticSettings(operations=(0.0, 0.0, 1.0), mixed=0.0, signs=(1.0, 1.0, 1.0, 0.0))
    for line in islice(lines(settings, "test", 0), 100):
        forms = [step.form for step in line.steps]
        step = rng.randrange(len(forms))
        result = str(line.steps[-1].form if step == len(forms) - 1 else "")
        if step == len(forms) - 1:
            forms[step] = str(int(result) + 1)
            assert first_fault(line.expression, "=".join(forms)) == Fault(step + 1, "operation")
        else:
            forms[step] = "1" + forms[step] if forms[step][0].isdigit() else "9-" + forms[step][1:]
            assert first_fault(line.expression, "=".join(forms)) is not None
