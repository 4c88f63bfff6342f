"""Memory of a GPU in the benchmarks that compare JAX with PyTorch.

JAX keeps what it has allocated until its process ends. `take_as_needed` is for sides that fit
beside each other in one process, `alone` for sides that each may need the whole GPU.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

DOES_NOT_FIT = "does not fit"
PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"
FRACTION = "XLA_PYTHON_CLIENT_MEM_FRACTION"
_FRACTION = "0.95"

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def take_as_needed() -> None:
    """Lets JAX allocate what it needs, in place of 3/4 at once; before JAX is imported."""
    os.environ.setdefault(PREALLOCATE, "false")
    os.environ.setdefault(FRACTION, _FRACTION)


def take_all() -> None:
    """Lets JAX allocate nearly all memory, in one piece; before JAX is imported."""
    os.environ.setdefault(PREALLOCATE, "true")
    os.environ.setdefault(FRACTION, _FRACTION)


def jax_memory() -> dict[str, str]:
    """The variables by which JAX allocates, for the results."""
    return {name: os.environ.get(name, "") for name in (PREALLOCATE, FRACTION)}


def is_out_of_memory(error: Exception) -> bool:
    """Whether JAX or PyTorch found too little memory on the device."""
    return type(error).__name__ == "OutOfMemoryError" or "RESOURCE_EXHAUSTED" in str(error)


def alone(
    function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result | None:
    """The function's result in a process of its own; None if the device's memory is too small.

    Args:
      function: of a module's top level, as are its arguments' types.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_or_none, function, args, kwargs).result()


def _or_none(function: Callable[..., Result], args: tuple, kwargs: dict) -> Result | None:
    try:
        return function(*args, **kwargs)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        print(f"{function.__name__} {DOES_NOT_FIT}: {str(error).splitlines()[0][:200]}", flush=True)
        return None
