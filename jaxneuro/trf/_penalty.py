"""Penalties over lags and features, and which coefficients are free."""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike

from ..core import check

__all__ = ["Penalty", "first_differences", "penalty_matrix", "support_index"]

Penalty = str | Sequence[str] | ArrayLike
_KINDS = ("ridge", "laplacian")


def first_differences(n: int) -> np.ndarray:
    """Penalty on squared first differences of a sequence.

    Parameters
    ----------
    n : int
        Length of the sequence.

    Returns
    -------
    array (n, n)
        ``D'D`` with ``D`` the first differences; zero for ``n = 1``.
    """
    difference = np.diff(np.eye(n), axis=0)
    return difference.T @ difference


def penalty_matrix(penalty: Penalty, n_lags: int, n_features: int) -> np.ndarray | None:
    """Build the quadratic penalty of the coefficients, lags first.

    Parameters
    ----------
    penalty : str, pair of str or array
        As :func:`jaxneuro.trf.fit` takes it.
    n_lags, n_features : int
        Shape of the coefficients of one target.

    Returns
    -------
    array (size,) or (size, size), or None
        With ``size = n_lags * n_features``; None for the identity.

    Raises
    ------
    ValueError
        If a name is unknown or an array has another shape.
    """
    size = n_lags * n_features
    names = (penalty, "ridge") if isinstance(penalty, str) else penalty
    if len(names) == 2 and all(isinstance(name, str) for name in names):  # type: ignore[arg-type]  # an array has a length too
        for name in names:  # type: ignore[union-attr]  # a pair of names
            check.choice("penalty", name, _KINDS)
        if tuple(names) == ("ridge", "ridge"):  # type: ignore[arg-type]  # as above
            return None
        along_lags, along_features = (name == "laplacian" for name in names)  # type: ignore[union-attr]  # as above
        matrix = np.zeros((size, size))
        if along_lags:
            matrix += np.kron(first_differences(n_lags), np.eye(n_features))
        if along_features:
            matrix += np.kron(np.eye(n_lags), first_differences(n_features))
        return matrix
    matrix = np.asarray(penalty, dtype=np.float64)
    if matrix.shape == (n_lags, n_features):
        return matrix.ravel()
    if matrix.shape == (size, size):
        return matrix
    raise ValueError(
        f"penalty has shape {matrix.shape} but must be ({n_lags}, {n_features}) to "
        f"weigh the coefficients or ({size}, {size}) to be the whole matrix."
    )


def support_index(
    support: ArrayLike | None, n_lags: int, n_features: int
) -> np.ndarray | None:
    """List the free coefficients.

    Parameters
    ----------
    support : bool array (n_lags, n_features), optional
        True where a coefficient is free.
    n_lags, n_features : int
        Expected shape.

    Returns
    -------
    int array, or None
        Positions, lags first; None where all are free.

    Raises
    ------
    ValueError
        If the shape differs or nothing is free.
    """
    if support is None:
        return None
    free = np.asarray(support)
    if free.shape != (n_lags, n_features) or free.dtype != bool or not free.any():
        raise ValueError(
            f"support has shape {free.shape} and dtype {free.dtype} but must be a "
            f"boolean array of shape ({n_lags}, {n_features}) with at least one True."
        )
    return None if free.all() else np.flatnonzero(free)
