"""Training of many networks of one architecture together."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.typing import ArrayLike

from ..core import check
from ..signal import Lags
from ._data import Samples
from ._functional import functional
from ._loop import Plan, run
from ._setup import (
    TrainResult,
    check_network,
    float_of,
    lengths,
    make_recipe,
    make_result,
    warn_silent,
)

__all__ = ["train_ensemble"]


def train_ensemble(
    build: Callable,
    X: Any,
    Y: ArrayLike,
    fold_id: ArrayLike | None,
    *,
    keys: jax.Array,
    leave_out: Sequence[Sequence[int]] | None = None,
    targets: ArrayLike | None = None,
    start: Any = None,
    validation: str | tuple | None = None,
    loss: str | Callable = "poisson",
    optimizer: optax.GradientTransformation | None = None,
    n_epochs: int = 100,
    batch_size: int = 64,
    penalty: Callable | None = None,
    patience: int | None = None,
    n_decays: int = 0,
    decay: float = 0.3,
    stop_on: str = "loss",
    sample_weight: ArrayLike | None = None,
    lags: Lags | None = None,
    trial_id: ArrayLike | None = None,
    dtype: str | None = None,
    batching: str = "auto",
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: float = 180.0,
    show_progress: bool = False,
) -> TrainResult:
    """Train many networks of one architecture together.

    Neurons, folds, jackknives and seeds are one leading axis. A member that has
    stopped keeps its state, and costs nothing where members are looped over.

    Parameters
    ----------
    build : function
        ``build(rngs)`` makes a module, or a pair ``(apply, variables)``.
    X, Y
        As in :func:`train`.
    fold_id : int array (n_samples,), or None
        Fold of each sample. None: every member sees all samples.
    keys : key array (n_members,)
        Seed of each member's parameters, order and draws.
    leave_out : sequence of sequence of int, optional
        Folds that each member does not see. Default: member ``m`` leaves out fold
        ``m``, again from 0 after the last.
    targets : int array (n_members, n_targets), optional
        Columns of `Y` of each member, one network per neuron for example. Default: all
        columns for all.
    start : pytree of array, optional
        Variables of one network, from which all members start, for example those of a
        fit to all samples. Default: each builds its own.
    validation : {"left_out"} or (X, Y), optional
        Stop on the folds that a member does not see, or on other data.
    batching : {"auto", "map", "vmap"}
        One member after the other, or all at once; "auto" loops on a CPU.
    loss, optimizer, n_epochs, batch_size, penalty, patience, n_decays, decay
        As in :func:`train`.
    stop_on, sample_weight, lags, trial_id, dtype
        As in :func:`train`.
    checkpoint, checkpoint_every, show_progress
        As in :func:`train`.

    Returns
    -------
    TrainResult
        With a leading member axis.

    Raises
    ------
    ValueError, TypeError
        As :func:`train`, or if folds and members do not fit together.
    """
    n_members = keys.shape[0]
    apply, stacked = _members(build, keys, start)
    float_type = float_of(stacked)
    data = Samples(
        X,
        Y,
        lags=lags,
        trial_id=trial_id,
        sample_weight=sample_weight,
        dtype=float_type,
    )
    seen = _seen(data, fold_id, leave_out, n_members)
    held, held_units = _held(validation, data, seen)
    columns = _columns(targets, n_members)
    check_network(apply, jax.tree.map(lambda leaf: leaf[0], stacked), data, columns)
    warn_silent(data)
    plan = Plan(
        train=data,
        validation=held,
        train_units=[data.units(one) for one in seen],
        validation_units=held_units,
        targets=columns,
        keys=keys,
        **lengths(n_epochs, batch_size, patience, n_decays, decay, stop_on),
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        show_progress=show_progress,
    )
    dtype = dtype or str(float_type)
    recipe = make_recipe(apply, loss, optimizer, penalty, dtype, data, batching)
    return make_result(apply, *run(stacked, recipe, plan))


def _held(
    validation: str | tuple | None, data: Samples, seen: list[np.ndarray]
) -> tuple[Samples | None, list[np.ndarray]]:
    """Held-out data, and the units of each member."""
    if validation is None:
        return None, [np.arange(0)] * len(seen)
    if isinstance(validation, str):
        check.choice("validation", validation, ("left_out",))
        return data, [data.units(~one) for one in seen]
    held = Samples(*validation, lags=data.lags, dtype=data.dtype)
    return held, [np.arange(held.n_units)] * len(seen)


def _columns(targets: ArrayLike | None, n_members: int) -> np.ndarray | None:
    """Responses of each member."""
    if targets is None:
        return None
    columns = np.asarray(targets)
    if columns.ndim != 2 or len(columns) != n_members:
        raise ValueError(
            f"targets has shape {columns.shape} but must be (n_members, n_targets) for "
            f"{n_members} members."
        )
    return columns


def _seen(
    data: Samples,
    fold_id: ArrayLike | None,
    leave_out: Sequence[Sequence[int]] | None,
    n_members: int,
) -> list[np.ndarray]:
    """Tell which samples each member sees."""
    if fold_id is None:
        return [np.ones(data.stop[-1], bool)] * n_members
    folds = np.asarray(fold_id)
    check.same_length("Y", data.Y, "fold_id", folds, "samples")
    values = np.unique(folds)
    if leave_out is None:
        leave_out = [[values[m % values.size]] for m in range(n_members)]
    if len(leave_out) != n_members:
        raise ValueError(
            f"leave_out has {len(leave_out)} entries but there are {n_members} keys; "
            "give one list of folds per member."
        )
    seen = [~np.isin(folds, list(one)) for one in leave_out]
    for member, one in enumerate(seen):
        if not one.any():
            raise ValueError(
                f"member {member} leaves out every fold; give fold_id more folds."
            )
    return seen


def _members(build: Callable, keys: jax.Array, start: Any) -> tuple[Callable, Any]:
    made = []
    for key in keys:
        module = build(nnx.Rngs(key))
        made.append(module if isinstance(module, tuple) else functional(module))
        if start is not None:
            break
    applies, trees = zip(*made, strict=True)
    if any(apply != applies[0] for apply in applies):
        raise ValueError("build made networks of different architectures.")
    if start is not None:
        trees = [start] * keys.shape[0]
    return applies[0], jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
