"""Training of one network."""

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from ..signal import Lags
from ._data import Samples
from ._loop import Plan, run
from ._setup import (
    TrainResult,
    check_network,
    divide,
    float_of,
    lengths,
    make_recipe,
    make_result,
    warn_silent,
)

__all__ = ["train"]


def train(
    apply: Callable,
    variables: Any,
    X: Any,
    Y: ArrayLike,
    *,
    key: jax.Array,
    loss: str | Callable = "poisson",
    optimizer: optax.GradientTransformation | None = None,
    n_epochs: int = 100,
    batch_size: int = 64,
    penalty: Callable | None = None,
    validation: tuple | float | ArrayLike | None = None,
    patience: int | None = None,
    n_decays: int = 0,
    decay: float = 0.3,
    stop_on: str = "loss",
    sample_weight: ArrayLike | None = None,
    lags: Lags | None = None,
    trial_id: ArrayLike | None = None,
    dtype: str | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: float = 180.0,
    show_progress: bool = False,
) -> TrainResult:
    """Train a network.

    Every epoch passes over the samples in a new order, in batches of one size; what
    is left over waits for another epoch. The same key gives the same result, whether
    or not the training was interrupted.

    Parameters
    ----------
    apply : function
        ``apply(variables, x)`` is ``(batch, n_targets)``; such as
        :func:`functional` gives.
    variables : pytree of array
        At the start. If it has "params", only these are trained.
    X : array (n_samples, ...) or dict of these
        Stimuli, in memory or a memory map. Bytes are images from 0 to 255 and reach
        the network as 0 to 1.
    Y : array (n_samples, n_targets)
        Responses; NaN where missing.
    key : key
        Of order and draws.
    loss : {"poisson", "gaussian", "correlation"} or function
        A function of prediction, target and weight ``(batch, n_targets)`` that gives
        a number.
    optimizer : optax.GradientTransformation, optional
        Default: Adam with gradients of at most unit norm and a rate of 0.003.
    n_epochs : int
        At most.
    batch_size : int
        Samples, or trials where whole trials are seen, per step.
    penalty : function, optional
        Of variables, a number added to the loss; such as :class:`Penalty`.
    validation : (X, Y), float, or bool array (n_samples,), optional
        Held-out data, the share of samples (of trials, with `trial_id`) to hold out at
        random, or True for those to hold out.
    patience : int, optional
        Epochs without improvement on `validation` after which training goes back to
        the best state and lowers the rate, or stops.
    n_decays, decay : int, float
        How often, and by which factor, the rate is lowered before training stops.
    stop_on : {"loss", "correlation"}
        What is compared on `validation`.
    sample_weight : array (n_samples,) or (n_samples, n_targets), optional
        What each response counts.
    lags : Lags, optional
        The network sees windows ``(batch, n_lags, n_features)`` of `X`, gathered batch
        by batch.
    trial_id : int array (n_samples,), optional
        Trial of each sample. Windows do not cross trials; without `lags`, the network
        sees whole trials through ``apply.sequence``.
    dtype : {"float32", "float64", "bfloat16"}, optional
        Arithmetic of the network; parameters, their updates and the loss stay as they
        are. Default: that of the parameters.
    checkpoint : path, optional
        Folder that holds the state. A training that was killed resumes from it, and
        one that has ended is read from it.
    checkpoint_every : float
        Seconds between two writes.
    show_progress : bool
        Whether to draw a bar with the losses.

    Returns
    -------
    TrainResult
        The network and its histories.

    Raises
    ------
    ValueError, TypeError
        If shapes, values or options are wrong, or `checkpoint` is of another training.

    Warns
    -----
    RuntimeWarning
        If the loss stops being finite; the last good state is returned.
    """
    float_type = float_of(variables)
    data = Samples(
        X,
        Y,
        lags=lags,
        trial_id=trial_id,
        sample_weight=sample_weight,
        dtype=float_type,
    )
    held, units, held_units = divide(data, validation, key, lags)
    check_network(apply, variables, data)
    warn_silent(data)
    plan = Plan(
        train=data,
        validation=held,
        train_units=[units],
        validation_units=[held_units],
        targets=None,
        keys=key[None],
        **lengths(n_epochs, batch_size, patience, n_decays, decay, stop_on),
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        show_progress=show_progress,
    )
    recipe = make_recipe(
        apply, loss, optimizer, penalty, dtype or str(float_type), data
    )
    stacked = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], variables)
    trained, control = run(stacked, recipe, plan)
    return jax.tree.map(lambda leaf: leaf[0], make_result(apply, trained, control))
