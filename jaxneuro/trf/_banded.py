"""One penalty per feature band and target, searched over a grid."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check, folds, ridge, search
from ..core.partition import band_numbers
from ..core.progress import track
from ..core.ridge import CVFit
from ..signal import LaggedSums, Lags, Products, lagged_sums, products
from ._system import (
    System,
    assemble,
    choose_alpha,
    fold_scores,
    system,
    train_moments,
)

__all__ = ["fit_banded_cv"]


def fit_banded_cv(
    X: ArrayLike,
    Y: ArrayLike,
    lags: Lags,
    alphas: ArrayLike,
    fold_id: ArrayLike,
    *,
    bands: ArrayLike,
    trial_id: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    alpha_groups: ArrayLike | None = None,
    metric: str = "r2",
    fit_intercept: bool = True,
    support: ArrayLike | None = None,
    pad: str = "zero",
    show_progress: bool = False,
) -> CVFit:
    """Fit a temporal response function with one penalty per band of features.

    Every combination of `alphas` over the bands is scored. Combinations that
    differ by a common factor share their decomposition.

    Parameters
    ----------
    X, Y, lags, trial_id, mask, fit_intercept, support, pad
        As in :func:`fit`.
    alphas : array (n_alphas,)
        Grid of positive penalty strengths for each band.
    fold_id, alpha_groups, metric, show_progress
        As in :func:`fit_cv`.
    bands : int array (n_features,)
        Band of each feature, from 0.

    Returns
    -------
    CVFit
        ``alphas (n_alphas ** n_bands, n_bands)`` holds the combinations, `scores`
        follows them, and ``fit.alpha`` is ``(n_bands, n_targets)``.

    Raises
    ------
    ValueError
        If shapes disagree, an option is unknown, or a penalty is not positive.

    References
    ----------
    .. [1] Crosse et al., Frontiers in Neuroscience 15 (2021) 705621,
       doi:10.3389/fnins.2021.705621; mTRFpy ``TRF(method="banded")``.
    """
    check.choice("metric", metric, search.METRICS)
    fold_id = np.asarray(fold_id)
    check.same_length("X", X, "fold_id", fold_id)
    n_folds = folds.n_folds(fold_id)
    bands = band_numbers(bands, np.shape(X)[1])
    grid = check.alphas("alphas", alphas)
    if (grid == 0).any():
        raise ValueError("alphas holds 0 but penalties of bands must be positive.")
    combinations = np.array(list(itertools.product(grid, repeat=int(bands.max()) + 1)))
    sums = lagged_sums(
        X,
        Y,
        lags,
        trial_id=trial_id,
        group_id=fold_id,
        mask=mask,
        pad=pad,
        shift=fit_intercept,
    )
    forms = _forms(sums, combinations, bands, support, fit_intercept)
    total = products(sums)
    scores = []
    for fold in track(range(n_folds), show=show_progress, desc="folds", unit="fold"):
        here = jnp.zeros((len(combinations), np.shape(Y)[1]), sums.row.dtype)
        for form, strengths, positions in forms:
            group = jnp.asarray([fold], dtype=jnp.int32)
            scored = fold_scores(form, sums, total, group, strengths, metric=metric)
            here = here.at[positions].set(scored)
        scores.append(here)
    scores = jnp.stack(scores)
    strength = jnp.asarray(combinations.max(1), sums.row.dtype)
    index, defined = choose_alpha(strength, scores, alpha_groups)
    combinations = jnp.asarray(combinations, sums.row.dtype)
    coef = _solve_each(forms, total, np.asarray(index))
    m = train_moments(forms[0][0], total)
    model = assemble(forms[0][0], m, coef, combinations[index].T, sums)
    return CVFit(fit=model, scores=scores, alphas=combinations, converged=defined)


def _forms(
    sums: LaggedSums,
    combinations: np.ndarray,
    bands: np.ndarray,
    support: ArrayLike | None,
    fit_intercept: bool,
) -> list[tuple[System, jax.Array, np.ndarray]]:
    """Group combinations by ratio: (system, strengths, positions in the grid)."""
    n_lags = sums.row.shape[1]
    ratio = combinations / combinations[:, :1]
    # Ratios of a logarithmic grid agree only up to rounding.
    unique, member = np.unique(np.round(np.log(ratio), 9), axis=0, return_inverse=True)
    forms = []
    for which in range(len(unique)):
        positions = np.flatnonzero(member.ravel() == which)
        weights = np.broadcast_to(ratio[positions[0]][bands], (n_lags, bands.size))
        form = system(
            sums, penalty=weights, support=support, fit_intercept=fit_intercept
        )
        strengths = jnp.asarray(combinations[positions, 0], sums.row.dtype)
        forms.append((form, strengths, positions))
    return forms


def _solve_each(
    forms: list[tuple[System, jax.Array, np.ndarray]],
    total: Products,
    index: np.ndarray,
) -> jax.Array:
    """Solve on all samples, only for the combinations that were chosen."""
    coef = None
    for form, strengths, positions in forms:
        m = train_moments(form, total)
        for strength, position in zip(strengths, positions, strict=True):
            mine = index == position
            if mine.any():
                new = ridge.solve(m, strength, penalty=form.penalty)
                coef = new if coef is None else jnp.where(mine[None], new, coef)
    assert coef is not None  # every target has chosen a combination
    return coef
