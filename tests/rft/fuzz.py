"""Samples of every kind, honest and hostile, from a seed."""

from __future__ import annotations

import random

CORRECT = (
    "1+1=2",
    " 1 + 1 = 2 ",
    "1+1=2.0",
    "4/2=2",
    "2*3=6",
    "3*2=6",
    "10/3=3.3333",
    "2+3=5=5",
    "2+3=5=7",
    "(1+2)*3=9",
    "2**3=8",
    "7//2=3",
    "7%4=3",
    "0.1+0.2=0.3",
    "1e3+1=1001",
    "1_000+1=1_001",
    "10**20/10**18=100",
    "10**400/10**399=10",
    "-5+8=3",
    "1+1=２",
    "2**-1=0.5",
    "-2**2=-4",
    "2**3**2=512",
    "7//-2=-4",
    "-7%3=2",
    "(3 +\n4)=7",
    "0x10+1=17",
    "9007199254740993-9007199254740992=1",
    "1e16+1-1e16=0",
    "1+1=2=2=2=2=2",
    "99999999999999999999*99999999999999999999=9999999999999999999800000000000000000001",
)
INCORRECT = (
    "1+1=3",
    "10/3=3.33",
    "1/0=1",
    "1=nan",
    "1e400=inf",
    "(-8)**0.5=2",
    "10**400=1",
    "1" + "0" * 320 + "*1.0=1",
    "2+2=4.002",
)
MALFORMED = (
    "",
    "=",
    "1+1",
    "1+1=",
    "x=1",
    "1,000+1=1,001",
    "1,000+1=1001",
    "5%=0.05",
    "$5+$5=10",
    "1+1=2\0",
    "１+１=2",
    "__import__('os')=0",
    "1+1=two",
    "((1)=1",
    "<<1+1=2",
    "\u202e1+1=2",
    "\ud800=1",
    "01+1=2",
    "3 4+1=35",
    "3+\n4=7",
    "5j=5",
    "1+1=0x2",
    "9" * 5000 + "-" + "9" * 5000 + "=0",
)
ANSWERS = (
    "#### 18",
    "#### 18.0",
    "#### 18.",
    "#### 1,8",
    "#### 018",
    "#### 18\n#### 19",
    "#### 19\n#### 18",
    "####18",
    "#### $18",
    "#### -18",
    "#### 18.0000000000000000001",
    "#### ,",
    "#### 1.8.0",
    "#### １８",
    "#### 1e1",
    "\0#### 18",
    "#### 18\0",
    "#### " + "9" * 400,
    "",
)
WORDS = (
    "He has ",
    "so ",
    "then she gets ",
    "apples ",
    "\n",
    "é ",
    "in all. ",
    "\u202e",
    "<< ",
    ">> ",
)


def response(rng: random.Random, equations: list[str]) -> str:
    """Words around equations; mostly correct ones and the correct answer, so that paths collide."""
    text = rng.choice(WORDS)
    for equation in equations:
        text += f"<<{equation}>>{rng.choice(WORDS)}{rng.choice(WORDS)}"
    if rng.random() < 0.05:
        text += f"<<{rng.choice(CORRECT)}"
    answer = ANSWERS[0] if rng.random() < 0.75 else rng.choice(ANSWERS)
    return f"{text}\n{answer}"


def responses(seed: int, count: int) -> list[str]:
    """Responses to one question whose answer is 18."""
    rng = random.Random(seed)
    lists = []
    for _ in range(rng.randrange(1, 6)):
        equations = rng.choices(CORRECT, k=rng.randrange(0, 4))
        if rng.random() < 0.2:
            equations.append(rng.choice(INCORRECT + MALFORMED))
        lists.append(equations)
    drawn = [response(rng, rng.choice(lists)) for _ in range(count)]
    return [rng.choice(drawn) if rng.random() < 0.1 else text for text in drawn]
