"""What a fitted temporal receptive field means, and how sure it is."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check, folds, ridge, search
from ..core.linalg import dot
from ..core.progress import track
from ..core.ridge import Spectrum
from ..core.struct import struct
from ..signal import LaggedSums, Lags, lagged_sums, products
from ..signal._trials import trial_lengths
from ._system import TRFFit

__all__ = ["Jackknife", "PermutationTest", "jackknife", "patterns", "permutation_test"]

# Targets of several permutations that are correlated in one pass.
_PASS_TARGETS = 256


@struct
class PermutationTest:
    """Scores beside their null distribution.

    Attributes
    ----------
    scores : array (n_targets,)
        Mean held-out correlation.
    null : array (n_permutations, n_targets)
        The same with the targets shifted against the predictors.
    p_value : array (n_targets,)
        One-sided, ``(1 + count of null >= score) / (1 + n_permutations)``.
    p_corrected : array (n_targets,)
        Against the largest null score over targets: family-wise error.
    """

    scores: jax.Array
    null: jax.Array
    p_value: jax.Array
    p_corrected: jax.Array


@struct
class Jackknife:
    """Leave-one-trial-out fits.

    Attributes
    ----------
    members : array (n_trials, n_lags, n_features, n_targets)
        Coefficients without each trial.
    coef : array (n_lags, n_features, n_targets)
        Their mean.
    standard_error : array (n_lags, n_features, n_targets)
        ``sqrt((n - 1) / n * sum of squared deviations)``.
    """

    members: jax.Array
    coef: jax.Array
    standard_error: jax.Array


def patterns(
    fit: TRFFit,
    X: ArrayLike,
    *,
    trial_id: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    pad: str = "zero",
    joint: bool = True,
) -> jax.Array:
    """Turn the weights of a backward model into activation patterns.

    Weights cancel noise as well as pick up signal; ``cov(X) W pinv(cov(X W))`` is
    what each reconstructed source contributes to the measured channels.

    Parameters
    ----------
    fit : TRFFit
        Backward model.
    X : array (n_times, n_features)
        Predictors of the fit.
    trial_id, mask, pad
        As in :func:`fit`.
    joint : bool
        Whether the outputs are sources that act together, which corrects each
        pattern for the correlations among outputs. False takes each output alone.

    Returns
    -------
    array (n_lags, n_features, n_targets)
        Patterns in units of `X` per unit of output.

    Raises
    ------
    ValueError
        If shapes disagree.

    References
    ----------
    .. [1] Haufe et al., NeuroImage 87 (2014) 96-110,
       doi:10.1016/j.neuroimage.2013.10.067. MNE's ``patterns_`` agrees for one
       output; for several it is scrambled by a reshape, this is not.
    """
    X = check.float_array("X", X, ndim=2)
    if X.shape[1] != fit.coef.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} features but the model was fitted with "
            f"{fit.coef.shape[1]}."
        )
    sums = lagged_sums(X, X[:, :1], fit.lags, trial_id=trial_id, mask=mask, pad=pad)
    return _patterns(sums, jnp.asarray(fit.coef, X.dtype), joint=joint)


@partial(jax.jit, static_argnames="joint")
def _patterns(sums: LaggedSums, coef: jax.Array, *, joint: bool) -> jax.Array:
    weights = coef.reshape(-1, coef.shape[2])
    shared = dot(products(sums).moments().xx, weights)
    power = dot(weights.T, shared)
    if joint:
        result = dot(shared, jnp.linalg.pinv(power, hermitian=True))
    else:
        result = shared / jnp.diag(power)[None]
    return result.reshape(coef.shape)


def permutation_test(
    X: ArrayLike,
    Y: ArrayLike,
    lags: Lags,
    alpha: ArrayLike,
    fold_id: ArrayLike,
    *,
    key: jax.Array,
    n_permutations: int = 1000,
    trial_id: ArrayLike | None = None,
    pad: str = "zero",
    show_progress: bool = False,
) -> PermutationTest:
    """Test held-out correlations against circular shifts of the targets.

    A shift keeps the autocorrelation of both signals and breaks their relation.
    It leaves the predictors' moments alone, so each fold is decomposed once for
    all permutations, which pass as further targets.

    Parameters
    ----------
    X : array (n_times, n_features)
        Predictors.
    Y : array (n_times, n_targets)
        Targets.
    lags : Lags
        Lag window.
    alpha : float or array (n_targets,)
        Penalty strength; choose it before, on the unshifted data.
    fold_id : int array (n_times,)
        Fold that tests each sample, concrete.
    key : jax.Array
        Random key.
    n_permutations : int
        Number of shifts.
    trial_id : int array (n_times,), optional
        Trial of each sample, concrete. Targets are shifted within their trial, by
        at least the length of the window where the trial allows it.
    pad : {"zero", "mean", "drop"}
        What lies beyond a trial's edges.
    show_progress : bool
        Whether to draw a progress bar.

    Returns
    -------
    PermutationTest
        Scores, null distribution and p values.

    Raises
    ------
    ValueError
        If shapes disagree or `n_permutations` is not positive.

    References
    ----------
    .. [1] Nichols & Holmes, Human Brain Mapping 15 (2002) 1-25,
       doi:10.1002/hbm.1058 (maximum statistic).
    """
    if n_permutations < 1:
        raise ValueError(f"n_permutations is {n_permutations} but must be at least 1.")
    X = check.float_array("X", X, ndim=2)
    Y = check.float_array("Y", Y, ndim=2)
    check.same_length("X", X, "Y", Y)
    n_targets = Y.shape[1]
    alpha = jnp.broadcast_to(jnp.asarray(alpha, X.dtype), (n_targets,))
    n_folds = folds.n_folds(fold_id)
    reduce = partial(
        lagged_sums, X, lags=lags, trial_id=trial_id, group_id=fold_id, pad=pad
    )
    base = reduce(Y=Y)
    bases = [_train_spectrum(base, fold) for fold in range(n_folds)]
    lengths = trial_lengths(trial_id, X.shape[0])
    begin = np.repeat(np.cumsum(lengths) - lengths, lengths)
    shifts = partial(
        _shifted_rows,
        start=jnp.asarray(begin, dtype=jnp.int32),
        length=jnp.asarray(np.repeat(lengths, lengths), dtype=jnp.int32),
        trial=jnp.asarray(np.repeat(np.arange(lengths.size), lengths)),
        n_trials=lengths.size,
        n_lags=lags.n_lags,
    )
    per_pass = max(1, _PASS_TARGETS // n_targets)
    keys = jax.random.split(key, n_permutations + per_pass)
    null = []
    starts = range(0, n_permutations, per_pass)
    for start in track(starts, show=show_progress, desc="permutations", unit="pass"):
        rows = shifts(keys[start : start + per_pass])
        shifted = reduce(Y=Y[rows.T].reshape(X.shape[0], -1))
        strengths = jnp.tile(alpha, per_pass)
        null.append(_mean_score(shifted, bases, strengths).reshape(per_pass, -1))
    null = jnp.concatenate(null)[:n_permutations]
    scores = _mean_score(base, bases, alpha)
    worst = jnp.nanmax(null, axis=1)

    def p_value(reference: jax.Array) -> jax.Array:
        count = (reference >= scores[None]).sum(0)
        p = (1 + count).astype(scores.dtype) / (1 + n_permutations)
        return jnp.where(jnp.isfinite(scores), p, jnp.nan)

    return PermutationTest(
        scores=scores,
        null=null,
        p_value=p_value(null),
        p_corrected=p_value(jnp.broadcast_to(worst[:, None], null.shape)),
    )


@jax.jit
def _train_spectrum(sums: LaggedSums, fold: ArrayLike) -> Spectrum:
    train = products(sums).minus(products(sums, fold))
    return ridge.spectrum(train.moments().xx)


def _mean_score(sums: LaggedSums, bases: list[Spectrum], alpha: jax.Array) -> jax.Array:
    total = _cross_only(sums)
    scores = [_score(sums, total, s, k, alpha) for k, s in enumerate(bases)]
    return jnp.stack(scores).mean(0)


@jax.jit
def _cross_only(sums: LaggedSums) -> LaggedSums:
    return replace(sums, **{n: getattr(sums, n).sum(0) for n in ("row", "y_sum", "n")})


@jax.jit
def _score(
    sums: LaggedSums, total: LaggedSums, s: Spectrum, fold: ArrayLike, alpha: jax.Array
) -> jax.Array:
    test = products(sums, fold).moments()
    n_features = sums.row.shape[2]
    n = total.n - sums.n[fold]
    row = total.row - sums.row[fold]
    cross = row[:, :, n_features:-1].reshape(s.gain.size, -1)
    x_mean = row[:, :, -1].reshape(s.gain.size) / n
    y_mean = (total.y_sum - sums.y_sum[fold]) / n
    xy = cross - n * jnp.outer(x_mean, y_mean)
    coef = dot(s.basis, dot(s.basis.T, xy) * ridge.shrink(s, alpha[None]))
    return search.score_coef(coef, test, test, metric="correlation")


@partial(jax.jit, static_argnames=("n_trials", "n_lags"))
def _shifted_rows(
    keys: jax.Array,
    start: jax.Array,
    length: jax.Array,
    trial: jax.Array,
    *,
    n_trials: int,
    n_lags: int,
) -> jax.Array:
    """Give the rows that stand in for each row: (n_permutations, n_times)."""
    time = jnp.arange(trial.size, dtype=jnp.int32)

    def one(key: jax.Array) -> jax.Array:
        draw = jax.random.uniform(key, (n_trials,))[trial]
        margin = jnp.minimum(n_lags, length // 4)
        span = (length - 2 * margin).astype(draw.dtype)
        shift = margin + (draw * span).astype(jnp.int32)
        return start + (time - start + shift) % length

    return jax.vmap(one)(keys)


def jackknife(
    X: ArrayLike,
    Y: ArrayLike,
    lags: Lags,
    alpha: ArrayLike,
    trial_id: ArrayLike,
    *,
    pad: str = "zero",
    show_progress: bool = False,
) -> Jackknife:
    """Refit without each trial in turn, from one pass over the recording.

    Memory grows with the members that are returned.

    Parameters
    ----------
    X : array (n_times, n_features)
        Predictors.
    Y : array (n_times, n_targets)
        Targets.
    lags : Lags
        Lag window.
    alpha : float or array (n_targets,)
        Penalty strength.
    trial_id : int array (n_times,)
        Trial of each sample, concrete; at least two.
    pad : {"zero", "mean", "drop"}
        What lies beyond a trial's edges.
    show_progress : bool
        Whether to draw a progress bar.

    Returns
    -------
    Jackknife
        Members, mean and standard error.

    Raises
    ------
    ValueError
        If shapes disagree or there is one trial only.

    References
    ----------
    .. [1] Efron & Stein, Annals of Statistics 9 (1981) 586-596,
       doi:10.1214/aos/1176345462.
    """
    group_id = folds.by_group(trial_id)
    sums = lagged_sums(X, Y, lags, trial_id=trial_id, group_id=group_id, pad=pad)
    n_trials, n_lags, n_features = sums.row.shape[:3]
    alpha = jnp.asarray(alpha, sums.row.dtype)
    members = jnp.stack(
        [
            _leave_out(sums, trial, alpha).reshape(n_lags, n_features, -1)
            for trial in track(range(n_trials), show=show_progress, desc="trials")
        ]
    )
    mean = members.mean(0)
    spread = ((members - mean[None]) ** 2).sum(0)
    error = jnp.sqrt((n_trials - 1) / n_trials * spread)
    return Jackknife(members=members, coef=mean, standard_error=error)


@jax.jit
def _leave_out(sums: LaggedSums, trial: ArrayLike, alpha: jax.Array) -> jax.Array:
    train = products(sums).minus(products(sums, trial))
    return ridge.solve(train.moments(), alpha)
