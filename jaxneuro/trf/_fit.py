"""Lagged ridge regression for all targets at once."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check, folds, search
from ..core.ridge import CVFit
from ..core.threads import side_by_side
from ..signal import LaggedSums, Lags, lagged_sums, products
from ._penalty import Penalty
from ._system import (
    System,
    TRFFit,
    choose_alpha,
    fold_scores,
    solve_all,
    solve_chosen,
    system,
    train_moments,
)

__all__ = ["fit", "fit_cv", "fit_gcv"]

_SCALES = ("sum", "mtrf")


def fit(
    X: ArrayLike,
    Y: ArrayLike,
    lags: Lags,
    alpha: ArrayLike,
    *,
    trial_id: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    penalty: Penalty = "ridge",
    penalty_scale: str = "sum",
    fit_intercept: bool = True,
    support: ArrayLike | None = None,
    pad: str = "zero",
    center: str = "lagged",
    block_size: int | None = None,
) -> TRFFit:
    """Fit a temporal response function by ridge regression.

    Minimises ``|Y - lagged(X) b - c|^2 + alpha b'R b`` for every target, with
    ``R`` the identity or a roughness penalty and the intercept ``c`` free. The
    lagged design is never built: time costs a correlation by FFT, memory
    ``(n_lags * n_features)^2``.

    Parameters
    ----------
    X : array (n_times, n_features)
        Predictors: the stimulus for encoding, the responses for decoding. With
        `block_size` anything that can be sliced along time, on disk or not.
    Y : array (n_times, n_targets)
        What to predict.
    lags : Lags
        Lag window; positive lags look into the past of `X`.
    alpha : float or array (n_targets,)
        Penalty strength.
    trial_id : int array (n_times,), optional
        Trial of each sample, concrete. Default: one trial.
    mask : bool array (n_times,), optional
        Samples to use, concrete. Others weigh zero and may be NaN; a window that
        touches a NaN of `X` weighs zero too.
    penalty : str, pair of str or array
        "ridge": identity. "laplacian": squared first differences along lags.
        A pair ``(lags, features)`` of the two penalises differences along both.
        An array (n_lags, n_features) weighs coefficients one by one; an array
        (n_lags * n_features, n_lags * n_features) is the matrix ``R`` itself,
        lags first.
    penalty_scale : {"sum", "mtrf"}
        "mtrf" multiplies `alpha` by the sampling rate and the number of trials,
        as mTRFpy does.
    fit_intercept : bool
        Whether to fit a constant per target.
    support : bool array (n_lags, n_features), optional
        Coefficients that may differ from zero, concrete: one lag window per
        feature band. Default: all.
    pad : {"zero", "mean", "drop"}
        What lies beyond a trial's edges: zeros, the mean of `X`, or nothing (rows
        with an incomplete window are dropped).
    center : {"lagged", "shift"}
        Centre each lagged column at its own mean, which makes the intercept
        exact, or all at the mean of the unlagged feature, as MNE does.
    block_size : int, optional
        Time points that are read and held at once. Default: everything.

    Returns
    -------
    TRFFit
        Coefficients NaN where the system is singular.

    Raises
    ------
    ValueError
        If shapes disagree or an option is unknown.

    References
    ----------
    .. [1] Crosse et al., Frontiers in Human Neuroscience 10 (2016) 604,
       doi:10.3389/fnhum.2016.00604.
    .. [2] naplib-python ``TRF`` with ``Ridge``; with the defaults the same numbers.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> fit(x, np.roll(x, 1, axis=0), Lags(0, 2, sfreq=1), alpha=1.0).coef.shape
    (3, 2, 2)
    """
    sums = lagged_sums(
        X,
        Y,
        lags,
        trial_id=trial_id,
        mask=mask,
        pad=pad,
        shift=fit_intercept,
        block_size=block_size,
    )
    form = system(sums, penalty, support, fit_intercept=fit_intercept, center=center)
    alpha = _alpha(alpha, sums)
    scale = _scale(penalty_scale, lags, trial_id)
    return solve_all(form, sums, alpha, alpha * scale)


def fit_cv(
    X: ArrayLike,
    Y: ArrayLike,
    lags: Lags,
    alphas: ArrayLike,
    fold_id: ArrayLike,
    *,
    trial_id: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    alpha_groups: ArrayLike | None = None,
    metric: str = "r2",
    score_by: str = "fold",
    penalty: Penalty = "ridge",
    penalty_scale: str = "sum",
    fit_intercept: bool = True,
    support: ArrayLike | None = None,
    pad: str = "zero",
    center: str = "lagged",
    block_size: int | None = None,
    show_progress: bool = False,
) -> CVFit:
    """Fit a temporal response function, its penalty chosen by cross-validation.

    All penalties and all targets are scored at once, from the moments of the
    folds; no prediction is formed. The recording is read once.

    Parameters
    ----------
    X, Y, lags, trial_id, mask, penalty, penalty_scale, fit_intercept, support, \
pad, center, block_size
        As in :func:`fit`.
    alphas : array (n_alphas,)
        Grid of penalty strengths.
    fold_id : int array (n_times,)
        Fold that tests each sample, concrete, from 0. Best made of whole trials.
    alpha_groups : int array (n_targets,), optional
        Targets with the same number share their penalty. Default: one each.
    metric : {"r2", "correlation", "mse"}
        Held-out score by which to choose; "mse" is negative.
    score_by : {"fold", "trial"}
        Score all samples of a fold together, or average the scores of its trials
        as mTRFpy does (not the same where trials differ in mean or length).
    show_progress : bool
        Whether to draw a progress bar over folds.

    Returns
    -------
    CVFit
        With the refit on all samples as a :class:`TRFFit`.

    Raises
    ------
    ValueError
        If shapes disagree, an option is unknown or folds are not numbered from 0.
    """
    check.choice("metric", metric, search.METRICS)
    check.choice("score_by", score_by, ("fold", "trial"))
    fold_id = np.asarray(fold_id)
    check.same_length("X", X, "fold_id", fold_id)
    n_folds = folds.n_folds(fold_id)
    group_id, group_fold = fold_id, np.arange(n_folds)
    if score_by == "trial" and trial_id is not None:
        pairs = np.stack([fold_id, np.asarray(trial_id)])
        unique, group_id = np.unique(pairs, axis=1, return_inverse=True)
        group_fold = unique[0]
    sums = lagged_sums(
        X,
        Y,
        lags,
        trial_id=trial_id,
        group_id=group_id,
        mask=mask,
        pad=pad,
        shift=fit_intercept,
        block_size=block_size,
    )
    form = system(sums, penalty, support, fit_intercept=fit_intercept, center=center)
    alphas = jnp.asarray(alphas, sums.row.dtype)
    total = products(sums)

    def score(fold: int) -> jax.Array:
        scale = _scale(penalty_scale, lags, trial_id, fold_id != fold)
        groups = jnp.asarray(np.flatnonzero(group_fold == fold), dtype=jnp.int32)
        return fold_scores(form, sums, total, groups, alphas * scale, metric=metric)

    scores = side_by_side(
        score, range(n_folds), like=sums.row, show=show_progress, desc="folds"
    )
    scale = _scale(penalty_scale, lags, trial_id)
    return _choose_and_refit(form, sums, alphas, jnp.stack(scores), alpha_groups, scale)


def fit_gcv(
    X: ArrayLike,
    Y: ArrayLike,
    lags: Lags,
    alphas: ArrayLike,
    *,
    trial_id: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    alpha_groups: ArrayLike | None = None,
    penalty: Penalty = "ridge",
    penalty_scale: str = "sum",
    fit_intercept: bool = True,
    support: ArrayLike | None = None,
    pad: str = "zero",
    center: str = "lagged",
    block_size: int | None = None,
) -> CVFit:
    """Fit a temporal response function, its penalty chosen by GCV.

    Generalised cross-validation needs one decomposition instead of one per fold
    and penalty. It supposes independent samples: on autocorrelated recordings it
    chooses smaller penalties than :func:`fit_cv` over trials does.

    Parameters
    ----------
    X, Y, lags, trial_id, mask, penalty, penalty_scale, fit_intercept, support, \
pad, center, block_size
        As in :func:`fit`.
    alphas, alpha_groups
        As in :func:`fit_cv`.

    Returns
    -------
    CVFit
        Scores ``(1, n_alphas, n_targets)``.

    Raises
    ------
    ValueError
        If shapes disagree or an option is unknown.
    """
    sums = lagged_sums(
        X,
        Y,
        lags,
        trial_id=trial_id,
        mask=mask,
        pad=pad,
        shift=fit_intercept,
        block_size=block_size,
    )
    form = system(sums, penalty, support, fit_intercept=fit_intercept, center=center)
    alphas = jnp.asarray(alphas, sums.row.dtype)
    scale = _scale(penalty_scale, lags, trial_id)
    scores = _gcv(form, sums, alphas * scale, fit_intercept=fit_intercept)
    return _choose_and_refit(form, sums, alphas, scores[None], alpha_groups, scale)


@partial(jax.jit, static_argnames="fit_intercept")
def _gcv(
    form: System, sums: LaggedSums, alphas: jax.Array, *, fit_intercept: bool
) -> jax.Array:
    m = train_moments(form, products(sums))
    return search.gcv_scores(
        m, alphas, penalty=form.penalty, fit_intercept=fit_intercept
    )


def _choose_and_refit(
    form: System,
    sums: LaggedSums,
    alphas: jax.Array,
    scores: jax.Array,
    alpha_groups: ArrayLike | None,
    scale: float,
) -> CVFit:
    index, defined = choose_alpha(alphas, scores, alpha_groups)
    model = solve_chosen(form, sums, alphas, jnp.asarray(scale, alphas.dtype), index)
    return CVFit(fit=model, scores=scores, alphas=alphas, converged=defined)


def _alpha(alpha: ArrayLike, sums: LaggedSums) -> jax.Array:
    alpha = jnp.asarray(alpha, sums.row.dtype)
    n_targets = sums.y_sum.shape[-1]
    if alpha.shape not in ((), (n_targets,)):
        raise ValueError(
            f"alpha has shape {alpha.shape} but must be a number or have shape "
            f"({n_targets},), one value per target."
        )
    return alpha


def _scale(
    penalty_scale: str,
    lags: Lags,
    trial_id: ArrayLike | None,
    used: np.ndarray | None = None,
) -> float:
    check.choice("penalty_scale", penalty_scale, _SCALES)
    if penalty_scale == "sum":
        return 1.0
    trials = np.zeros(1) if trial_id is None else np.asarray(trial_id)
    if used is not None and trial_id is not None:
        trials = trials[used]
    return lags.sfreq * np.unique(trials).size
