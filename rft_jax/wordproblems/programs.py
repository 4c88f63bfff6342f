"""A solution of a story problem as a program: a walk whose steps are assignments.

A step's variable is named after the sentence that announces its value (`Amy has @ shells left.`
gives `amy_shells_left`). The last line prints the answer; nothing is worked out in the text.
"""

from __future__ import annotations

import re

from rft_jax.wordproblems.cast import StoryRandom
from rft_jax.wordproblems.expressions import Node, Number, Tree, Winner
from rft_jax.wordproblems.walks import Operation, expression, order_of_people, sample_steps

SYMBOLS = {"+": " + ", "-": " - ", "*": " * ", "/": " // "}
"""Every division of a walk is exact, so `//` gives the quotient as an int."""
FILLERS = frozenset((
    "a", "and", "are", "comes", "each", "get", "gets", "give", "gives", "has", "have", "in", "is",
    "it", "makes", "now", "or", "so", "takes", "that", "the", "there", "these", "they", "to",
    "with",
))  # fmt: skip
"""Words of a sentence that its variable does without."""

_WORD = re.compile(r"[a-z]+")


def render_program(tree: Tree, rng: StoryRandom) -> str:
    """One random walk over the tree as a program; it prints the tree's value and nothing else."""
    writer = _Writer(rng)
    if isinstance(tree, Winner):
        writer.add_people(tree)
    else:
        writer.add_steps(tree)
        writer.lines.append(f"print({writer.last})")
    return "\n".join(writer.lines)


def variable_name(words: str) -> str:
    """The variable of a sentence: its words without the fillers, joined by underscores."""
    found = _WORD.findall(words.replace("$@", "dollars").lower())
    return "_".join(word for word in found if word not in FILLERS)


class _Writer:
    """The lines of a program and the variables they define.

    Attributes:
      lines: what is written so far.
      last: the variable that was assigned last.
    """

    def __init__(self, rng: StoryRandom):
        self.lines: list[str] = []
        self.last = ""
        self._rng = rng
        self._names: dict[Operation, str] = {}
        self._taken: set[str] = set()

    def add_steps(self, tree: Node) -> None:
        """Assignments of a walk over a tree that has at least one operation."""
        for step in sample_steps(tree, self._rng):
            right = expression(step, SYMBOLS, self._names.__getitem__)
            self.last = self._names[step] = self._new_name(self._rng.choice(step.words))
            self.lines.append(f"{self.last} = {right}")

    def add_people(self, tree: Winner) -> None:
        """Assignments for each person, then the comparison of the two."""
        written: dict[str, str] = {}
        for name, node in order_of_people(tree, self._rng):
            if isinstance(node, Number):
                written[name] = str(node.value)
            else:
                self.add_steps(node)
                written[name] = self.last
        (one, first), (other, second) = written.items()
        sign = ">" if tree.has_most else "<"
        self.lines.append(f'print("{one}" if {first} {sign} {second} else "{other}")')

    def _new_name(self, words: str) -> str:
        base = name = variable_name(words)
        number = 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name
