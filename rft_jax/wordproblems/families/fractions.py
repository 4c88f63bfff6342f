"""A set of things, fractions of which are given away or have a colour."""

from __future__ import annotations

from random import Random

from rft_jax.wordproblems.cast import COLOURS, FRACTIONS, NAMES, NOUNS, between, factors, pronoun
from rft_jax.wordproblems.expressions import (
    Node,
    Number,
    Partials,
    Product,
    Quotient,
    Sum,
    partials,
)


def draw(rng: Random, operations: int) -> tuple[str, Node] | None:
    """A story of `operations` operations."""
    noun = rng.choice(NOUNS)
    unit = partials(f"@ {noun}")
    if rng.random() < 0.35:
        return _coloured(rng, noun, unit, operations)
    return _given(rng, noun, unit, operations)


def _coloured(rng: Random, noun: str, unit: Partials, operations: int) -> tuple[str, Node] | None:
    """Fractions of a set have a colour: how many have one of them, or none of them."""
    colours = rng.sample(COLOURS, 3)
    whole = Number(between(rng, 4, 33) * rng.choice((2, 3)))
    opening = f"There are {whole.value} {noun} in a box."
    fractions = rng.sample(sorted(FRACTIONS), 2)
    parts = [
        _colour_part(whole, f, c, noun, unit) for f, c in zip(fractions, colours[:2], strict=True)
    ]
    one, two = FRACTIONS[fractions[0]].capitalize(), FRACTIONS[fractions[1]]
    first, second, third = colours
    if operations == 1:
        return f"{opening} {one} of them are {first}. How many {noun} are {first}?", parts[0]
    rest_words = (f"So @ {noun} are {third}.", f"The rest are @ {noun}.")
    ending = f"The rest are {third}. How many {noun} are {third}?"
    if operations == 2:
        node = Sum(((1, whole), (-1, parts[0])), rest_words, unit)
        return f"{opening} {one} of them are {first}. {ending}", node
    if operations == 3 and rng.random() < 0.5:
        words = (f"Together that is @ {noun}.", f"So @ {noun} are {first} or {second}.")
        story = f"{opening} {one} of them are {first} and {two} are {second}."
        node = Sum(((1, parts[0]), (1, parts[1])), words, unit)
        return f"{story} How many {noun} are {first} or {second}?", node
    amount = Number(between(rng, 2, 25))
    second_part: Node = amount if operations == 3 else parts[1]
    how_many = str(amount.value) if operations == 3 else two
    node = Sum(((1, whole), (-1, parts[0]), (-1, second_part)), rest_words, unit)
    return f"{opening} {one} of them are {first} and {how_many} are {second}. {ending}", node


def _colour_part(whole: Number, fraction: int, colour: str, noun: str, unit: Partials) -> Quotient:
    words = (f"So @ {noun} are {colour}.", f"The {colour} ones are @ {noun}.")
    return Quotient(whole, Number(fraction), words, unit)


def _given(rng: Random, noun: str, unit: Partials, operations: int) -> tuple[str, Node] | None:
    """Someone gives things away, then perhaps a fraction of the rest to someone else."""
    name, friend, other, last = rng.sample(NAMES, 4)
    he = pronoun(name)
    to_last = operations == 1 or rng.random() < 0.6
    later = int(to_last and operations >= 3 and rng.random() < 0.4)
    left = operations - to_last - later
    opening, start, spent = _set(rng, name, noun, unit, left)
    left -= spent
    gifts: list[tuple[str, Node]] = []
    for whom in (friend, other):
        if left >= 2 and isinstance(start, Number) and rng.random() < 0.6:
            fraction = rng.choice(sorted(FRACTIONS))
            gift: Node = Quotient(
                start, Number(fraction), (f"{whom} gets @ {noun}.", f"The gift is @ {noun}."), unit
            )
            gifts.append((f"{FRACTIONS[fraction]} of all the {noun} to {whom}", gift))
            left -= 2
        elif left >= 1:
            amount = between(rng, 2, 30)
            gifts.append((f"{amount} {noun} to {whom}", Number(amount)))
            left -= 1
    if left:
        return None
    words = (f"{name} has @ {noun} left.", f"So @ {noun} are left.")
    gifts.sort(key=lambda gift: isinstance(gift[1], Number))  # fractions first: they are of all
    terms = ((1, start), *((-1, gift) for _, gift in gifts))
    rest: Node = Sum(terms, words, unit) if gifts else start
    story = opening
    if gifts:
        story += f" {he} gives " + " and ".join(phrase for phrase, _ in gifts) + "."
    if not to_last:
        return f"{story} How many {noun} does {name} have left?", rest
    return _to_last(rng, story, rest, (name, last), noun, unit, bool(gifts), later)


def _set(rng: Random, name: str, noun: str, unit: Partials, room: int) -> tuple[str, Node, int]:
    """What there is at first, and how many operations that takes."""
    if room >= 1 and rng.random() < 0.3:
        if rng.random() < 0.5:
            count, size = factors(rng, 90)
            words = (f"The bags hold @ {noun}.", f"{name} starts with @ {noun}.")
            node: Node = Product((Number(count), Number(size)), words, unit)
            return f"{name} has {count} bags of {size} {noun}.", node, 1
        one, two = between(rng, 2, 50), between(rng, 2, 45)
        words = (f"{name} starts with @ {noun}.", f"{name} has @ {noun}.")
        node = Sum(((1, Number(one)), (1, Number(two))), words, unit)
        return f"{name} has {one} {noun} and finds {two} more.", node, 1
    amount = between(rng, 6, 49) * 2
    return f"{name} has {amount} {noun}.", Number(amount), 0


def _to_last(
    rng: Random,
    story: str,
    rest: Node,
    pair: tuple[str, str],
    noun: str,
    unit: Partials,
    is_rest: bool,
    later: int,
) -> tuple[str, Node] | None:
    """A fraction of the rest goes to the last person, who may have had some or lose some."""
    name, last = pair
    fractions = [f for f in FRACTIONS if rest.value % f == 0]
    if not fractions:
        return None
    fraction = rng.choice(fractions)
    of_what = "of the rest" if is_rest else "of them"
    then = f"Then {pronoun(name).lower()}" if is_rest else pronoun(name)
    story += f" {then} gives {FRACTIONS[fraction]} {of_what} to {last}."
    got = (f"{last} gets @ {noun}.", f"So {last} gets @ {noun}.")
    share = Quotient(rest, Number(fraction), got, unit)
    if not later:
        return f"{story} How many {noun} does {last} get?", share
    amount = between(rng, 2, 30)
    sign = 1 if rng.random() < 0.5 else -1
    if sign > 0:
        story += f" {last} had {amount} {noun} before."
    else:
        story += f" {last} loses {amount} of these."
    words = (f"{last} has @ {noun} now.", f"So {last} has @ {noun}.")
    node = Sum(((1, share), (sign, Number(amount))), words, unit)
    return f"{story} How many {noun} does {last} have now?", node
