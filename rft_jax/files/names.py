"""Names of files and folders that one command writes into its output and another one reads.

Those of every output folder are in `files.outputs`, those of rows that `records` reads are there.
"""

from __future__ import annotations

SAMPLES_FOLDER = "samples"
"""Of `rft evaluate` and `rft policy`: the samples that they drew."""
CHECKPOINTS_FOLDER = "checkpoints"
"""Of `rft train` and `rft policy`: a folder per kept step."""
METRICS_FILE = "metrics.json"
"""Of `rft evaluate`: its metrics."""
PREDICTIONS_FILE = "predictions.jsonl"
"""Of `rft evaluate`: a row per problem."""
TEXTS_FOLDER = "samples-text"
"""Of `rft evaluate`: the text samples of hybrid decoding."""
STATS_FILE = "stats.json"
"""Of `rft collect`: its counts."""
STEPS_FILE = "metrics.jsonl"
"""Of `rft train` and `rft policy`: a row per optimizer step."""
TRAINING_DATA_FILE = "data.json"
"""Of `rft train`: the manifest of its token arrays, and the rows of a batch."""
TIMING_FILE = "timing.json"
"""Times and speeds, which are never compared."""
RESULTS_FILE = "results.json"
"""Of `rft run`: a row per training, and the comparisons."""
COSTS_FILE = "costs.json"
"""Of `rft run`: what its stages computed."""


def checkpoint_of(step: int | str) -> str:
    """The folder of a step's checkpoint within a training's output."""
    return f"{CHECKPOINTS_FOLDER}/{step}"
