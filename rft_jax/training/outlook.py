"""What a training says before its first step: its size, and what will keep it from learning."""

from __future__ import annotations

from collections.abc import Iterator

from rft_jax.models.shapes import num_params
from rft_jax.progress import quantity
from rft_jax.training.loop import Run

# Below these a training is hardly one; with Adam the weights move by about a learning rate a step.
_FEW_STEPS = 30
_LITTLE_FILLED = 0.4


def outlook(run: Run) -> Iterator[str]:
    """A line on parameters, examples and steps; then warnings that name the settings to change."""
    batches, settings = run.batches, run.settings
    lengths, manifest = batches.arrays.lengths, batches.arrays.manifest
    computed = batches.epoch_steps(0) * batches.batch_size * settings.max_length
    filled = (lengths.sum() - len(lengths)) / computed
    left_out = ", ".join(
        f"{manifest[n]} {n}" for n in ("empty", "dropped", "cut") if manifest.get(n)
    )
    yield (
        f"train: {num_params(run.config):,} parameters; {quantity(len(lengths), 'example')}"
        f"{f' ({left_out})' if left_out else ''}; {quantity(run.num_steps, 'step')} of "
        f"{batches.batch_size} × {settings.max_length}, {filled:.0%} filled; learning rate up to "
        f"{settings.learning_rate:g}"
    )
    if run.num_steps < _FEW_STEPS:
        yield (
            f"warning: {quantity(run.num_steps, 'step')} at a learning rate of up to "
            f"{settings.learning_rate:g} may change little: raise train.num_epochs or "
            f"train.learning_rate{_lower(run)}"
        )
    if filled < _LITTLE_FILLED:
        yield (
            f"warning: {1 - filled:.0%} of what is computed is padding: the longest example has "
            f"{lengths.max():,} tokens, train.max_length is {settings.max_length:,}"
            f"{'' if settings.pack else '; train.pack=True puts several examples into a row'}"
        )


def _lower(run: Run) -> str:
    """Names the batch size, unless every device computes a single row already."""
    rows, shape = run.settings.batch_size, run.mesh.shape
    is_lowest = rows <= shape["data"] * shape["fsdp"]
    return "" if is_lowest else f", or lower train.batch_size (now {quantity(rows, 'row')})"
