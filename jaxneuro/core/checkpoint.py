"""The state of a training in a folder, whole or not at all, through orbax."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

if TYPE_CHECKING:
    from orbax.checkpoint import CheckpointManager

__all__ = ["read", "refuse_other", "write"]


def write(path: str | os.PathLike, tree: Any, task: dict) -> None:
    """Write a pytree of arrays, then delete the one before.

    Parameters
    ----------
    path : path
        Folder. Killed at any moment, it holds the new state whole or the old one.
    tree : pytree of array
        What to keep.
    task : dict
        Plain values that name the training.
    """
    from orbax.checkpoint import args

    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    # Orbax takes no array without elements; `read` has those from its caller.
    state = {f"leaf{k}": leaf for k, leaf in enumerate(leaves) if leaf.size}
    parts = {"state": args.PyTreeSave(state), "task": args.JsonSave(_full(task, tree))}
    with _manager(path) as manager:
        step = (manager.latest_step() or 0) + 1
        manager.save(step, args=args.Composite(**parts))


def read(path: str | os.PathLike, like: Any, task: dict) -> Any:
    """Read what :func:`write` wrote last, if it is there.

    Parameters
    ----------
    path : path
        Folder.
    like : pytree of array
        What to fill.
    task : dict
        Must equal that of the folder.

    Returns
    -------
    pytree of array, or None
        None where there is no state.

    Raises
    ------
    ValueError
        If the state is of another training, or `path` is a file.
    """
    if not Path(path).exists():
        return None
    if not Path(path).is_dir():
        raise ValueError(f"checkpoint {path} is a file but must be a folder or new.")
    from orbax.checkpoint import args

    with _manager(path) as manager:
        step = manager.latest_step()
        if step is None:
            return None
        found = manager.restore(step, args=args.Composite(task=args.JsonRestore()))
        refuse_other(path, found.task, _full(task, like))
        found = manager.restore(step, args=args.Composite(state=args.PyTreeRestore()))
    leaves, treedef = jax.tree.flatten(like)
    stored = [found.state.get(f"leaf{k}", leaf) for k, leaf in enumerate(leaves)]
    return jax.tree.unflatten(treedef, stored)


def refuse_other(path: str | os.PathLike, found: dict, task: dict) -> None:
    """Raise if what was found on disk is not of this training.

    Parameters
    ----------
    path : path
        Where it was found.
    found, task : dict
        Plain values that name the training on disk, and this one.

    Raises
    ------
    ValueError
        If they differ.
    """
    wanted = json.loads(json.dumps(task))
    differing = [name for name in wanted if found.get(name) != wanted[name]]
    if differing:
        raise ValueError(
            f"checkpoint {path} is of another training: {', '.join(differing)} "
            "differ; give another path or delete it."
        )


def _full(task: dict, tree: Any) -> dict:
    """Name a training by the shapes of its state too, such as its optimiser's."""
    return task | {"arrays": [list(np.shape(leaf)) for leaf in jax.tree.leaves(tree)]}


def _manager(path: str | os.PathLike) -> "CheckpointManager":
    """Open a folder; what a killed program left half-written is deleted."""
    from orbax.checkpoint import CheckpointManager, CheckpointManagerOptions
    from orbax.checkpoint.checkpoint_managers import LatestN

    options = CheckpointManagerOptions(
        preservation_policy=LatestN(1),
        step_prefix="state",  # a folder of another name is not ours to delete
        cleanup_tmp_directories=True,
        enable_async_checkpointing=False,
    )
    return CheckpointManager(Path(path).absolute(), options=options)
