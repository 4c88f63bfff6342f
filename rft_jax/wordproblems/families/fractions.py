"""A set of things, fractions of which are given away or have a colour."""

from __future__ import annotations

from rft_jax.wordproblems.cast import (
    COLOURS,
    FRACTIONS,
    NAMES,
    NOUNS,
    StoryRandom,
    factors,
    pronoun,
)
from rft_jax.wordproblems.expressions import Node, Number, Product, Quotient, Sum, partials

Gift = tuple[str, Node]
"""What is given to whom (a phrase), and how much that is."""


def draw(rng: StoryRandom, operations: int) -> tuple[str, Node] | None:
    """A story of `operations` operations."""
    noun = rng.choice(NOUNS)
    if rng.random() < 0.35:
        return _coloured(rng, noun, operations)
    return _given(rng, noun, operations)


def _coloured(rng: StoryRandom, noun: str, operations: int) -> tuple[str, Node]:
    """Fractions of a set have a colour: how many have one of them, or none of them."""
    unit = partials(f"@ {noun}")
    first, second, third = rng.sample(COLOURS, 3)
    whole = Number(rng.amount(4, 33) * rng.choice((2, 3)))
    one, two = rng.sample(sorted(FRACTIONS), 2)
    part = _part(whole, one, first, noun)
    story = f"There are {whole.value} {noun} in a box. "
    story += f"{FRACTIONS[one].capitalize()} of them are {first}"
    if operations == 1:
        return f"{story}. How many {noun} are {first}?", part
    rest = (f"So @ {noun} are {third}.", f"The rest are @ {noun}.")
    ending = f"The rest are {third}. How many {noun} are {third}?"
    if operations == 2:
        return f"{story}. {ending}", Sum(((1, whole), (-1, part)), rest, unit)
    if operations == 3 and rng.random() < 0.5:
        words = (f"Together that is @ {noun}.", f"So @ {noun} are {first} or {second}.")
        story += f" and {FRACTIONS[two]} are {second}. How many {noun} are {first} or {second}?"
        return story, Sum(((1, part), (1, _part(whole, two, second, noun))), words, unit)
    amount = Number(rng.amount(2, 25))
    is_counted = operations == 3
    other: Node = amount if is_counted else _part(whole, two, second, noun)
    story += f" and {amount.value if is_counted else FRACTIONS[two]} are {second}. {ending}"
    return story, Sum(((1, whole), (-1, part), (-1, other)), rest, unit)


def _part(whole: Number, fraction: int, colour: str, noun: str) -> Quotient:
    words = (f"So @ {noun} are {colour}.", f"The {colour} ones are @ {noun}.")
    return Quotient(whole, Number(fraction), words, partials(f"@ {noun}"))


def _given(rng: StoryRandom, noun: str, operations: int) -> tuple[str, Node] | None:
    """Someone gives things away, then perhaps a fraction of the rest to someone else."""
    name, friend, other, last = rng.sample(NAMES, 4)
    to_last = operations == 1 or rng.random() < 0.6
    later = to_last and operations >= 3 and rng.random() < 0.4
    left = operations - to_last - later
    story, start = _set(rng, name, noun, left)
    gifts = _gifts(rng, start, left - (not isinstance(start, Number)), (friend, other), noun)
    if gifts is None:
        return None
    words = (f"{name} has @ {noun} left.", f"So @ {noun} are left.")
    terms = ((1, start), *((-1, gift) for _, gift in gifts))
    rest: Node = Sum(terms, words, partials(f"@ {noun}")) if gifts else start
    if gifts:
        story += f" {pronoun(name)} gives {' and '.join(phrase for phrase, _ in gifts)}."
    if not to_last:
        return f"{story} How many {noun} does {name} have left?", rest
    giver = f"Then {pronoun(name).lower()}" if gifts else pronoun(name)
    of_what = "of the rest" if gifts else "of them"
    return _to_last(rng, story, rest, f"{giver} gives # {of_what} to {last}.", last, noun, later)


def _set(rng: StoryRandom, name: str, noun: str, room: int) -> tuple[str, Node]:
    """What there is at first: a number, or, where there is room, one operation."""
    unit = partials(f"@ {noun}")
    if room >= 1 and rng.random() < 0.3:
        if rng.random() < 0.5:
            count, size = factors(rng, 90)
            words = (f"The bags hold @ {noun}.", f"{name} starts with @ {noun}.")
            node: Node = Product((Number(count), Number(size)), words, unit)
            return f"{name} has {count} bags of {size} {noun}.", node
        one, two = rng.amount(2, 50), rng.amount(2, 45)
        words = (f"{name} starts with @ {noun}.", f"{name} has @ {noun}.")
        node = Sum(((1, Number(one)), (1, Number(two))), words, unit)
        return f"{name} has {one} {noun} and finds {two} more.", node
    amount = rng.amount(6, 49) * 2
    return f"{name} has {amount} {noun}.", Number(amount)


def _gifts(
    rng: StoryRandom, start: Node, operations: int, friends: tuple[str, ...], noun: str
) -> list[Gift] | None:
    """What each friend gets; None if that makes fewer operations, subtractions counted."""
    gifts: list[Gift] = []
    left = operations
    for friend in friends:
        if left >= 2 and isinstance(start, Number) and rng.random() < 0.6:
            fraction = rng.choice(sorted(FRACTIONS))
            words = (f"{friend} gets @ {noun}.", f"The gift is @ {noun}.")
            gift = Quotient(start, Number(fraction), words, partials(f"@ {noun}"))
            gifts.append((f"{FRACTIONS[fraction]} of all the {noun} to {friend}", gift))
            left -= 2
        elif left >= 1:
            amount = rng.amount(2, 30)
            gifts.append((f"{amount} {noun} to {friend}", Number(amount)))
            left -= 1
    # Fractions first: they are of all there is.
    gifts.sort(key=lambda gift: isinstance(gift[1], Number))
    return None if left else gifts


def _to_last(
    rng: StoryRandom, story: str, rest: Node, event: str, last: str, noun: str, later: bool
) -> tuple[str, Node] | None:
    """A fraction (`#` in `event`) of the rest goes to `last`, whose number may change `later`."""
    fractions = [f for f in FRACTIONS if rest.value % f == 0]
    if not fractions:
        return None
    unit = partials(f"@ {noun}")
    fraction = rng.choice(fractions)
    story += f" {event.replace('#', FRACTIONS[fraction])}"
    got = (f"{last} gets @ {noun}.", f"So {last} gets @ {noun}.")
    share = Quotient(rest, Number(fraction), got, unit)
    if not later:
        return f"{story} How many {noun} does {last} get?", share
    amount = rng.amount(2, 30)
    sign = 1 if rng.random() < 0.5 else -1
    had, loses = f"{last} had {amount} {noun} before.", f"{last} loses {amount} of these."
    words = (f"{last} has @ {noun} now.", f"So {last} has @ {noun}.")
    node = Sum(((1, share), (sign, Number(amount))), words, unit)
    return f"{story} {had if sign > 0 else loses} How many {noun} does {last} have now?", node
