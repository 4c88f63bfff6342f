"""GSM8K from a prepared TensorFlow Datasets folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

from rft_jax.errors import UserError
from rft_jax.installation import how_to_install


def read_gsm8k(split: str) -> Iterator[tuple[str, str]]:
    """(question, answer) pairs of a split, in order.

    Raises:
      UserError: TensorFlow Datasets or its prepared folder is missing; names the fix.
    """
    import rft_jax.data.quiet_tensorflow  # noqa: F401  (before TensorFlow)

    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(
            f"gsm8k:{split}: set GSM8K_DIR to the folder with train.jsonl and test.jsonl, or "
            f"install TensorFlow Datasets: {how_to_install('data')}"
        ) from error
    folder = os.environ.get("TFDS_DATA_DIR")  # which TFDS reads once, when it is imported
    builder = tfds.builder("gsm8k", data_dir=folder, try_gcs=False)
    if not builder.is_prepared():
        raise UserError(
            f"gsm8k:{split}: {builder.data_dir} is not prepared; set GSM8K_DIR to the folder with "
            "train.jsonl and test.jsonl, or run: tfds build gsm8k"
        )
    dataset = builder.as_dataset(split=split, shuffle_files=False)
    for example in tfds.as_numpy(dataset):
        yield example["question"].decode("utf-8"), example["answer"].decode("utf-8")
