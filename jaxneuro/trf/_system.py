"""The penalised system of a lagged ridge: shared by fits, searches and inference."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check, ridge, search
from ..core.moments import Moments
from ..core.struct import static, struct
from ..signal import LaggedSums, Lags, Products, products
from ._penalty import Penalty, penalty_matrix, support_index

__all__ = [
    "System",
    "TRFFit",
    "assemble",
    "choose_alpha",
    "fold_scores",
    "solve_all",
    "solve_chosen",
    "system",
    "train_moments",
]


@struct
class TRFFit:
    """A fitted temporal response function.

    Attributes
    ----------
    coef : array (n_lags, n_features, n_targets)
        Response per unit of predictor; lags ascend like ``lags.samples``.
    intercept : array (n_targets,)
        Prediction where every lagged predictor is zero.
    alpha : array (n_targets,) or (n_bands, n_targets)
        Penalty strength of each target.
    lags : Lags
        Lag window.
    """

    coef: jax.Array
    intercept: jax.Array
    alpha: jax.Array
    lags: Lags = static()  # type: ignore[assignment]  # a dataclass field


@struct
class System:
    """Form of the normal equations.

    Attributes
    ----------
    penalty : array (n_free,) or (n_free, n_free), or None
        Quadratic penalty of the free coefficients; None for the identity.
    index : int array (n_free,), or None
        Free coefficients, lags first; None where all are free.
    center : {"lagged", "shift"}
        How training moments are centred.
    """

    penalty: jax.Array | None
    index: jax.Array | None
    center: str = static()  # type: ignore[assignment]  # a dataclass field


def system(
    sums: LaggedSums,
    penalty: Penalty = "ridge",
    support: ArrayLike | None = None,
    *,
    fit_intercept: bool = True,
    center: str = "lagged",
) -> System:
    """Describe the normal equations of a lagged ridge.

    Parameters
    ----------
    sums : LaggedSums
        Sums of the recording.
    penalty, support, fit_intercept, center
        As :func:`jaxneuro.trf.fit` takes them.

    Returns
    -------
    System
        Ready for :func:`fold_scores` and :func:`solve_all`.
    """
    check.choice("center", center, ("lagged", "shift"))
    n_lags, n_features = sums.row.shape[1:3]
    matrix = penalty_matrix(penalty, n_lags, n_features)
    index = support_index(support, n_lags, n_features)
    if matrix is not None and index is not None:
        matrix = matrix[index] if matrix.ndim == 1 else matrix[np.ix_(index, index)]
    return System(
        penalty=None if matrix is None else jnp.asarray(matrix, sums.row.dtype),
        index=None if index is None else jnp.asarray(index, dtype=jnp.int32),
        center=center if fit_intercept else "shift",
    )


def train_moments(form: System, p: Products) -> Moments:
    """Centre training products and keep the free coefficients.

    Parameters
    ----------
    form : System
        Form of the normal equations.
    p : Products
        Of the training samples.

    Returns
    -------
    Moments
        With ``n_free`` features.
    """
    return _restrict(p.moments(form.center), form.index)


def _restrict(m: Moments, index: jax.Array | None) -> Moments:
    if index is None:
        return m
    xx = m.xx[index[:, None], index[None, :]]
    return replace(m, x_mean=m.x_mean[index], xx=xx, xy=m.xy[index])


@partial(jax.jit, static_argnames=("metric", "method"))
def fold_scores(
    form: System,
    sums: LaggedSums,
    total: Products,
    groups: jax.Array,
    alphas: jax.Array,
    *,
    metric: str,
    method: str = "auto",
) -> jax.Array:
    """Score a grid of penalties on one fold.

    Parameters
    ----------
    form : System
        Form of the normal equations.
    sums : LaggedSums
        One entry per group of samples.
    total : Products
        Of all groups together.
    groups : int array (n_test,)
        Groups that the fold tests, each scored by itself.
    alphas : array (n_alphas,)
        Penalty strengths.
    metric, method : str
        As in ``core.search.cv_scores``.

    Returns
    -------
    array (n_alphas, n_targets)
        Mean score over the groups.
    """
    if groups.size == 1:
        held_out = products(sums, groups[0])
        m = train_moments(form, total.minus(held_out))
        test = _restrict(held_out.moments(), form.index)
        return search.cv_scores(
            m, test, alphas, penalty=form.penalty, metric=metric, method=method
        )
    train = total
    for position in range(groups.size):
        train = train.minus(products(sums, groups[position]))
    m = train_moments(form, train)
    path = ridge.ridge_path(m, alphas, penalty=form.penalty, method=method)

    def one_group(group: jax.Array) -> jax.Array:
        test = _restrict(products(sums, group).moments(), form.index)
        return jax.lax.map(
            lambda coef: search.score_coef(coef, m, test, metric=metric), path
        )

    return jax.lax.map(one_group, groups).mean(0)


def choose_alpha(
    alphas: jax.Array, scores: jax.Array, alpha_groups: ArrayLike | None
) -> tuple[jax.Array, jax.Array]:
    """Choose each target's penalty, targets of a group together.

    Parameters
    ----------
    alphas : array (n_alphas,)
        Grid.
    scores : array (n_folds, n_alphas, n_targets)
        Held-out scores.
    alpha_groups : int array (n_targets,), optional
        Targets with the same number share their penalty.

    Returns
    -------
    index : int array (n_targets,)
        Position of the chosen penalty.
    defined : bool array (n_targets,)
        False where no score is defined.

    Raises
    ------
    ValueError
        If `alpha_groups` has another length.
    """
    if alpha_groups is None:
        return search.choose(alphas, scores)
    unique, groups = np.unique(np.asarray(alpha_groups), return_inverse=True)
    check.same_length("Y", scores.T, "alpha_groups", groups, "targets")
    return search.choose(alphas, scores, groups=groups, n_groups=unique.size)


def assemble(
    form: System, m: Moments, coef: jax.Array, alpha: jax.Array, sums: LaggedSums
) -> TRFFit:
    """Give coefficients their lag and feature axes and add the intercept.

    Parameters
    ----------
    form : System
        Form of the normal equations.
    m : Moments
        Training moments of the free coefficients.
    coef : array (n_free, n_targets)
        Solution.
    alpha : array
        Penalty strength of each target.
    sums : LaggedSums
        Where the lags and the number of features come from.

    Returns
    -------
    TRFFit
        Coefficients that are not free are zero.
    """
    intercept = m.y_mean - jnp.matmul(m.x_mean, coef, precision="highest")
    n_lags, n_features = sums.row.shape[1:3]
    if form.index is not None:
        full = jnp.zeros((n_lags * n_features, coef.shape[1]), coef.dtype)
        coef = full.at[form.index].set(coef)
    coef = coef.reshape(n_lags, n_features, -1)
    return TRFFit(coef=coef, intercept=intercept, alpha=alpha, lags=sums.lags)


@jax.jit
def solve_all(
    form: System, sums: LaggedSums, alpha: jax.Array, strength: jax.Array
) -> TRFFit:
    """Fit all samples.

    Parameters
    ----------
    form : System
        Form of the normal equations.
    sums : LaggedSums
        Sums of the recording.
    alpha : array () or (n_targets,)
        Penalty strength as the user counts it.
    strength : array () or (n_targets,)
        The same on the scale of the sums of squares.

    Returns
    -------
    TRFFit
        The fit.
    """
    m = train_moments(form, products(sums))
    coef = ridge.solve(m, strength, penalty=form.penalty)
    alpha = jnp.broadcast_to(alpha, coef.shape[1:])
    return assemble(form, m, coef, alpha, sums)


@jax.jit
def solve_chosen(
    form: System,
    sums: LaggedSums,
    alphas: jax.Array,
    scale: jax.Array,
    index: jax.Array,
) -> TRFFit:
    """Fit all samples, each target at its own entry of a grid.

    Parameters
    ----------
    form : System
        Form of the normal equations.
    sums : LaggedSums
        Sums of the recording.
    alphas : array (n_alphas,)
        Grid.
    scale : array ()
        Factor from `alphas` to the scale of the sums of squares.
    index : int array (n_targets,)
        Chosen entry of each target.

    Returns
    -------
    TRFFit
        The fit.
    """
    m = train_moments(form, products(sums))
    n_features, n_targets = m.xy.shape
    if ridge.pick_method("auto", alphas.size, n_features) == "eigh":
        coef = ridge.solve(m, scale * alphas[index], penalty=form.penalty)
        return assemble(form, m, coef, alphas[index], sums)

    def step(coef: jax.Array, item: tuple) -> tuple[jax.Array, None]:
        position, alpha = item
        mine = index == position
        new = jax.lax.cond(
            mine.any(),
            lambda: ridge.solve(m, scale * alpha, penalty=form.penalty),
            lambda: coef,
        )
        return jnp.where(mine[None], new, coef), None

    positions = jnp.arange(alphas.size, dtype=index.dtype)
    coef = jax.lax.scan(step, jnp.zeros_like(m.xy), (positions, alphas))[0]
    return assemble(form, m, coef, alphas[index], sums)
