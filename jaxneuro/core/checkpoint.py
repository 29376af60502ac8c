"""Arrays on disk, whole or not at all: the state of a training, or networks."""

import json
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

__all__ = ["read", "write"]


def write(path: str | os.PathLike, tree: Any, task: dict) -> None:
    """Write a pytree of arrays.

    Parameters
    ----------
    path : path
        File; it appears whole or stays as it was.
    tree : pytree of array
        What to keep.
    task : dict
        Plain values that name the training.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    named = {f"leaf{index}": leaf for index, leaf in enumerate(leaves)}
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, task=np.array(json.dumps(task)), **named)  # type: ignore[arg-type]  # NumPy's stub takes them for its flag
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def read(path: str | os.PathLike, like: Any, task: dict) -> Any:
    """Read what :func:`write` wrote, if it is there.

    Parameters
    ----------
    path : path
        File.
    like : pytree of array
        What to fill.
    task : dict
        Must equal that of the file.

    Returns
    -------
    pytree of array, or None
        None where there is no file.

    Raises
    ------
    ValueError
        If the file is of another training.
    """
    if not Path(path).exists():
        return None
    leaves, treedef = jax.tree.flatten(like)
    with np.load(path, allow_pickle=False) as file:
        found = json.loads(str(file["task"][()])) if "task" in file.files else {}
        differing = [k for k in task if found.get(k) != json.loads(json.dumps(task[k]))]
        if differing or len(file.files) != len(leaves) + 1:
            raise ValueError(
                f"checkpoint {path} is of another training: {', '.join(differing)} "
                "differ; give another path or delete the file."
            )
        stored = [file[f"leaf{index}"] for index in range(len(leaves))]
    return jax.tree.unflatten(treedef, stored)
