"""An independent reader of solutions, and stories to try it on."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction

import pytest

from rft_jax.wordproblems.generator import Story, generate_stories

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
             ast.Div: operator.truediv}  # fmt: skip
NUMBER_WORDS = {"half": 2, "twice": 2, "third": 3, "quarter": 4, "fifth": 5}


def evaluate(node: ast.AST, largest: int) -> Fraction:
    """Exact value of a parsed left side; every value on the way is an integer in 0..largest."""
    if isinstance(node, ast.Expression):
        return evaluate(node.body, largest)
    if isinstance(node, ast.Constant):
        value = Fraction(node.value)
    else:
        assert isinstance(node, ast.BinOp), ast.dump(node)
        value = OPERATORS[type(node.op)](
            evaluate(node.left, largest), evaluate(node.right, largest)
        )
    assert value.denominator == 1, ast.dump(node)
    assert 0 <= value <= largest, ast.dump(node)
    return value


def check(question: str, path: str, largest: int = 99) -> list[str]:
    """Checks a solution against the story alone; returns its equations."""
    body, separator, answer = path.rpartition("\n#### ")
    assert separator, path
    assert answer.isdigit(), path
    known = {int(number) for number in re.findall(r"\d+", question)}
    known |= {n for word, n in NUMBER_WORDS.items() if word in question.lower()}
    found = re.findall(r"<<(.+?)=(\d+)>>(\d+)", body)
    assert found, path
    assert body.count("<<") == body.count(">>") == len(found), path
    assert not re.search(r"\d", re.sub(r"<<.+?>>\d+", "", body)), path
    for left, right, repeated in found:
        used = {int(number) for number in re.findall(r"\d+", left)}
        assert used <= known, f"{used - known} come from nowhere: {question} {path}"
        assert evaluate(ast.parse(left, mode="eval"), largest) == int(right), left
        assert repeated == right, path
        known.add(int(right))
    assert found[-1][1] == answer, path
    return [f"{left}={right}" for left, right, _ in found]


@pytest.fixture(scope="session")
def check_path() -> Callable[..., list[str]]:
    return check


@pytest.fixture(scope="session")
def stories() -> list[Story]:
    return list(generate_stories("train", 1500, seed=11, operations=(1, 2, 3, 4)))
