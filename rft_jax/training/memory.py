"""Memory that a training holds between its steps, in plain Python, no JAX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rft_jax.devices.sharding_rules import shard_elements
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import ITEM_BYTES, adapter_shapes, param_shapes
from rft_jax.training.settings import TrainSettings

_COUNTERS = 8  # the step's and the optimizer's, int32


def state_bytes(config: LlamaConfig, settings: TrainSettings, mesh: Mapping[str, int]) -> int:
    """Bytes of the train state on one chip: float32 parameters, AdamW's moments, counters."""
    frozen = shard_elements(param_shapes(config), mesh)
    trained = frozen
    if config.lora is not None:
        trained = shard_elements(adapter_shapes(config), mesh)
    else:
        frozen = 0
    moments = ITEM_BYTES[settings.moment_dtype] + 4  # the second stays float32
    return 4 * frozen + (4 + moments) * trained + _COUNTERS


def resident_bytes(
    config: LlamaConfig,
    settings: TrainSettings,
    mesh: Mapping[str, int],
    others: Iterable[LlamaConfig] = (),
) -> int:
    """Bytes on one device that a training holds while its parameters are sampled from.

    These are the state, float32 kernels with merged adapters, and other models.

    Args:
      config: the trained model's, adapters included.
      others: models that are not trained, such as a teacher.
    """
    adapted = {path.rpartition("/")[0] for path in adapter_shapes(config)}
    shapes = param_shapes(config).items()
    merged = {path: shape for path, shape in shapes if path.removesuffix("/kernel") in adapted}
    copied = [merged, *map(param_shapes, others)]
    elements = sum(shard_elements(shapes, mesh) for shapes in copied)
    return state_bytes(config, settings, mesh) + 4 * elements
