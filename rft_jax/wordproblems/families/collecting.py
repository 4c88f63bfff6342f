"""Someone has things, gets more, gives some away, and may share out the rest."""

from __future__ import annotations

from rft_jax.wordproblems.cast import NAMES, NOUNS, StoryRandom, factors, pronoun
from rft_jax.wordproblems.expressions import Node, Number, Product, Quotient, Sum, partials

Event = tuple[str, int, Node]
"""What happens (a verb phrase), +1 or -1, how much."""


def draw(rng: StoryRandom, operations: int) -> tuple[str, Node] | None:
    """A story of `operations` operations."""
    name, friend = rng.sample(NAMES, 2)
    noun = rng.choice(NOUNS)
    opening, start = _start(rng, name, noun, operations)
    left = operations - (not isinstance(start, Number))
    is_shared = left >= 1 and operations >= 2 and rng.random() < 0.25
    story, total = _with_events(rng, opening, start, (name, friend), noun, left - is_shared)
    if not is_shared:
        ending = rng.choice(
            (f"How many {noun} does {name} have now?", f"How many {noun} does {name} have?")
        )
        return f"{story} {ending}", total
    return _share(rng, story, total, name, noun)


def hold(rng: StoryRandom, name: str, friend: str, noun: str, operations: int) -> tuple[str, Node]:
    """How many things `name` has, in sentences without a question, and the tree of it."""
    opening, start = _start(rng, name, noun, operations)
    left = operations - (not isinstance(start, Number))
    return _with_events(rng, opening, start, (name, friend), noun, left)


def _with_events(
    rng: StoryRandom, opening: str, start: Node, names: tuple[str, str], noun: str, operations: int
) -> tuple[str, Node]:
    """The story of a start and of events that take this many operations."""
    name, friend = names
    events: list[Event] = []
    left = operations
    while left:
        is_product = left >= 2 and rng.random() < 0.3
        events.append(_event(rng, friend, noun, is_product))
        left -= 1 + is_product
    kept = (f"{name} has @ {noun}.", f"Now {name} has @ {noun}.", f"So {name} has @ {noun}.")
    terms = ((1, start), *((sign, amount) for _, sign, amount in events))
    total = Sum(terms, kept, partials(f"@ {noun}")) if events else start
    return _tell(rng, opening, name, [phrase for phrase, _, _ in events]), total


def _start(rng: StoryRandom, name: str, noun: str, operations: int) -> tuple[str, Node]:
    if operations >= 2 and rng.random() < 0.3:
        count, size = factors(rng)
        words = (f"The bags hold @ {noun}.", f"{name} starts with @ {noun}.")
        node = Product((Number(count), Number(size)), words, partials(f"@ {noun}"))
        return f"{name} has {count} bags of {size} {noun}", node
    amount = rng.amount(5, 60)
    return f"{name} has {amount} {noun}", Number(amount)


def _event(rng: StoryRandom, friend: str, noun: str, is_product: bool) -> Event:
    is_gain = rng.random() < 0.5
    if is_product:
        count, size = factors(rng, 40)
        phrase, words = (
            (f"buys {count} bags of {size} {noun}", (f"The bags add @ {noun}.",))
            if is_gain
            else (f"gives {size} {noun} to each of {count} friends",
                  (f"The friends get @ {noun}.", f"The gifts are @ {noun}."))
        )  # fmt: skip
        node = Product((Number(count), Number(size)), words, partials(f"@ {noun}"))
        return phrase, 1 if is_gain else -1, node
    amount = rng.amount(2, 35)
    gains = (f"finds {amount} more", f"buys {amount} more", f"gets {amount} more from {friend}")
    losses = (f"gives {amount} {noun} to {friend}", f"loses {amount} {noun}",
              f"sells {amount} {noun}")  # fmt: skip
    return rng.choice(gains if is_gain else losses), 1 if is_gain else -1, Number(amount)


def _tell(rng: StoryRandom, opening: str, name: str, phrases: list[str]) -> str:
    """Strings the events together; sometimes two to a sentence."""
    he = pronoun(name)
    sentences = []
    rest = list(phrases)
    if rest and rng.random() < 0.3:
        opening += f" and {rest.pop(0)}"
    while rest:
        phrase = rest.pop(0)
        if rest and rng.random() < 0.4:
            phrase += f" and then {rest.pop(0)}"
        sentences.append(rng.choice((f"{he} {phrase}.", f"Then {he.lower()} {phrase}.")))
    return " ".join((f"{opening}.", *sentences))


def _share(
    rng: StoryRandom, story: str, total: Node, name: str, noun: str
) -> tuple[str, Node] | None:
    divisors = [n for n in range(2, 10) if total.value % n == 0 and total.value >= 2 * n]
    if not divisors:
        return None
    count = rng.choice(divisors)
    he = pronoun(name).lower()
    words = (f"Each box gets @ {noun}.", f"So each box has @ {noun}.")
    node = Quotient(total, Number(count), words, partials(f"@ {noun}"))
    split = f"Then {he} splits all the {noun} evenly into {count} boxes."
    return f"{story} {split} How many {noun} are in each box?", node
