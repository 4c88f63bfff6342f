"""Train state on disk, by Orbax: saved in the background, sharded, restored onto any mesh.

A step is a folder that gets its name (`100`) only once everything in it is written, so a process
killed at any moment leaves complete steps, and partial ones that the next start removes.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import jax
import orbax.checkpoint as ocp
from etils import epath

from rft_jax.devices.distributed import on_main
from rft_jax.devices.partitioning import path_name
from rft_jax.errors import UserError
from rft_jax.files.mirror import ORBAX_STORES, original

State = TypeVar("State")
_PARAMS, _REST = "params", "rest"
# What reading an undamaged step may raise, and the same in the words of the library that reads it.
_PASSING_ERRORS = (MemoryError, PermissionError, ConnectionError, TimeoutError)
_PASSING = re.compile(
    "RESOURCE_EXHAUSTED|PERMISSION_DENIED|UNAUTHENTICATED|UNAVAILABLE|DEADLINE_EXCEEDED"
)
logger = logging.getLogger(__name__)


class TrainStateCheckpoints:
    """Saves and restores train states: dataclasses of arrays with a field `params`.

    Parameters are stored apart from the rest of the state, so that they can be restored alone. With
    several processes each writes its own shards; all must make the same calls.
    """

    def __init__(self, folder: str | Path, keep: int = 1) -> None:
        """Opens the folder, made if it isn't there; what interrupted saves left is removed.

        Args:
          folder: of the steps.
          keep: number of newest steps to keep; older ones are removed once a newer one is complete.
        """
        self._folder = _epath(folder)
        self._manager = _open(self._folder, keep)

    @property
    def steps(self) -> list[int]:
        """The numbers of the steps that are kept."""
        return list(self._manager.all_steps())

    def save(self, step: int, state: Any) -> None:
        """Starts to save; returns as soon as the state may change. Waits for an earlier save.

        Args:
          step: number of the step, greater than those before.
          state: a dataclass of arrays.
        """
        fields = _fields(state)
        items = {_PARAMS: fields.pop(_PARAMS), _REST: fields}
        saved = {name: ocp.args.StandardSave(tree) for name, tree in items.items()}
        self._manager.save(step, args=ocp.args.Composite(**saved))

    def restore_latest(self, target: State) -> State | None:
        """The newest undamaged state, or None if there are no steps.

        Damaged steps after it are skipped with a warning, and renamed so that they can be saved
        again. Nothing is renamed if no step can be read.

        Args:
          target: a state of arrays or ShapeDtypeStructs, whose shardings the result gets.

        Raises:
          UserError: a parameter was saved with another shape, or the steps can't be read.
        """
        wanted = jax.tree.map(_abstract, _fields(target))
        steps = self.steps
        if not steps:
            return None
        fields, damaged = _restore_newest(self._manager, self._folder, steps, wanted)
        for step in damaged:
            self._quarantine(step)
        return dataclasses.replace(target, **fields)  # type: ignore[type-var]

    def wait(self) -> None:
        """Returns once everything saved so far is on disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for saves, then closes the folder."""
        self._manager.close()

    def _quarantine(self, step: int) -> None:
        damaged = self._folder / f"damaged-{step}"

        def rename() -> None:
            if damaged.exists():
                damaged.rmtree()
            (self._folder / str(step)).rename(damaged)

        # The others wait, or they might still see the step when they list the folder.
        on_main(rename, f"moving {damaged.name}", Path(self._folder))
        self._manager.reload()


def restore_params(folder: str | Path, target: Any, step: int | None = None) -> Any:
    """The parameters alone of a step; nothing in the folder is changed.

    Args:
      folder: where a TrainStateCheckpoints saved.
      target: the parameter tree as arrays or ShapeDtypeStructs with shardings.
      step: number of the step; None for the newest undamaged one.

    Raises:
      UserError: there is no undamaged step, a parameter was saved with another shape, or a step
        can't be read now.
    """
    path = _epath(folder)
    if not path.is_dir():
        raise UserError(f"{path}: no such folder of checkpoints")
    with _open(path, keep=None) as manager:
        wanted = {"params": jax.tree.map(_abstract, target)}
        steps = sorted(manager.all_steps(), reverse=True)
        if step is None and steps:
            return _restore_newest(manager, path, steps, wanted)[0][_PARAMS]
        if step is not None and step in steps:
            fields = _restore(manager, path, step, wanted)
            if fields is not None:
                return fields[_PARAMS]
    others = [number for number in steps if number != step]
    raise UserError(
        f"{path}: no complete checkpoint{'' if step is None else f' of step {step}'} in it; "
        + (f"there are {others}" if others else "train again")
    )


def remove_optimizer_states(folder: str | Path) -> None:
    """Leaves the parameters alone of every step; for a training that is never resumed.

    Args:
      folder: where a TrainStateCheckpoints saved.
    """
    path = _epath(folder)
    for step in path.iterdir() if path.is_dir() else ():
        if step.name.isdecimal() and (step / _REST).exists():
            (step / _REST).rmtree()


def _epath(folder: str | Path) -> epath.Path:
    """The path of the steps: the folder; if it is the local copy of one at `gs://`, that URL.

    Raises:
      UserError: several processes have a copy each of a folder that Orbax can't write to.
    """
    url = original(folder)
    if url is not None and url.startswith(ORBAX_STORES):
        return epath.Path(url)
    if url is not None and jax.process_count() > 1:
        raise UserError(
            f"{url}: several processes train into a folder on a disk that all of them see, or one "
            f"at {ORBAX_STORES}; name another --output"
        )
    return epath.Path(Path(folder).absolute())


def _open(folder: epath.Path, keep: int | None) -> ocp.CheckpointManager:
    """A manager that keeps `keep` steps; one that only reads for None."""
    handlers = {name: ocp.StandardCheckpointHandler() for name in (_PARAMS, _REST)}
    with _quiet():
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            read_only=keep is None,
            create=keep is not None,
            cleanup_tmp_directories=keep is not None,
        )
        return ocp.CheckpointManager(folder, options=options, item_handlers=handlers)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences Orbax's warnings about requested settings, and about damage that we report."""
    absl = logging.getLogger("absl")
    level = absl.level
    absl.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        absl.setLevel(level)


def _fields(state: Any) -> dict[str, Any]:
    return {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}


def _abstract(leaf: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=getattr(leaf, "sharding", None))


def _restore_newest(
    manager: ocp.CheckpointManager, folder: epath.Path, steps: Iterable[int], wanted: dict[str, Any]
) -> tuple[dict[str, Any], list[int]]:
    """The wanted fields of the newest undamaged step, and the numbers of the damaged ones after it.

    Raises:
      UserError: there is no undamaged one, or a step can't be read now.
    """
    damaged: list[int] = []
    for step in sorted(steps, reverse=True):
        fields = _restore(manager, folder, step, wanted)
        if fields is not None:
            return fields, damaged
        damaged.append(step)
    raise UserError(
        f"{folder}: no checkpoint in it can be read, of steps {damaged} (a warning each says why); "
        "run again if that has passed, or delete them and train again"
    )


def _restore(
    manager: ocp.CheckpointManager, folder: epath.Path, step: int, wanted: dict[str, Any]
) -> dict[str, Any] | None:
    """The wanted fields of a step; None, with a warning, if it is damaged.

    Raises:
      UserError: it has other shapes, or can't be read now, which says nothing of damage.
    """
    rest = {name: value for name, value in wanted.items() if name != _PARAMS}
    items = {_PARAMS: wanted[_PARAMS]} | ({_REST: rest} if rest else {})
    arguments = {name: ocp.args.StandardRestore(tree) for name, tree in items.items()}
    try:
        with _quiet():
            _check_shapes(manager, folder / str(step), step, items)
            restored = manager.restore(step, args=ocp.args.Composite(**arguments))
    except UserError:
        raise
    except Exception as error:  # Orbax raises bare Exceptions too, when a chunk can't be read
        reason = (str(error) or repr(error)).splitlines()[0][:200]
        if isinstance(error, _PASSING_ERRORS) or _PASSING.search(str(error)):
            raise UserError(
                f"{folder / str(step)}: can't be read now ({reason}); see to permission, memory or "
                "network, and run the same command again"
            ) from error
        logger.warning("%s: damaged checkpoint ignored (%s)", folder / str(step), reason)
        return None
    return {_PARAMS: restored[_PARAMS], **(restored[_REST] if rest else {})}


def _check_shapes(
    manager: ocp.CheckpointManager, where: epath.Path, step: int, items: dict[str, Any]
) -> None:
    """Refuses a checkpoint of another model, which is not a damaged one."""
    metadata = manager.item_metadata(step)
    for name, tree in items.items():
        saved = _shapes(metadata[name])
        if not saved:
            raise FileNotFoundError(f"no readable metadata of {name}")
        wanted = _shapes(tree)
        for path in [*wanted, *saved]:
            if wanted.get(path) != saved.get(path):
                raise UserError(
                    f"{where}: {path} has shape {saved.get(path, 'none')}, this model's is "
                    f"{wanted.get(path, 'none')}; name another --output, or the same model again"
                )


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {path_name(path): tuple(leaf.shape) for path, leaf in leaves}
