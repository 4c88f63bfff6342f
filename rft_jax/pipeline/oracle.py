"""The oracle control: the generator's own extra paths, in the numbers that the model found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.jsonl import file_digest, write_rows
from rft_jax.outputs import open_output
from rft_jax.records import Path, Problem, read_paths, to_row
from rft_jax.wordproblems.files import DEFAULT_SIZES
from rft_jax.wordproblems.generator import Story, equations, extra_paths, generate_stories
from rft_jax.wordproblems.splits import split_of


def write_oracle_paths(problems: str, paths: str, output: str, seed: int) -> None:
    """Writes `paths.jsonl`: each problem's human path, then the generator's.

    Args:
      problems: wordproblems:… or a JSONL of such.
      paths: of a collection: how many sampled paths each problem gets.
      output: folder.
      seed: of the generator's paths.

    Raises:
      UserError: a problem is none of the embedded ones.
    """
    made_with = {"problems": problems, "paths": file_digest(paths), "seed": seed}
    with open_output(output, made_with) as folder:
        if folder.is_complete:
            return
        asked = load_problems(problems)
        wanted = Counter(path.id for _, path in read_paths(paths) if path.origin == "sampled")
        most = 2 * max(wanted.values(), default=0) + 10  # some to make up for problems with few
        available = {p.id: extra_paths(story, most, seed) for p, story in _stories(asked)}
        counts = share_out([wanted[p.id] for p in asked], [len(available[p.id]) for p in asked])
        chosen = {p.id: available[p.id][:n] for p, n in zip(asked, counts, strict=True)}
        write_rows(folder.path / "paths.jsonl", map(to_row, _paths(asked, chosen)))
        folder.commit()
        print(f"oracle: {sum(counts)} paths for {len(asked)} problems, asked {wanted.total()}")


def share_out(wanted: Sequence[int], available: Sequence[int]) -> list[int]:
    """What each gets: as much as it wants and has, then what others lack, in turns of one."""
    given = [min(pair) for pair in zip(wanted, available, strict=True)]
    lacking = min(sum(wanted), sum(available)) - sum(given)
    while lacking > 0:
        for i, most in enumerate(available):
            if lacking > 0 and given[i] < most:
                given[i] += 1
                lacking -= 1
    return given


def _stories(problems: Sequence[Problem]) -> Iterator[tuple[Problem, Story]]:
    """Each problem with the story it was made from, found by its question."""
    by_question: dict[str, Story] = {}
    for split in {split_of(problem.question) for problem in problems} & DEFAULT_SIZES.keys():
        stories = generate_stories(split, DEFAULT_SIZES[split], seed=0)
        by_question |= {story.question: story for story in stories}
    for problem in problems:
        if problem.question not in by_question:
            raise UserError(
                f"problem {problem.id!r} is none of wordproblems:train|dev|test, so there is no "
                "generator to ask for its paths"
            )
        yield problem, by_question[problem.question]


def _paths(problems: Sequence[Problem], chosen: Mapping[str, Sequence[str]]) -> Iterator[Path]:
    for problem in problems:
        yield _path(problem, problem.answer, "human", ())
        for response in chosen[problem.id]:
            yield _path(problem, response, "sampled", ("generator",))


def _path(problem: Problem, response: str, origin: str, models: tuple[str, ...]) -> Path:
    return Path(problem.id, problem.question, response, origin, models, equations(response))
