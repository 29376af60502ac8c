"""Networks on disk, one file for each set of folds left out."""

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import io
from ..core import checkpoint
from ..io._results import write_whole

__all__ = ["Shelf"]


class Shelf:
    """The folder of an estimator's networks, if it has one."""

    def __init__(self, model: Any, data: Any, one: Any) -> None:
        self.folder = None if model.folder is None else Path(model.folder)
        self.one, self.n_seeds = one, model.n_seeds
        sums = [float(f"{float(jnp.abs(part).sum()):.3g}") for part in data[:2]]
        self.task = {
            "network": [model.network, model.hidden, model.dilations, model.n_seeds],
            "weights": [list(leaf.shape) for leaf in jax.tree.leaves(one)],
            "trials": np.bincount(data.trial_id).tolist(),
            "folds": model.fold_id_.tolist(),
            "data": sums,
        }

    def _path(self, names: tuple[int, ...]) -> Path:
        assert self.folder is not None
        return self.folder / f"model-{'_'.join(f'{k:03d}' for k in names) or 'all'}.npz"

    @property
    def checkpoint(self) -> Path | None:
        """Folder of a training that has not ended."""
        return self.folder and self.folder / "training"

    def forget_checkpoint(self) -> None:
        """Remove it: its networks have files of their own now."""
        if self.checkpoint is not None:
            shutil.rmtree(self.checkpoint, ignore_errors=True)

    def read(self, names: tuple[int, ...]) -> Any:
        """Networks of a set (n_seeds, ...), None where there is no file."""
        if self.folder is None:
            return None
        path = self._path(names)
        if not path.exists() and path.with_suffix(".pt").exists():
            found = io.from_torch(path.with_suffix(".pt"), self.one)
            return jax.tree.map(lambda leaf: jnp.stack([leaf] * self.n_seeds), found)
        return self._load(path) if path.exists() else None

    def write(self, names: tuple[int, ...], tree: Any) -> None:
        """Keep the networks of a set."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        leaves = enumerate(jax.tree.leaves(tree))
        named = {f"leaf{index}": np.asarray(leaf) for index, leaf in leaves}
        named["task"] = np.array(json.dumps(self.task))
        write_whole(self._path(names), named)

    def _load(self, path: Path) -> Any:
        leaves, treedef = jax.tree.flatten(self.one)
        with np.load(path, allow_pickle=False) as file:
            found = json.loads(str(file["task"][()])) if "task" in file.files else {}
            checkpoint.refuse_other(path, found, self.task)
            stored = [jnp.asarray(file[f"leaf{k}"]) for k in range(len(leaves))]
        return jax.tree.unflatten(treedef, stored)
