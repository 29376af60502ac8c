"""One estimate per trial: all at once, or each beside the sum of the others."""

import warnings
from functools import partial

import jax
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.batch import Sliceable
from ..core.linalg import dot, factor
from ._blocks import cast, compute_dtype, map_targets

__all__ = ["lsa", "lss"]

# A trial whose regressor keeps less than this of its length beside the others' has
# no estimate of its own.
_SHARE = 1e-8


def lsa(
    X: ArrayLike, Y: Sliceable | jax.Array, *, nuisance: ArrayLike | None = None
) -> jax.Array | np.ndarray:
    """Estimate every trial in one model with a regressor per trial.

    Memory: the estimates and one block of targets.

    Parameters
    ----------
    X : array (n_times, n_trials)
        Response expected of each trial, concrete.
    Y : array or sliceable (n_times, n_targets)
        Data.
    nuisance : array (n_times, n_nuisance), optional
        Constant, drifts, confounds; no constant is added.

    Returns
    -------
    array (n_trials, n_targets)
        Estimates. NaN, and one warning, for trials that the model does not determine.

    Raises
    ------
    ValueError
        If shapes disagree.

    References
    ----------
    .. [1] Rissman, Gazzaley & D'Esposito, NeuroImage 23 (2004) 752-763,
       doi:10.1016/j.neuroimage.2004.06.035 (beta series).
    """
    X, base = _checked(X, Y, nuisance)
    whole = np.column_stack([X, base])
    design = factor(whole)
    n_trials = X.shape[1]
    filters = design.basis[:n_trials] @ design.q.T
    # One where the data determine a coefficient alone, whatever the others are.
    own = np.einsum("ij,ji->i", filters, X)
    return _estimates(filters, np.abs(own - 1) > _SHARE, Y)


def lss(
    X: ArrayLike,
    Y: Sliceable | jax.Array,
    *,
    nuisance: ArrayLike | None = None,
    conditions: ArrayLike | None = None,
) -> jax.Array | np.ndarray:
    """Estimate each trial in a model of its own, beside the sum of the others.

    All models share the nuisance and the sums of all trials, and differ by one
    regressor. So the estimates of all trials are one fixed matrix times the data: no
    model is fitted again. Memory: the estimates and one block of targets.

    Parameters
    ----------
    X : array (n_times, n_trials)
        Response expected of each trial, concrete.
    Y : array or sliceable (n_times, n_targets)
        Data.
    nuisance : array (n_times, n_nuisance), optional
        Constant, drifts, confounds; no constant is added.
    conditions : array (n_trials,), optional
        Condition of each trial. The other trials then make one regressor for each
        condition instead of one in all.

    Returns
    -------
    array (n_trials, n_targets)
        Estimates. NaN, and one warning, for trials that their model does not
        determine.

    Raises
    ------
    ValueError
        If shapes disagree.

    References
    ----------
    .. [1] Mumford, Turner, Ashby & Poldrack, NeuroImage 59 (2012) 2636-2643,
       doi:10.1016/j.neuroimage.2011.08.076.
    """
    X, base = _checked(X, Y, nuisance)
    labels = np.zeros(X.shape[1]) if conditions is None else np.asarray(conditions)
    if labels.shape != (X.shape[1],):
        raise ValueError(
            f"conditions has shape {labels.shape} but X has {X.shape[1]} trials; give "
            "one for each."
        )
    names, group = np.unique(labels, return_inverse=True)
    sums = X @ (group[:, None] == np.arange(names.size))
    filters, undetermined = _lss_filters(X, sums, base, group)
    return _estimates(filters, undetermined, Y)


def _lss_filters(
    X: np.ndarray, sums: np.ndarray, base: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Matrix that gives all estimates, and the trials that it cannot give.

    With `S` the sums and `x` a trial of condition c, the model ``[x, S_c - x, ...]``
    spans what ``[x, S_c, ...]`` does; its first coefficient is the sum of the two.
    """
    shared = factor(np.column_stack([sums, base]))
    inverse = shared.basis @ shared.q.T
    rest = X - shared.q @ (shared.q.T @ X)
    rest -= shared.q @ (shared.q.T @ rest)
    size = (rest**2).sum(0)
    alone = size <= _SHARE**2 * (X**2).sum(0)
    on_sum = inverse[group]
    gain = 1 - np.einsum("ij,ji->i", on_sum, X)
    filters = np.where(alone, 0, gain / np.where(alone, 1, size))[:, None] * rest.T
    # The sum must have a coefficient of its own, and the trial one beside it; a trial
    # that is all of its sum needs the first alone, for its gain is zero.
    own = np.einsum("ij,ji->i", inverse[: sums.shape[1]], sums)
    known = np.abs(own - 1)[group] <= _SHARE
    return filters + on_sum, ~known | (alone & (np.abs(gain) > _SHARE))


def _checked(
    X: ArrayLike, Y: Sliceable | jax.Array, nuisance: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray]:
    check.has_ndim("X", X, 2)
    check.has_ndim("Y", Y, 2)  # type: ignore[arg-type]  # only its shape is read
    check.same_length("X", X, "Y", Y)  # type: ignore[arg-type]
    X = np.asarray(X, dtype=np.float64)
    check.finite("X", X)
    base = np.zeros((len(X), 0)) if nuisance is None else np.asarray(nuisance, float)
    check.has_ndim("nuisance", base, 2)
    check.same_length("X", X, "nuisance", base)
    check.finite("nuisance", base)
    return X, base


def _estimates(
    filters: np.ndarray, undetermined: np.ndarray, Y: Sliceable | jax.Array
) -> jax.Array | np.ndarray:
    """Apply the filters to blocks of targets."""
    if undetermined.any():
        where = ", ".join(str(i) for i in np.flatnonzero(undetermined)[:10])
        warnings.warn(
            f"The data do not determine {undetermined.sum()} of {undetermined.size} "
            f"trials ({where}), whose regressors the others or the nuisance explain; "
            "they are NaN.",
            stacklevel=3,
        )
    filters = np.where(undetermined[:, None], np.nan, filters)
    dtype = compute_dtype(Y)
    plan = cast((filters, filters.sum(1)), dtype)
    return map_targets(
        partial(_filtered, plan),
        (Y,),
        dtype=dtype,
        # One product: larger blocks than the cache cost nothing.
        bytes_each=sum(filters.shape) * dtype.itemsize // 8,
    )


@jax.jit
def _filtered(plan: tuple[jax.Array, jax.Array], y: jax.Array) -> jax.Array:
    filters, total = plan
    if y.dtype == np.float64:
        return dot(filters, y)
    # A large mean would cost the products digits that float32 does not have.
    mean = y.mean(0)
    return dot(filters, y - mean[None]) + total[:, None] * mean[None]
