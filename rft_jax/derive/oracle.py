"""The oracle control: extra paths from the embedded generator, as many as RFT kept."""

from __future__ import annotations

from rft_jax.derive.inputs import Inputs, allocate
from rft_jax.derive.stories import stories_of
from rft_jax.wordproblems.generator import extra_paths


def oracle_paths(inputs: Inputs) -> dict[str, list[str]]:
    """Problem id -> the generator's paths, as many in total as RFT kept.

    Problems for which the generator has fewer are made up for by others.

    Raises:
      UserError: a problem is not one of the embedded problems.
    """
    problems, kept = inputs.problem_list, inputs.kept_counts()
    most = 2 * max(kept.values(), default=0) + 10  # some to make up for problems with few
    available = {p.id: extra_paths(story, most, inputs.seed) for p, story in stories_of(problems)}
    counts = allocate([kept[p.id] for p in problems], [len(available[p.id]) for p in problems])
    return {p.id: available[p.id][:n] for p, n in zip(problems, counts, strict=True)}
