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
    prompts = [task.request.prompt[common:] if task else [0] for task in tasks]
    packed = np.zeros((len(tasks), bucket), np.int32)
    for row, prompt in zip(packed, prompts, strict=True):
        row[: len(prompt) - 1] = prompt[:-1]
    return TaskBatch(
        prompts=packed,
        prompt_lengths=np.array([len(prompt) - 1 for prompt in prompts], np.int32),
        last_tokens=np.array([prompt[-1] for prompt in prompts], np.int32),
        keys=np.array([task.request.key if task else (0, 0) for task in tasks], np.uint32),
        first=np.array([task.first if task else 0 for task in tasks], np.int32),
        count=np.array([task.count if task else 0 for task in tasks], np.int32),
    )
