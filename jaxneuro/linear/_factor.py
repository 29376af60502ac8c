"""Factorisations of the predictors, computed once for all targets."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ..core.linalg import dot
from ..core.struct import static, struct
from ._rows import Options, Rows

__all__ = ["FoldFactor", "Whole", "fold_factor", "shrinkage", "test_center", "whole"]


@struct
class FoldFactor:
    """What scores the targets of each fold; every array leads with folds.

    The training products, turned by `basis`, are shrunk by a function of `gain` and
    alpha; `test` maps the result to held-out predictions.

    Attributes
    ----------
    basis : array (n_folds, rank, n_features) or (n_folds, rank, n_train)
        Acts on ``X'Y`` or, in the dual, on the training targets.
    gain : array (n_folds, rank)
        Eigenvalues; empty where `basis` is the inverse for one alpha.
    test : array (n_folds, n_test, rank)
        Held-out predictors in that basis. Where `by_moments`, their triangle, or
        for one alpha their products.
    train : int array (n_folds, n_train), or None
        Rows of the training samples, in the dual; `n_folds * n_rows` is padding.
    by_moments : bool
        Whether held-out rows meet the predictions through their products.
    """

    basis: jax.Array
    gain: jax.Array | None
    test: jax.Array
    train: jax.Array | None
    by_moments: bool = static()  # type: ignore[assignment]  # a dataclass field


@struct
class Whole:
    """What solves for the coefficients on all samples.

    Attributes
    ----------
    basis : array (rank, n_features) or (rank, n_rows)
        Acts on ``X'Y`` or on the targets.
    back : array (n_features, rank), or None
        From that basis to coefficients; None where `basis` is the inverse.
    gain : array (rank,), or None
        Eigenvalues, or singular values where `by_root`.
    on_rows : bool
        Whether `basis` acts on the targets.
    by_root : bool
        Whether `gain` holds singular values.
    """

    basis: jax.Array
    back: jax.Array | None
    gain: jax.Array | None
    on_rows: bool = static()  # type: ignore[assignment]  # a dataclass field
    by_root: bool = static()  # type: ignore[assignment]  # a dataclass field


def shrinkage(gain: jax.Array, alpha: jax.Array, *, by_root: bool = False) -> jax.Array:
    """Invert ``gain + alpha``, zero where both vanish.

    Parameters
    ----------
    gain : array (rank,)
        Eigenvalues, or singular values.
    alpha : array (n,)
        Penalties.
    by_root : bool
        Whether singular values came; then ``s / (s^2 + alpha)``.

    Returns
    -------
    array (rank, n)
        Least norm where alpha is zero and the system singular.
    """
    limit = gain.max(initial=0) * gain.size * jnp.finfo(gain.dtype).eps
    gain, alpha = gain[:, None], alpha[None]
    total = gain**2 + alpha if by_root else gain + alpha
    kept = (gain > limit) | ((alpha > 0) & (total > 0))
    top = gain if by_root else jnp.ones_like(gain)
    return jnp.where(kept, top / jnp.where(kept, total, 1), 0)


def _invert(system: jax.Array) -> jax.Array:
    """Invert a positive definite matrix; NaN where it is not."""
    factor = jax.lax.linalg.cholesky(system.T, symmetrize_input=False)
    solve = partial(jax.lax.linalg.triangular_solve, factor, left_side=True, lower=True)
    eye = jnp.eye(system.shape[0], dtype=system.dtype)
    return solve(solve(eye), transpose_a=True)


def fold_factor(
    rows: Rows, alphas: jax.Array, options: Options, *, inverse: bool
) -> FoldFactor:
    """Factor the training samples of every fold.

    Parameters
    ----------
    rows : Rows
        Predictors by fold.
    alphas : array (n_alphas,)
        Penalties; one, where `inverse`.
    options : Options
        What selects code.
    inverse : bool
        Whether to invert for one alpha instead of finding eigenvalues.

    Returns
    -------
    FoldFactor
        For all targets.
    """
    if not options.dual:
        return _primal(rows, alphas, options, inverse=inverse)
    n_folds, n_rows = rows.root.shape
    train = [
        np.delete(np.arange(n_folds * n_rows), np.s_[k * n_rows : (k + 1) * n_rows])
        for k in range(n_folds)
    ]
    return _dual(rows, alphas, jnp.asarray(np.stack(train)), options, inverse=inverse)


@partial(jax.jit, static_argnames=("options", "inverse"))
def _primal(
    rows: Rows, alphas: jax.Array, options: Options, *, inverse: bool
) -> FoldFactor:
    n_features, n_rows = rows.X.shape[1:]
    size, mean = rows.size, rows.mean
    by_moments = n_rows >= n_features

    def own(item: tuple) -> jax.Array:
        X, root, mean = item
        if options.fit_intercept:
            X = X - jnp.outer(mean, root)
        return dot(X, X.T)

    xx = jax.lax.map(own, (rows.X, rows.root, mean))
    total = xx.sum(0)
    if options.fit_intercept:
        total += dot((size[:, None] * mean).T, mean)

    def one(item: tuple) -> tuple:
        X, root, mean, n, xx = item
        train = total - xx
        if options.fit_intercept:
            train -= n * size.sum() / (size.sum() - n) * jnp.outer(mean, mean)
        X = X - jnp.outer(test_center(mean, n, size, options), root)
        if not inverse:
            gain, basis = jnp.linalg.eigh(train)
            test = dot(X.T, basis)
            if by_moments:
                test = jnp.linalg.qr(test, mode="r")
            return basis.T, jnp.maximum(gain, 0), test
        eye = jnp.eye(n_features, dtype=X.dtype)
        test = dot(X, X.T) if by_moments else X.T
        return _invert(train + alphas[0] * eye), None, test

    folds = (rows.X, rows.root, mean, size, xx)
    basis, gain, test = jax.lax.map(one, folds)
    return FoldFactor(
        basis=basis,
        gain=gain,
        test=test,
        train=None,
        by_moments=by_moments,
    )


@partial(jax.jit, static_argnames=("options", "inverse"))
def _dual(
    rows: Rows, alphas: jax.Array, train: jax.Array, options: Options, *, inverse: bool
) -> FoldFactor:
    n_folds, n_rows = rows.root.shape
    X, roots = rows.flat, rows.root.reshape(-1)
    kernel = dot(X.T, X)

    def one(item: tuple) -> tuple:
        fold, train = item
        root, held_out = roots[train], fold * n_rows + jnp.arange(n_rows)
        k_train = kernel[train][:, train]
        k_test = kernel[held_out][:, train]
        mine = roots[held_out]
        if options.fit_intercept:
            share = root / (root**2).sum()
            row = dot(share, k_train)  # the training mean times each sample
            row = row - root * dot(row, share)
            k_test = k_test - jnp.outer(dot(k_test, share), root)
            k_test = k_test - jnp.outer(mine, row)
            k_train = k_train - jnp.outer(dot(k_train, share), root)
            k_train = k_train - jnp.outer(root, row)
        if options.metric == "correlation":
            k_test -= jnp.outer(mine, dot(mine / (mine**2).sum(), k_test))
        if not inverse:
            gain, basis = jnp.linalg.eigh(k_train)
            return basis.T, jnp.maximum(gain, 0), dot(k_test, basis)
        eye = jnp.eye(train.size, dtype=X.dtype)
        return _invert(k_train + alphas[0] * eye), None, k_test

    folds = (jnp.arange(n_folds, dtype=train.dtype), train)
    basis, gain, test = jax.lax.map(one, folds)
    return FoldFactor(basis=basis, gain=gain, test=test, train=train, by_moments=False)


@partial(jax.jit, static_argnames=("dual", "method"))
def whole(
    rows: Rows, alpha: jax.Array, *, dual: bool = False, method: str = "eigh"
) -> Whole:
    """Factor all samples.

    Parameters
    ----------
    rows : Rows
        Predictors by fold, centred at their mean where there is an intercept.
    alpha : array (n,)
        Penalties; only the first counts, and only for "inverse".
    dual : bool
        Whether to go through the kernel of samples.
    method : {"eigh", "rows", "inverse", "svd"}
        Eigenvalues for any alpha, the same with a basis that acts on the targets,
        the inverse for one alpha, or singular values.

    Returns
    -------
    Whole
        For all targets.
    """
    X = rows.flat
    if method == "svd":
        u, sv, vt = jnp.linalg.svd(X, full_matrices=False)
        return Whole(basis=vt, back=u, gain=sv, on_rows=True, by_root=True)
    system = dot(X.T, X) if dual else dot(X, X.T)
    if method == "inverse":
        inverse = _invert(system + alpha[0] * jnp.eye(system.shape[0], dtype=X.dtype))
        back = X if dual else None
        return Whole(basis=inverse, back=back, gain=None, on_rows=dual, by_root=False)
    gain, basis = jnp.linalg.eigh(system)
    if method == "rows" and not dual:
        limit = gain.max(initial=0) * gain.size * jnp.finfo(gain.dtype).eps
        root = jnp.sqrt(jnp.where(gain > limit, gain, 0))
        left = dot(basis.T, X) / jnp.where(root > 0, root, jnp.inf)[:, None]
        back = basis * root[None]
        return Whole(basis=left, back=back, gain=root**2, on_rows=True, by_root=False)
    return Whole(
        basis=basis.T,
        back=dot(X, basis) if dual else basis,
        gain=jnp.maximum(gain, 0),
        on_rows=dual,
        by_root=False,
    )


def test_center(
    mean: jax.Array, n: jax.Array, size: jax.Array, options: Options
) -> jax.Array:
    """Where the held-out samples are centred.

    Parameters
    ----------
    mean : array (n_columns,)
        Mean of the fold, relative to that of all samples.
    n : array ()
        Weight of the fold.
    size : array (n_folds,)
        Weight of every fold.
    options : Options
        For a correlation their own mean, else that of the training samples.

    Returns
    -------
    array (n_columns,)
        Zero without an intercept.
    """
    if options.metric == "correlation":
        return mean
    if not options.fit_intercept:
        return jnp.zeros_like(mean)
    return -n / (size.sum() - n) * mean
