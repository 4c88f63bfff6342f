"""A task: the samples of one request that a group of slots draws without a break."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import flax.struct
import jax
import numpy as np
from jaxtyping import Int, UInt

from rft_jax.sampling.requests import Request

Rows = jax.Array | np.ndarray


@dataclass(frozen=True, eq=False)
class Task:
    """Some samples of a request: `count` of them, from sample index `first` on."""

    request: Request
    first: int
    count: int


@flax.struct.dataclass
class TaskBatch:
    """Tasks as arrays of fixed shape, a row each; a row with count 0 has no task.

    Attributes:
      prompts: prompt tokens without the last one, padded to the bucket's length.
      prompt_lengths: how many of those tokens count.
      last_tokens: each prompt's last token.
      keys: the problems' keys, see `methods.problem_key`.
      first: sample index of the task's first sample.
      count: samples to draw, at most the geometry's `task`.
    """

    prompts: Int[Rows, "R P"]
    prompt_lengths: Int[Rows, " R"]
    last_tokens: Int[Rows, " R"]
    keys: UInt[Rows, "R 2"]
    first: Int[Rows, " R"]
    count: Int[Rows, " R"]


def split_request(request: Request, size: int) -> Iterator[Task]:
    """The request as tasks of at most `size` samples."""
    for start in range(0, request.num_samples, size):
        count = min(size, request.num_samples - start)
        yield Task(request, request.first + start, count)


def pack(tasks: Sequence[Task | None], bucket: int, common: int) -> TaskBatch:
    """The tasks as arrays.

    Args:
      bucket: columns for a prompt's own tokens.
      common: leading tokens that all prompts share, which are left out.
    """
    rows = len(tasks)
    packed = TaskBatch(
        prompts=np.zeros((rows, bucket), np.int32),
        prompt_lengths=np.zeros(rows, np.int32),
        last_tokens=np.zeros(rows, np.int32),
        keys=np.zeros((rows, 2), np.uint32),
        first=np.zeros(rows, np.int32),
        count=np.zeros(rows, np.int32),
    )
    for row, task in enumerate(tasks):
        if task is None:
            continue
        prompt = task.request.prompt[common:]
        packed.prompts[row, : len(prompt) - 1] = prompt[:-1]
        packed.prompt_lengths[row] = len(prompt) - 1
        packed.last_tokens[row] = prompt[-1]
        packed.keys[row] = task.request.key
        packed.first[row] = task.first
        packed.count[row] = task.count
    return packed
