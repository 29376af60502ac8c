"""Ridge regression of all targets at given penalties."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core import check
from ._block import solve_block
from ._factor import whole
from ._records import LinearFit
from ._rows import Options, arrange
from ._targets import Writable, checked, each_alpha, over_targets

__all__ = ["METHODS", "check_out", "fits_dual", "ridge"]

METHODS = ("auto", "primal", "dual", "svd")


def ridge(
    X: ArrayLike,
    Y: ArrayLike,
    alpha: ArrayLike,
    *,
    fit_intercept: bool = True,
    method: str = "auto",
    sample_weight: ArrayLike | None = None,
    scale: bool = False,
    batch_size: int | None = None,
    out: Writable | None = None,
    show_progress: bool = False,
) -> LinearFit:
    """Fit ridge regression to every target.

    Minimises ``|Y - X b - c|^2 + alpha |b|^2`` with the intercept ``c`` free.
    Predictors are factored once; targets pass through in blocks.

    Parameters
    ----------
    X : array (n_samples, n_features)
        Predictors.
    Y : array (n_samples, n_targets)
        Targets; anything that can be sliced along both axes, on disk or not. A
        target with a NaN has NaN coefficients; others are not touched.
    alpha : float or array (n_targets,)
        Penalty strength, for all or one per target.
    fit_intercept : bool
        Whether to fit a constant per target.
    method : {"auto", "primal", "dual", "svd"}
        Solve through the products of features, those of samples, or the singular
        values of `X`. "auto" takes singular values where `alpha` is zero (least
        norm, and the condition number of `X` instead of its square), else the dual
        where there are more features than samples, else the primal.
    sample_weight : array (n_samples,), optional
        Weight of each sample's squared error.
    scale : bool
        Whether columns of `X` are divided by their standard deviation before the
        penalty applies; coefficients stay in the units of the data.
    batch_size : int, optional
        Targets that are solved at once. Default: 512, or 8192 on an accelerator.
    out : array (n_features, n_targets), optional
        Where coefficients are written, for example a memory map.
    show_progress : bool
        Whether to draw a progress bar over blocks.

    Returns
    -------
    LinearFit
        Coefficients NaN where the system is singular.

    Raises
    ------
    ValueError
        If shapes disagree, an option is unknown, `X` has NaN, or penalties or weights
        are negative.
    TypeError
        If `X` or `Y` does not hold real numbers.

    References
    ----------
    .. [1] Hoerl & Kennard, Technometrics 12 (1970) 55-67,
       doi:10.1080/00401706.1970.10488634; scikit-learn ``Ridge``.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((50, 3))
    >>> ridge(x, x[:, :2], alpha=1.0).coef.shape
    (3, 2)
    """
    check.choice("method", method, METHODS)
    dtype = checked(X, Y)
    (n_samples, n_features), n_targets = check.shape_of(X), check.shape_of(Y)[1]
    alpha = each_alpha(alpha, n_targets, dtype)
    check_out(out, n_features, n_targets)
    if method == "auto" and _has_zero(alpha):
        method = "svd"
    dual = fits_dual(method, n_samples, n_features)
    rows = arrange(
        X,
        np.zeros(n_samples, int),
        fit_intercept=fit_intercept,
        sample_weight=sample_weight,
        scale=scale,
        dtype=dtype,
    )
    one = alpha.ndim == 0 and not _has_zero(alpha)
    how = "svd" if method == "svd" else "inverse" if one else "eigh"
    factor = whole(rows, alpha.reshape(-1), dual=dual, method=how)
    options = Options(
        metric="mse",
        fit_intercept=fit_intercept,
        dual=dual or how == "svd",
        keep_scores=False,
    )
    each = jnp.broadcast_to(alpha, (n_targets,))

    def solve(block: jax.Array, here: slice) -> tuple:
        mine = each[here]
        mine = jnp.pad(mine, (0, block.shape[1] - mine.size), constant_values=1)
        return solve_block(rows, factor, block, mine, options)

    coef, intercept = over_targets(
        solve, Y, dtype, batch_size=batch_size, out=out, show_progress=show_progress
    )
    return LinearFit(coef=coef, intercept=intercept, alpha=each)


def fits_dual(method: str, n_samples: int, n_features: int) -> bool:
    """Decide between the products of features and those of samples.

    Parameters
    ----------
    method : {"auto", "primal", "dual", "svd"}
        Choice of the caller.
    n_samples, n_features : int
        Size of the problem.

    Returns
    -------
    bool
        Whether to go through the kernel of samples.
    """
    return method == "dual" or (method == "auto" and n_features > n_samples)


def check_out(out: Writable | None, n_features: int, n_targets: int) -> None:
    """Refuse an array for the coefficients of another shape.

    Parameters
    ----------
    out : writable, optional
        Array of the caller.
    n_features, n_targets : int
        Expected shape.

    Raises
    ------
    ValueError
        If the shape differs.
    """
    if out is not None and tuple(out.shape) != (n_features, n_targets):
        raise ValueError(
            f"out has shape {tuple(out.shape)} but must be ({n_features}, "
            f"{n_targets}), features and targets."
        )


def _has_zero(alpha: jax.Array) -> bool:
    if isinstance(alpha, Tracer):
        return False
    return bool((np.asarray(alpha) == 0).any())
