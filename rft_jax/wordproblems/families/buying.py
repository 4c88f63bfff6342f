"""Someone buys things, and has money left, or shares the cost."""

from __future__ import annotations

from rft_jax.arithmetic.whole import between
from rft_jax.wordproblems.cast import NAMES, NOUNS, StoryRandom, factors, pronoun
from rft_jax.wordproblems.expressions import Node, Number, Product, Quotient, Sum, partials

MONEY = partials("$@")
TOTAL = ("In all that costs $@.", "The cost is $@.", "The total is $@.")


def draw(rng: StoryRandom, operations: int) -> tuple[str, Node] | None:
    """A story of `operations` operations."""
    name = rng.choice(NAMES)
    nouns = rng.sample(NOUNS, 2)
    extra = between(rng, max(0, operations - 3), min(2, operations - 1))
    purchase, cost = _cost(rng, name, nouns, operations - extra)
    if extra == 0:
        ending = rng.choice((f"How much does {name} spend?", f"How much does {name} pay in all?"))
        return f"{purchase} {ending}", cost
    if extra == 1 and rng.random() < 0.3:
        return _shared(rng, purchase, cost)
    return _change(rng, purchase, cost, name, has_two_sources=extra == 2)


def _cost(rng: StoryRandom, name: str, nouns: list[str], operations: int) -> tuple[str, Node]:
    """What is bought and what it costs, in 1 to 3 operations."""
    if operations == 3:
        if rng.random() < 0.5:
            return _cheaper(rng, name, nouns[0], bag=True)
        return _two_kinds(rng, name, nouns)
    if operations == 2:
        kind = rng.random()
        if kind < 0.33:
            return _same_price(rng, name, nouns)
        if kind < 0.66:
            return _cheaper(rng, name, nouns[0], bag=False)
    phrase, items = _items(rng, nouns[0])
    if operations == 1:
        return f"{name} buys {phrase}.", items
    return _with_bag(rng, f"{name} buys {phrase}", items)


def _items(rng: StoryRandom, noun: str, most: int = 70) -> tuple[str, Product]:
    count, price = factors(rng, most)
    node = Product((Number(count), Number(price)), (f"The {noun} cost $@.",), MONEY)
    return f"{count} {noun} for ${price} each", node


def _with_bag(rng: StoryRandom, phrase: str, items: Node) -> tuple[str, Node]:
    price = rng.amount(2, 20)
    cost = Sum(((1, items), (1, Number(price))), TOTAL, MONEY)
    return f"{phrase} and a bag for ${price}.", cost


def _two_kinds(rng: StoryRandom, name: str, nouns: list[str]) -> tuple[str, Node]:
    one, first = _items(rng, nouns[0], 50)
    two, second = _items(rng, nouns[1], 45)
    return f"{name} buys {one} and {two}.", Sum(((1, first), (1, second)), TOTAL, MONEY)


def _same_price(rng: StoryRandom, name: str, nouns: list[str]) -> tuple[str, Node]:
    one, two, price = between(rng, 2, 9), between(rng, 2, 9), rng.amount(2, 8)
    words = (f"{name} buys @ things.", "There are @ things.")
    count = Sum(((1, Number(one)), (1, Number(two))), words, partials("@ things"))
    story = f"{name} buys {one} {nouns[0]} and {two} {nouns[1]}. Each of them costs ${price}."
    return story, Product((count, Number(price)), TOTAL, MONEY)


def _cheaper(rng: StoryRandom, name: str, noun: str, bag: bool) -> tuple[str, Node]:
    count, price = factors(rng, 60)
    saved = rng.amount(2, 10)
    words = ("Each one costs $@.", "The new price is $@.")
    new_price = Sum(((1, Number(price + saved)), (-1, Number(saved))), words, MONEY)
    items = Product((Number(count), new_price), (f"The {noun} cost $@.",), MONEY)
    story = f"The {noun} cost ${price + saved} each, but today they are ${saved} cheaper."
    story += f" {name} buys {count} of them"
    return _with_bag(rng, story, items) if bag else (f"{story}.", items)


def _change(
    rng: StoryRandom, purchase: str, cost: Node, name: str, has_two_sources: bool
) -> tuple[str, Node] | None:
    money = between(rng, cost.value + 2, rng.largest)
    if money > rng.largest:
        return None
    purse: Node = Number(money)
    opening = f"{name} has ${money}."
    if has_two_sources:
        earned = between(rng, 2, min(40 * rng.scale, money - 2))
        words = (f"{name} has $@ to spend.", f"{name} has $@ in all.")
        purse = Sum(((1, Number(money - earned)), (1, Number(earned))), words, MONEY)
        opening = f"{name} has ${money - earned} and earns ${earned}."
    left = (f"{name} has $@ left.", "So $@ is left.", f"So {name} has $@.")
    story = f"{opening} {purchase.replace(name, pronoun(name))}"
    node = Sum(((1, purse), (-1, cost)), left, MONEY)
    return f"{story} How much money does {name} have left?", node


def _shared(rng: StoryRandom, purchase: str, cost: Node) -> tuple[str, Node] | None:
    divisors = [n for n in (2, 3, 4, 5) if cost.value % n == 0 and cost.value >= 2 * n]
    if not divisors:
        return None
    count = rng.choice(divisors)
    words = ("Each friend pays $@.", "So each pays $@.")
    ending = f"The cost is shared evenly by {count} friends. How much does each friend pay?"
    return f"{purchase} {ending}", Quotient(cost, Number(count), words, MONEY)
