"""So much a day for so many days: how much in all, how much is left, how many days."""

from __future__ import annotations

from rft_jax.arithmetic.whole import between
from rft_jax.wordproblems.cast import NAMES, NOUNS, StoryRandom, factors, pronoun
from rft_jax.wordproblems.expressions import Node, Number, Product, Quotient, Sum, partials

ACTIVITIES = (("reads", "read", "pages"), ("walks", "walk", "miles"), ("runs", "run", "miles"))
TRADES = (("collects", "collect"), ("sells", "sell"), ("packs", "pack"))


class _Work:
    """Who does what: the words a story of this family needs."""

    def __init__(self, rng: StoryRandom):
        self.name = rng.choice(NAMES)
        self.he = pronoun(self.name)
        if rng.random() < 0.5:
            self.does, self.do, self.noun = rng.choice(ACTIVITIES)
        else:
            self.does, self.do = rng.choice(TRADES)
            self.noun = rng.choice(NOUNS)
        self.unit = partials(f"@ {self.noun}")
        self.total = (f"In all that is @ {self.noun}.", f"The total is @ {self.noun}.")

    def say(self, text: str) -> tuple[str, ...]:
        """One sentence, as the choices of a node."""
        return (text.replace("#", f"@ {self.noun}"),)


def draw(rng: StoryRandom, operations: int) -> tuple[str, Node] | None:
    """A story of `operations` operations."""
    work = _Work(rng)
    if rng.random() < 0.35:
        return _days_needed(rng, work, operations)
    has_goal = operations >= 2 and rng.random() < 0.4
    story, total = _amount(rng, work, operations - has_goal)
    if not has_goal:
        ending = f"How many {work.noun} does {work.name} {work.do} in all?"
        return f"{story} {ending}", total
    goal = between(rng, total.value + 2, rng.largest)
    words = (*work.say("So # are left."), *work.say("That leaves #."))
    node = Sum(((1, Number(goal)), (-1, total)), words, work.unit)
    opening = f"{work.name} wants to {work.do} {goal} {work.noun}."
    story = story.replace(f"Each morning {work.name}", f"Each morning {work.he.lower()}")
    story = story.replace(work.name, work.he)
    return f"{opening} {story} How many {work.noun} are left to {work.do}?", node


def _amount(rng: StoryRandom, work: _Work, operations: int) -> tuple[str, Node]:
    """What is done over several days, in 1 to 4 operations."""
    w = work
    if operations == 1:
        phrase, node = _span(rng, w, 80)
        return f"{w.name} {w.does} {phrase}.", node
    if operations == 2:
        kind = rng.random()
        if kind < 0.4:
            phrase, node = _span(rng, w, 70)
            return _and_more(rng, w, f"{w.name} {w.does} {phrase}", node)
        return _twice_a_day(rng, w)
    if operations == 3 and rng.random() < 0.5:
        one, first = _span(rng, w, 50)
        two, second = _span(rng, w, 45)
        story = f"{w.name} {w.does} {one} and then {two}."
        return story, Sum(((1, first), (1, second)), w.total, w.unit)
    if operations == 3:
        story, node = _twice_a_day(rng, w)
        return _and_more(rng, w, story[:-1], node)
    one, first = _span(rng, w, 40)
    two, second = _span(rng, w, 35)
    story = f"{w.name} {w.does} {one} and then {two}."
    both = Sum(((1, first), (1, second)), w.unit.plus, w.unit)
    return _and_more(rng, w, story[:-1], both)


def _span(rng: StoryRandom, work: _Work, most: int) -> tuple[str, Product]:
    days, rate = factors(rng, most)
    words = (*work.say("That comes to #."), *work.say("These days give #."))
    node = Product((Number(days), Number(rate)), words, work.unit)
    return f"{rate} {work.noun} a day for {days} days", node


def _and_more(rng: StoryRandom, work: _Work, story: str, node: Node) -> tuple[str, Node]:
    more = rng.amount(2, 25)
    total = Sum(((1, node), (1, Number(more))), work.total, work.unit)
    return f"{story}. Then {work.he.lower()} {work.does} {more} more {work.noun}.", total


def _twice_a_day(rng: StoryRandom, work: _Work) -> tuple[str, Product]:
    days, one, two = between(rng, 2, 6), rng.amount(2, 9), rng.amount(2, 9)
    rate = Sum(((1, Number(one)), (1, Number(two))), work.say("Each day that is #."), work.unit)
    words = (*work.say("That comes to #."), *work.say("These days give #."))
    story = (
        f"Each morning {work.name} {work.does} {one} {work.noun} and each evening {two}. "
        f"{work.he} does this for {days} days."
    )
    return story, Product((Number(days), rate), words, work.unit)


def _days_needed(rng: StoryRandom, work: _Work, operations: int) -> tuple[str, Node] | None:
    """How many days a goal takes, once some of it is done."""
    w = work
    two_parts = operations >= 2 and rng.random() < 0.5
    done_in = operations - 1 - two_parts
    days = between(rng, 2, 9)
    one, two = rng.amount(2, 9), rng.amount(2, 9)
    rate: Node = Number(one)
    plan = f"{one} {w.noun} a day"
    if two_parts:
        rate = Sum(((1, Number(one)), (1, Number(two))), w.say("Each day that is #."), w.unit)
        plan = f"{one} {w.noun} each morning and {two} each evening"
    done = _done(rng, w, done_in)
    remaining = days * rate.value
    goal = Number(remaining + sum(node.value for _, node in done))
    words = (*w.say("So # are left."), *w.say("That leaves #."))
    terms = ((1, goal), *((-1, node) for _, node in done))
    top: Node = Sum(terms, words, w.unit) if done else goal
    past = "".join(f" {w.he} {phrase}." for phrase, _ in done)
    node = Quotient(top, rate, ("That takes @ days.", "So it takes @ days."), partials("@ days"))
    then = f"Then {w.he.lower()}" if done else w.he
    return (
        f"{w.name} wants to {w.do} {goal.value} {w.noun}.{past} {then} {w.does} {plan}. "
        f"How many {'more ' if done else ''}days does that take?"
    ), node


def _done(rng: StoryRandom, work: _Work, operations: int) -> list[tuple[str, Node]]:
    """What has been done, with the operations it adds: subtracting it counts as one."""
    done: list[tuple[str, Node]] = []
    left = operations
    while left:
        if left >= 2 and rng.random() < 0.6:
            phrase, node = _span(rng, work, 40)
            done.append((f"{work.does} {phrase}", node))
            left -= 2
        else:
            amount = rng.amount(2, 30)
            when = " on Monday" if not done else " on Sunday"
            done.append((f"{work.does} {amount} {work.noun}{when}", Number(amount)))
            left -= 1
    return done
