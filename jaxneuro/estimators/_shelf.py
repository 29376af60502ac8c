"""Networks on disk, one file for each set of folds left out."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import io
from ..core import checkpoint

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
        """File of a training that has not ended."""
        return self.folder and self.folder / "training.npz"

    def forget_checkpoint(self) -> None:
        """Remove it: its networks have files of their own now."""
        if self.checkpoint is not None:
            self.checkpoint.unlink(missing_ok=True)

    def read(self, names: tuple[int, ...]) -> Any:
        """Networks of a set (n_seeds, ...), None where there is no file."""
        if self.folder is None:
            return None
        path = self._path(names)
        if not path.exists() and path.with_suffix(".pt").exists():
            found = io.from_torch(path.with_suffix(".pt"), self.one)
            return jax.tree.map(lambda leaf: jnp.stack([leaf] * self.n_seeds), found)
        tree = checkpoint.read(path, self.one, self.task)
        return tree and jax.tree.map(jnp.asarray, tree)

    def write(self, names: tuple[int, ...], tree: Any) -> None:
        """Keep the networks of a set."""
        if self.folder is not None:
            checkpoint.write(self._path(names), tree, self.task)
