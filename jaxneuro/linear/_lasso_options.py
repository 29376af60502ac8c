"""What the lasso solvers are told, and how many targets they take at once."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ..core import check
from ..core.struct import static, struct

__all__ = ["Options", "check_max_iter", "check_options", "width"]

# Bytes of one matrix of coefficients for which two cores still share the work.
_PANEL = 2**20


@struct
class Options:
    """What a solver is told.

    Attributes
    ----------
    l1_ratio : array ()
        Share of the absolute values in the penalty.
    tol : float
        Violation of the optimality conditions, relative to the largest ``|X'y|``.
    max_iter : int
        Most iterations per penalty.
    positive, ridged : bool
        Whether coefficients are constrained, and `l1_ratio` below 1.
    """

    l1_ratio: jax.Array
    tol: float = static()  # type: ignore[assignment]  # a dataclass field
    max_iter: int = static()  # type: ignore[assignment]  # as above
    positive: bool = static()  # type: ignore[assignment]  # as above
    ridged: bool = static()  # type: ignore[assignment]  # as above

    def nearer(self, share: float) -> "Options":
        """Bring the tolerance down to a share of itself."""
        return dataclasses.replace(self, tol=share * self.tol)


def check_options(
    l1_ratio: float, positive: bool, max_iter: int, tol: float
) -> Options:
    """Check what the solver is told.

    Parameters
    ----------
    l1_ratio, positive, max_iter, tol
        As in :func:`lasso`.

    Returns
    -------
    Options
        For the solver.

    Raises
    ------
    ValueError
        If an option is out of its range.
    """
    ratio = check.real_number("l1_ratio", l1_ratio)
    if not 0 < ratio <= 1:
        raise ValueError(
            f"l1_ratio is {ratio:g} but must be above 0 and at most 1; without "
            "absolute values the model is ridge regression."
        )
    check_max_iter(max_iter)
    return Options(
        l1_ratio=jnp.asarray(ratio),
        tol=check.positive("tol", tol),
        max_iter=int(max_iter),
        positive=bool(positive),
        ridged=ratio < 1,
    )


def check_max_iter(max_iter: int) -> int:
    """Refuse a limit that allows nothing.

    Parameters
    ----------
    max_iter : int
        Limit.

    Returns
    -------
    int
        The limit.

    Raises
    ------
    ValueError
        If it is below 1 or no whole number.
    """
    if check.real_number("max_iter", max_iter) < 1 or int(max_iter) != max_iter:
        raise ValueError(
            f"max_iter is {max_iter!r} but must be a whole number, 1 or more."
        )
    return int(max_iter)


def width(n_features: int, dtype: np.dtype) -> int:
    """Choose how many targets to solve at once.

    Parameters
    ----------
    n_features : int
        Rows of a matrix of coefficients.
    dtype : dtype
        Float.

    Returns
    -------
    int
        A matrix of so many columns stays in the cache.
    """
    if jax.default_backend() != "cpu":
        return 2**14
    return int(np.clip(_PANEL // (n_features * np.dtype(dtype).itemsize), 64, 4096))
