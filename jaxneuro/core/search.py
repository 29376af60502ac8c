"""Choosing a penalty: held-out scores of a whole grid, from moments alone."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from . import check
from .linalg import dot
from .moments import Moments
from .ridge import pick_method, shrink, solve, spectrum
from .score import _ratio

__all__ = ["METRICS", "choose", "cv_scores", "gcv_scores", "score_coef"]

METRICS = ("r2", "correlation", "mse")


@partial(jax.jit, static_argnames=("metric", "method"))
def cv_scores(
    train: Moments,
    test: Moments,
    alphas: ArrayLike,
    *,
    penalty: ArrayLike | None = None,
    metric: str = "r2",
    method: str = "auto",
) -> jax.Array:
    """Score a grid of penalties on held-out samples, from moments alone.

    No prediction is formed: the error of target ``t`` is
    ``yy - 2 b'xy + b'xx b`` of the test moments plus the error of the mean.

    Parameters
    ----------
    train, test : Moments
        Training moments (centred or not, as the model has it) and test moments,
        centred at the test samples' own means.
    alphas : array (n_alphas,)
        Penalty strengths.
    penalty : array (n_features,) or (n_features, n_features), optional
        Quadratic penalty. Default: identity.
    metric : {"r2", "correlation", "mse"}
        "mse" is returned negative, so that larger is better for all.
    method : {"auto", "eigh", "cholesky"}
        As in :func:`ridge_path`.

    Returns
    -------
    array (n_alphas, n_targets)
        Scores; NaN for targets that are constant in the test samples and for
        penalties too small for the arithmetic.

    Raises
    ------
    ValueError
        If `metric` or `method` is unknown.
    """
    check.choice("metric", metric, METRICS)
    alphas = jnp.asarray(alphas, train.xx.dtype)
    n_features, n_targets = train.xy.shape
    if pick_method(method, alphas.size, n_features) == "cholesky":

        def one(alpha: jax.Array) -> jax.Array:
            coef = solve(train, alpha, penalty=penalty)
            return score_coef(coef, train, test, metric=metric)

        return jax.lax.map(one, alphas)
    s = spectrum(train.xx, penalty)
    z = dot(s.basis.T, train.xy)
    if alphas.size * n_targets > 2 * n_features:
        # Turning the test moments once is cheaper than turning every coefficient.
        train, test = _rotate(train, s.basis), _rotate(test, s.basis)
        turn = lambda weights: weights  # noqa: E731
    else:
        turn = partial(dot, s.basis)
    return jax.lax.map(
        lambda alpha: score_coef(
            turn(z * shrink(s, alpha[None, None])), train, test, metric=metric
        ),
        alphas,
    )


def score_coef(
    coef: jax.Array, train: Moments, test: Moments, *, metric: str = "r2"
) -> jax.Array:
    """Score coefficients on held-out samples, from moments alone.

    Parameters
    ----------
    coef : array (n_features, n_targets)
        Coefficients fitted on `train`.
    train, test : Moments
        Only the means of `train` are used; `test` is centred at its own means.
    metric : {"r2", "correlation", "mse"}
        "mse" is returned negative.

    Returns
    -------
    array (n_targets,)
        Scores; NaN where undefined.
    """
    cross = (coef * test.xy).sum(0)
    quad = (coef * dot(test.xx, coef)).sum(0)
    if metric == "correlation":
        norm = jnp.sqrt(jnp.maximum(quad, 0)) * jnp.sqrt(test.yy)
        return _ratio(cross, norm)
    shift = dot(test.x_mean - train.x_mean, coef)
    bias = test.y_mean - train.y_mean - shift
    residual = test.yy - 2 * cross + quad + test.n * bias**2
    if metric == "mse":
        return -residual / test.n
    return 1 - _ratio(residual, test.yy)


@partial(jax.jit, static_argnames="fit_intercept")
def gcv_scores(
    m: Moments,
    alphas: ArrayLike,
    *,
    penalty: ArrayLike | None = None,
    fit_intercept: bool = True,
) -> jax.Array:
    """Score a grid of penalties by generalised cross-validation.

    ``GCV = (SSE / n) / (1 - df / n)^2`` is an estimate of the held-out squared
    error that needs no held-out samples. It supposes independent samples; on
    autocorrelated recordings it favours smaller penalties than K-fold does.

    Parameters
    ----------
    m : Moments
        Centred moments, no fold axis.
    alphas : array (n_alphas,)
        Penalty strengths.
    penalty : array (n_features,) or (n_features, n_features), optional
        Quadratic penalty. Default: identity.
    fit_intercept : bool
        Whether the constant takes a degree of freedom.

    Returns
    -------
    array (n_alphas, n_targets)
        ``1 - GCV / GCV of the mean``, an estimate of the held-out R2.

    References
    ----------
    .. [1] Golub, Heath & Wahba, Technometrics 21 (1979) 215-223,
       doi:10.1080/00401706.1979.10489751.
    """
    alphas = jnp.asarray(alphas, m.xx.dtype)
    s = spectrum(m.xx, penalty)
    power = dot(s.basis.T, m.xy) ** 2  # (n_features, n_targets)
    keep = jax.vmap(lambda alpha: shrink(s, alpha))(alphas)  # (n_alphas, n_features)
    used = s.gain[None] * keep
    explained = dot(2 * keep - s.gain[None] * keep**2, power)
    sse = jnp.maximum(m.yy[None] - explained, 0)
    constant = int(fit_intercept)
    dof = constant + used.sum(1, keepdims=True)
    ratio = ((m.n - constant) / jnp.maximum(m.n - dof, 1e-3 * m.n)) ** 2
    return 1 - _ratio(sse, jnp.broadcast_to(m.yy[None], sse.shape)) * ratio


def choose(
    alphas: ArrayLike,
    scores: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    n_groups: int | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Choose the penalty with the best mean score over folds.

    Folds in which a target's score is undefined do not count for it.

    Parameters
    ----------
    alphas : array (n_alphas,)
        Penalty strengths.
    scores : array (n_folds, n_alphas, n_targets)
        Larger is better.
    groups : int array (n_targets,), optional
        Targets with the same number share their penalty: the best mean over the
        group. Default: each target for itself.
    n_groups : int, optional
        One more than the largest entry of `groups`.

    Returns
    -------
    index : int array (n_targets,)
        Position of the chosen penalty in `alphas`.
    defined : bool array (n_targets,)
        False where no score is defined; the largest penalty is taken there.
    """
    scores = jnp.asarray(scores)
    mean = jnp.nanmean(scores, axis=0)  # (n_alphas, n_targets)
    if groups is not None:
        groups = jnp.asarray(groups)
        known = jnp.isfinite(mean)

        def pool(values: jax.Array) -> jax.Array:
            return jax.ops.segment_sum(values.T, groups, num_segments=n_groups).T

        count = pool(known.astype(mean.dtype))
        best = _ratio(pool(jnp.where(known, mean, 0)), count)
        mean = best[:, groups]
    defined = jnp.isfinite(mean)
    index = jnp.argmax(jnp.where(defined, mean, -jnp.inf), axis=0)
    any_defined = defined.any(0)
    return jnp.where(any_defined, index, jnp.argmax(jnp.asarray(alphas))), any_defined


def _rotate(m: Moments, basis: jax.Array) -> Moments:
    return replace(
        m,
        x_mean=dot(m.x_mean, basis),
        xx=dot(dot(basis.T, m.xx), basis),
        xy=dot(basis.T, m.xy),
    )
