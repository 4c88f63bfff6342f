"""Several people, each with so many more, fewer or times as many things as another."""

from __future__ import annotations

from rft_jax.arithmetic.whole import between
from rft_jax.wordproblems.cast import NAMES, NOUNS, StoryRandom
from rft_jax.wordproblems.expressions import Node, Number, Product, Quotient, Sum, partials


def draw(rng: StoryRandom, operations: int) -> tuple[str, Node] | None:
    """A story of `operations` operations."""
    names = rng.sample(NAMES, 5)
    noun = rng.choice(NOUNS)
    if operations >= 3 and rng.random() < 0.3:
        return _star(rng, names, noun, operations)
    return _chain(rng, names, noun, operations)


def _chain(
    rng: StoryRandom, names: list[str], noun: str, operations: int
) -> tuple[str, Node] | None:
    """Each person is compared with the one before; asks for the last, or last against first."""
    first = Number(rng.amount(4, 40))
    sentences = [f"{names[0]} has {first.value} {noun}."]
    last: Node = first
    is_compared = operations >= 2 and rng.random() < 0.5
    left = operations - is_compared
    at, whom = 0, names[0]
    if left >= 2 and rng.random() < 0.25:
        second = Number(rng.amount(2, 40))
        sentences = [f"{names[0]} has {first.value} {noun} and {names[1]} has {second.value}."]
        words = (f"{names[0]} and {names[1]} have @ {noun}.",)
        last = Sum(((1, first), (1, second)), words, partials(f"@ {noun}"))
        at, whom, left = 1, f"{names[0]} and {names[1]} together", left - 1
    for _ in range(left):
        at += 1
        sentence, related = _relate(rng, last, names[at], whom, noun)
        if related is None:
            return None
        sentences.append(sentence)
        last, whom = related, names[at]
    story = " ".join(sentences)
    if not is_compared:
        return f"{story} How many {noun} does {names[at]} have?", last
    return _against_first(rng, story, first, last, (names[0], names[at]), noun)


def _against_first(
    rng: StoryRandom, story: str, first: Number, last: Node, pair: tuple[str, str], noun: str
) -> tuple[str, Node]:
    """Asks how many two people have together, or how many more one of them has."""
    one, other = pair
    if rng.random() < 0.6:
        question = f"{story} How many {noun} do {one} and {other} have together?"
        words = (f"Together they have @ {noun}.", f"So they have @ {noun} together.")
        return question, Sum(((1, first), (1, last)), words, partials(f"@ {noun}"))
    more, fewer = (last, first) if last.value > first.value else (first, last)
    richer, poorer = (other, one) if more is last else (one, other)
    question = f"{story} How many more {noun} does {richer} have than {poorer}?"
    words = (f"{richer} has @ more {noun}.", f"So {richer} has @ {noun} more.")
    return question, Sum(((1, more), (-1, fewer)), words, partials(f"@ {noun}"))


def _star(
    rng: StoryRandom, names: list[str], noun: str, operations: int
) -> tuple[str, Node] | None:
    """Two people compared with the first; asks for two of them, or all three, together."""
    first = Number(rng.amount(4, 30))
    sentences = [f"{names[0]} has {first.value} {noun}."]
    terms: list[tuple[int, Node]] = [(1, first)] if operations == 4 else []
    for name in names[1:3]:
        sentence, related = _relate(rng, first, name, names[0], noun)
        if related is None:
            return None
        sentences.append(sentence)
        terms.append((1, related))
    who = "they all" if operations == 4 else f"{names[1]} and {names[2]}"
    ending = f"How many {noun} do {who} have together?"
    words = (f"Together they have @ {noun}.", f"So they have @ {noun} together.")
    return " ".join((*sentences, ending)), Sum(tuple(terms), words, partials(f"@ {noun}"))


def _relate(
    rng: StoryRandom, base: Node, who: str, whom: str, noun: str
) -> tuple[str, Node | None]:
    """How many `who` has compared with `whom`, who has `base`."""
    words = (f"{who} has @ {noun}.", f"So {who} has @ {noun}.", f"That gives {who} @ {noun}.")
    unit = partials(f"@ {noun}")
    kind = rng.random()
    if kind < 0.35:
        amount = rng.amount(2, 25)
        node: Node = Sum(((1, base), (1, Number(amount))), words, unit)
        return f"{who} has {amount} more {noun} than {whom}.", node
    if kind < 0.65:
        amount = between(rng, 2, min(25 * rng.scale, base.value - 2))
        node = Sum(((1, base), (-1, Number(amount))), words, unit)
        return f"{who} has {amount} fewer {noun} than {whom}.", node
    if kind < 0.85:
        times = between(rng, 2, min(5, rng.largest // max(base.value, 1)))
        node = Product((Number(times), base), words, unit)
        often = "twice" if times == 2 else f"{times} times"
        return f"{who} has {often} as many {noun} as {whom}.", node
    if base.value % 2:
        return "", None
    node = Quotient(base, Number(2), words, unit)
    return f"{who} has half as many {noun} as {whom}.", node
