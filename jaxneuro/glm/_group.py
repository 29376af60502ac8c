"""Second level: one- and two-sample tests, and the parts of a group contrast."""

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.linalg import factor
from ._contrast import t_contrast
from ._fit import fit
from ._statistics import Contrast

__all__ = ["one_sample", "partition", "two_sample"]


def one_sample(maps: ArrayLike) -> Contrast:
    """Test the mean of maps over subjects.

    Give the differences of two maps per subject for a paired test. A covariate, or
    any other model of the group, is :func:`fit` on the maps and :func:`t_contrast`.

    Parameters
    ----------
    maps : array (n_samples, n_targets)
        One effect map per subject.

    Returns
    -------
    Contrast
        The mean, its variance, t and its p and z, (1, n_targets).

    Raises
    ------
    ValueError
        If there are fewer than two maps.

    References
    ----------
    .. [1] Holmes & Friston, NeuroImage 7 (1998) S754; nilearn ``SecondLevelModel``.
    """
    _check_maps("maps", maps, 2)
    model = fit(np.ones((check.shape_of(maps)[0], 1)), maps)  # type: ignore[arg-type]
    return t_contrast(model, np.ones(1))


def two_sample(maps: ArrayLike, others: ArrayLike) -> Contrast:
    """Test the difference of two groups' means, with equal variances.

    Where the variances may differ, groups of equal size keep the test honest, and
    :func:`permutation_test` does not need normal errors.

    Parameters
    ----------
    maps : array (n_samples, n_targets)
        One effect map per subject of the first group.
    others : array (n_others, n_targets)
        The same for the second group.

    Returns
    -------
    Contrast
        First mean minus second, its variance, t and its p and z, (1, n_targets).

    Raises
    ------
    ValueError
        If a group is empty, there are fewer than three maps in all, or the groups
        differ in their targets.

    References
    ----------
    .. [1] SciPy ``ttest_ind``, whose t this is.
    """
    _check_maps("maps", maps, 1)
    _check_maps("others", others, 1)
    (n, n_targets), (m, n_other) = check.shape_of(maps), check.shape_of(others)
    if n_targets != n_other:
        raise ValueError(
            f"others has {n_other} targets but maps has {n_targets}; both groups need "
            "the same mask."
        )
    on_host = isinstance(maps, np.ndarray) and isinstance(others, np.ndarray)
    stack = np.concatenate if on_host else jnp.concatenate
    group = np.repeat(np.eye(2), [n, m], axis=0)
    model = fit(group, stack([maps, others]))  # type: ignore[arg-type, list-item]
    return t_contrast(model, np.array([1.0, -1.0]))


def partition(X: ArrayLike, weights: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Split a design into what a contrast tests and the rest.

    The t of the first part beside the second is the t of the contrast, so that any
    contrast of a group design can be given to :func:`permutation_test`.

    Parameters
    ----------
    X : array (n_samples, n_regressors)
        Group design of full rank, with its constant if it has one.
    weights : array (n_regressors,)
        The contrast.

    Returns
    -------
    tested : array (n_samples,)
        The variate whose coefficient is the contrast's effect.
    confounds : array (n_samples, n_regressors - 1)
        What else the design spans. Pass ``fit_intercept=False`` with them.

    Raises
    ------
    ValueError
        If shapes disagree, the weights are zero or the design's columns are dependent.

    References
    ----------
    .. [1] Smith, Jenkinson, Beckmann, Miller & Woolrich, NeuroImage 34 (2007) 127-136,
       doi:10.1016/j.neuroimage.2006.09.019; Winkler et al., NeuroImage 92 (2014)
       381-397, doi:10.1016/j.neuroimage.2014.01.060, appendix A.
    """
    check.has_ndim("X", X, 2)
    X = np.asarray(X, dtype=np.float64)
    c = np.asarray(weights, dtype=np.float64)
    if c.shape != (X.shape[1],) or not c.any():
        raise ValueError(
            f"weights has shape {c.shape} but must be one number for each of the "
            f"{X.shape[1]} regressors, not all zero."
        )
    design = factor(X)
    if design.rank < X.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} columns of rank {design.rank}; drop the columns that "
            "the others explain."
        )
    inverse = design.basis @ design.basis.T
    along = inverse @ c / (c @ inverse @ c)
    others = np.linalg.svd(c[None])[2][1:].T
    return X @ along, X @ (others - np.outer(along, c @ others))


def _check_maps(name: str, maps: ArrayLike, at_least: int) -> None:
    check.has_ndim(name, maps, 2)
    n = check.shape_of(maps)[0]
    if n < at_least:
        raise ValueError(f"{name} has {n} maps but at least {at_least} are needed.")
