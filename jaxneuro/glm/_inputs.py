"""What a fit is given, checked and brought in order on the host."""

import jax
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core import check
from ..core.batch import Sliceable
from ._noise import stretches

__all__ = ["check_stretches", "design_inputs", "given_ar"]


def design_inputs(
    X: ArrayLike,
    Y: Sliceable | jax.Array,
    run_id: ArrayLike | None,
    keep: ArrayLike | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check the design, the runs and the scans to keep.

    Parameters
    ----------
    X, Y, run_id, keep
        As :func:`jaxneuro.glm.fit` takes them.

    Returns
    -------
    X : array (n_times, n_regressors)
        In float64.
    run_id, keep : array (n_times,)
        With the defaults filled in.

    Raises
    ------
    ValueError
        If shapes disagree or `keep` is not boolean.
    """
    check.has_ndim("X", X, 2)
    check.has_ndim("Y", Y, 2)  # type: ignore[arg-type]  # only its shape is read
    check.same_length("X", X, "Y", Y)  # type: ignore[arg-type]
    X = np.asarray(X, dtype=np.float64)
    n_times = X.shape[0]
    run_id = np.zeros(n_times, int) if run_id is None else np.asarray(run_id)
    keep = np.ones(n_times, bool) if keep is None else np.asarray(keep)
    for name, array in (("run_id", run_id), ("keep", keep)):
        check.has_ndim(name, array, 1)
        check.same_length("X", X, name, array)
    if keep.dtype != bool:
        raise ValueError(
            f"keep has dtype {keep.dtype} but must be boolean, True for the scans to "
            "use."
        )
    return X, run_id, keep


def check_stretches(run_id: np.ndarray, keep: np.ndarray, order: int) -> None:
    """Refuse an order of which no pair of scans says anything.

    Parameters
    ----------
    run_id, keep : array (n_times,)
        Run of each scan, and whether it is used.
    order : int
        Of the autoregression.

    Raises
    ------
    ValueError
        If no stretch of scans is longer than the order.
    """
    if order == 0:
        return
    (part,) = stretches(run_id, keep, order, stationary=False)
    longest = 1 + int(part.same.any(axis=1).sum())
    if longest <= order:
        raise ValueError(
            f"noise_model has order {order} but the longest stretch of scans without a "
            f"gap has {longest}; use an order below that or 'ols'."
        )


def given_ar(
    ar: ArrayLike, order: int, n_targets: int, compat: str | None
) -> np.ndarray | jax.Array:
    """Check coefficients that the caller gives.

    Parameters
    ----------
    ar : array (order,) or (order, n_targets)
        Autoregressive coefficients.
    order : int
        Of the noise model.
    n_targets : int
        Columns of the data.
    compat : {None, "nilearn"}
        Conventions.

    Returns
    -------
    array (order, n_targets)
        One column per target.

    Raises
    ------
    ValueError
        If their shape is another, or the model is not stationary.
    """
    values = ar if isinstance(ar, jax.Array) else np.asarray(ar, dtype=np.float64)
    if values.ndim == 1:
        values = np.broadcast_to(np.asarray(values)[:, None], (order, n_targets))
    if order == 0 or values.shape != (order, n_targets):
        raise ValueError(
            f"ar has shape {np.shape(ar)} but noise_model of order {order} needs "
            f"({order},) or ({order}, {n_targets})."
        )
    if compat is None and not isinstance(values, Tracer):
        _check_stationary(np.asarray(values))
    return values


def _check_stationary(ar: np.ndarray) -> None:
    """Refuse coefficients of a process that grows."""
    now, unstable = ar, np.zeros(ar.shape[1], dtype=bool)
    with np.errstate(all="ignore"):
        for _ in range(ar.shape[0]):
            partial_, now = now[-1], now[:-1] + now[-1] * now[-2::-1]
            unstable |= np.abs(partial_) >= 1
            now = now / (1 - partial_**2)
    if unstable.any():
        raise ValueError(
            f"ar is not stationary for {unstable.sum()} of {unstable.size} targets; "
            "the roots of its polynomial must lie outside the unit circle."
        )
