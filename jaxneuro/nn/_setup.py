"""What every training needs before it starts: checks, defaults, held-out samples."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..core import check
from ..core.struct import static, struct
from ..signal import Lags
from ._data import Samples
from ._loop import Control
from ._losses import LOSSES
from ._step import Recipe, split

__all__ = [
    "TrainResult",
    "adam",
    "check_network",
    "divide",
    "float_of",
    "lengths",
    "make_recipe",
    "make_result",
    "warn_silent",
]


@struct
class TrainResult:
    """A trained network, or an ensemble with a leading member axis.

    Attributes
    ----------
    apply : function
        ``apply(variables, x)``.
    variables : pytree of array
        The best on the validation data, or the last where there are none.
    train_loss, validation_loss : array (n_epochs,) or (n_members, n_epochs)
        Losses without the penalty; NaN after a member has stopped.
    best_epoch : int array () or (n_members,)
        Epoch of `variables`; -1 where nothing is validated.
    failed_epoch : int array () or (n_members,)
        Epoch in which the loss was no longer finite; -1 where it always was.
    """

    apply: Callable = static()  # type: ignore[assignment]  # a dataclass field
    variables: Any
    train_loss: np.ndarray
    validation_loss: np.ndarray
    best_epoch: np.ndarray
    failed_epoch: np.ndarray


@cache
def adam(rate: float = 3e-3) -> optax.GradientTransformation:
    """Make Adam behind a gradient that is cut off at norm 1; what trainings default to.

    Parameters
    ----------
    rate : float
        Learning rate.

    Returns
    -------
    optax.GradientTransformation
        One object per rate, so that two trainings share what is compiled.
    """
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))


def make_recipe(
    apply: Callable,
    loss: str | Callable,
    optimizer: optax.GradientTransformation | None,
    penalty: Callable | None,
    dtype: str,
    data: Samples,
    batching: str = "auto",
) -> Recipe:
    check.choice("dtype", dtype, ("float32", "float64", "bfloat16"))
    if isinstance(loss, str):
        check.choice("loss", loss, tuple(LOSSES))
        loss = LOSSES[loss]
    return Recipe(
        apply=apply,
        loss=loss,
        optimizer=optimizer or adam(),
        penalty=penalty,
        dtype=dtype,
        trials=data.trials,
        batching=batching,
    )


def lengths(
    n_epochs: int,
    batch_size: int,
    patience: int | None,
    n_decays: int,
    decay: float,
    stop_on: str,
) -> dict[str, Any]:
    check.choice("stop_on", stop_on, ("loss", "correlation"))
    for name, value in (("n_epochs", n_epochs), ("batch_size", batch_size)):
        if int(value) < 1:
            raise ValueError(f"{name} is {value} but must be at least 1.")
    return {
        "n_epochs": n_epochs,
        "batch_size": batch_size,
        "patience": patience,
        "n_decays": n_decays,
        "decay": check.positive("decay", decay),
        "stop_on": stop_on,
    }


def float_of(variables: Any) -> np.dtype:
    leaves = jax.tree.leaves(split(variables)[0])
    kinds = {np.dtype(leaf.dtype) for leaf in map(jnp.asarray, leaves)}
    if len(kinds) != 1 or not np.issubdtype(next(iter(kinds)), np.floating):
        raise TypeError(
            f"variables has parameters of {sorted(map(str, kinds))} but they must all "
            "be float32 or all float64."
        )
    return kinds.pop()


def divide(
    data: Samples, validation: Any, key: jax.Array, lags: Lags | None
) -> tuple[Samples | None, np.ndarray, np.ndarray]:
    """Held-out data, units to train on, and units of the held-out data."""
    everything = np.ones(data.start.size and data.stop[-1], bool)
    if validation is None:
        return None, data.units(everything), np.arange(0)
    if isinstance(validation, tuple):
        held = Samples(*validation, lags=lags, dtype=data.dtype)
        if held.n_targets != data.n_targets:
            raise ValueError(
                f"validation has {held.n_targets} targets but Y has {data.n_targets}."
            )
        return held, data.units(everything), np.arange(held.n_units)
    if isinstance(validation, float):
        if not 0 < validation < 1:
            raise ValueError(
                f"validation is {validation:g} but a share must be between 0 and 1."
            )
        n_trials = data.start.size
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
        n = n_trials if n_trials > 1 else everything.size
        order = rng.permutation(n)[: max(1, round(validation * n))]
        held_rows = np.isin(data._of if n_trials > 1 else np.arange(n), order)
    else:
        held_rows = np.asarray(validation)
        if held_rows.dtype != bool or held_rows.shape != everything.shape:
            raise ValueError(
                f"validation has dtype {held_rows.dtype} and shape {held_rows.shape} "
                f"but must be bool and {everything.shape}."
            )
    if held_rows.all() or not held_rows.any():
        raise ValueError("validation leaves no sample to train on, or holds out none.")
    return data, data.units(~held_rows), data.units(held_rows)


def check_network(
    apply: Callable, variables: Any, data: Samples, targets: np.ndarray | None = None
) -> None:
    """Compare the network's output with the responses before anything is compiled."""
    x, y, _ = data.fetch(
        np.zeros((1, 1), int), None if targets is None else targets[:1]
    )
    one = jax.tree.map(lambda part: jax.ShapeDtypeStruct(part[0].shape, part.dtype), x)
    if data.trials and not hasattr(apply, "sequence"):
        raise TypeError(
            "trial_id without lags trains on whole trials, which needs a network with "
            "a method `sequence`; give lags to train on windows."
        )
    function = apply.sequence if data.trials else apply  # type: ignore[attr-defined]  # asked for above
    out = jax.eval_shape(function, variables, one)
    if out.shape != y[0].shape:
        raise ValueError(
            f"Y has {y.shape[-1]} targets but the network gives {out.shape} for a "
            f"batch of one, where {y[0].shape} is expected."
        )


def warn_silent(data: Samples) -> None:
    """Count responses that never change, which no network can learn."""
    low, high = np.full(data.n_targets, np.inf), np.full(data.n_targets, -np.inf)
    rows: Any = data.Y
    n = check.shape_of(rows)[0]
    for at in range(0, n, 4096):
        block = np.asarray(rows[at : at + 4096], float)
        low = np.fmin(low, np.fmin.reduce(block, axis=0))
        high = np.fmax(high, np.fmax.reduce(block, axis=0))
    silent = np.flatnonzero(~(high > low))
    if silent.size:
        warnings.warn(
            f"Y is constant or missing in {silent.size} of {data.n_targets} targets "
            f"(first: {silent[:5].tolist()}); nothing can be learned for them.",
            UserWarning,
            stacklevel=3,
        )


def make_result(apply: Callable, variables: Any, control: Control) -> TrainResult:
    return TrainResult(
        apply=apply,
        variables=variables,
        train_loss=control.train_loss,
        validation_loss=control.validation_loss,
        best_epoch=control.best_epoch,
        failed_epoch=control.failed_epoch,
    )
