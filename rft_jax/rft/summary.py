"""What `rft collect` prints at its end: verdicts, kept paths, and advice where little was kept."""

from __future__ import annotations

from collections.abc import Iterator

from rft_jax.progress import quantity
from rft_jax.records import PATHS_FILE, VERDICTS
from rft_jax.rft.dedup import DEDUP_LEVELS
from rft_jax.rft.settings import CollectSettings
from rft_jax.rft.stats import is_unread, readable
from rft_jax.rft.tally import Tally

_KINDS_SHOWN = 5


def summary(tally: Tally, settings: CollectSettings) -> str:
    """A table of the verdicts, a line on the kept paths, and warnings."""
    lines = [*_table(tally), *_programs(tally), *_paths(tally), *_warnings(tally, settings)]
    return "\n".join(lines)


def _table(tally: Tally) -> Iterator[str]:
    samples = tally.samples[""]
    yield f"collect: {quantity(samples, 'sample')} of {quantity(tally.problems, 'problem')}"
    for verdict, meaning in VERDICTS.items():
        number = tally.verdicts["", verdict]
        if number:
            yield f"  {verdict:18} {number:>11,}  {number / samples:6.1%}  {meaning.words}"


def _programs(tally: Tally) -> Iterator[str]:
    """What stopped programs, the most frequent kinds first."""
    for what in ("errors", "unsupported"):
        found = [(-number, kind) for (name, kind), number in tally.programs.items() if name == what]
        kinds = [f"{kind} {-number:,}" for number, kind in sorted(found)[:_KINDS_SHOWN]]
        if kinds:
            yield f"  {what} of programs: {', '.join(kinds)}"


def _paths(tally: Tally) -> Iterator[str]:
    kept, new = tally.num_kept, tally.num_new
    copies = f" ({kept - new:,} of them copies of a reference solution)" if kept > new else ""
    yield (
        f"kept: {quantity(kept, 'distinct sampled path')}{copies} and "
        f"{quantity(tally.human, 'reference solution')}, in {PATHS_FILE}"
    )
    if tally.unsolved:
        found = quantity(tally.unsolved, "reference")
        yield f"  {found} without a solution, an answer alone: not among the training paths"


def _warnings(tally: Tally, settings: CollectSettings) -> Iterator[str]:
    samples, unread = tally.samples[""], tally.verdicts["", "no_answer"]
    if is_unread(tally):
        readers = [
            f"{reader!r} reads {share:.0%} of them" for reader, share in readable(tally).items()
        ]
        advice = (
            "; ".join(readers[:2]) or "no other reader finds one either; look at a few responses"
        )
        yield (
            f"warning: {unread / samples:.0%} of the samples give no answer to collect.answers = "
            f"{settings.answers!r}: {advice}"
        )
    correct = tally.verdicts["", "correct"]
    by_equations = settings.dedup in DEDUP_LEVELS and settings.dedup != "exact_text"
    if correct and by_equations and tally.unannotated == correct:
        texts = sum(
            n
            for (level, model, _, _), n in tally.distinct.items()
            if (level, model) == ("exact_text", "")
        )
        from_text = ", --gin.collect.equation_source=text reads equations in the text"
        yield (
            "warning: no correct sample has an equation, so all of a problem's are duplicates at "
            f"collect.dedup = {settings.dedup!r}; --gin.collect.dedup=exact_text would keep "
            f"{texts:,} (--gin.collect.dedup='' takes it where no solution and no sample has an "
            f"equation), --gin.collect.dedup=none all {correct:,}"
            f"{from_text if settings.equation_source == 'annotations' else ''}"
        )
    elif samples and not tally.num_new:
        left = "training on paths.jsonl is SFT on the references" if tally.human else "it is empty"
        yield f"warning: paths.jsonl has no path that is not a reference: {left}"
