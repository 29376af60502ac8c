"""Factorisations of the predictors, computed once for all targets."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ..core.linalg import dot
from ..core.struct import static, struct
from ..core.threads import side_by_side
from ._rows import Options, Rows, apart

__all__ = [
    "Factors",
    "FoldFactor",
    "Products",
    "Whole",
    "fold_factor",
    "products_of",
    "shrinkage",
    "test_center",
    "whole",
]


@struct
class FoldFactor:
    """What scores the targets of a fold; every array leads with folds where stacked.

    The training products, turned by `basis`, are shrunk by a function of `gain` and
    alpha; `test` maps the result to held-out predictions.

    Attributes
    ----------
    basis : array (rank, n_features) or (rank, n_train)
        Acts on ``X'Y`` or, in the dual, on the training targets.
    gain : array (rank,), or None
        Eigenvalues; None where `basis` is the inverse for one alpha.
    test : array (n_test, rank)
        Held-out predictors in that basis. Where `by_moments`, their triangle, or
        for one alpha their products.
    train : int array (n_train,), or None
        Rows of the training samples, in the dual.
    by_moments : bool
        Whether held-out rows meet the predictions through their products.
    """

    basis: jax.Array
    gain: jax.Array | None
    test: jax.Array
    train: jax.Array | None
    by_moments: bool = static()  # type: ignore[assignment]  # a dataclass field


# Stacked along folds, or one of each fold.
Factors = FoldFactor | tuple[FoldFactor, ...]


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


@struct
class Products:
    """Products of the predictors, which their factorisations begin with.

    Attributes
    ----------
    own : array (n_folds, n_features, n_features), or None
        Of each fold, about its means where there is an intercept; None in the dual.
    total : array (n_features, n_features) or (n_rows, n_rows)
        Of all samples, about theirs; in the dual the kernel.
    """

    own: jax.Array | None
    total: jax.Array

    def weighed(self, factors: jax.Array) -> "Products":
        """Multiply the predictors with `factors`, not in the dual."""
        square = jnp.outer(factors, factors)
        assert self.own is not None
        return Products(own=self.own * square[None], total=self.total * square)


@partial(jax.jit, static_argnames="options")
def products_of(rows: Rows, options: Options) -> Products:
    """Multiply the predictors with themselves.

    Parameters
    ----------
    rows : Rows
        Predictors by fold.
    options : Options
        What selects code.

    Returns
    -------
    Products
        Of features, in the dual of samples.
    """
    if options.dual:
        return Products(own=None, total=dot(rows.flat.T, rows.flat))

    def own(item: tuple) -> jax.Array:
        X, root, mean = item
        if options.fit_intercept:
            X = X - jnp.outer(mean, root)
        return dot(X, X.T)

    if isinstance(rows.X, tuple):
        folds = zip(rows.X, rows.root, rows.mean, strict=True)
        parts = jnp.stack([own(fold) for fold in folds])
    else:
        parts = jax.lax.map(own, (rows.X, rows.root, rows.mean))
    total = parts.sum(0)
    if options.fit_intercept:
        total += dot((rows.size[:, None] * rows.mean).T, rows.mean)
    return Products(own=parts, total=total)


def fold_factor(
    rows: Rows,
    products: Products,
    alphas: jax.Array,
    options: Options,
    *,
    inverse: bool,
) -> Factors:
    """Factor the training samples of every fold.

    Parameters
    ----------
    rows : Rows
        Predictors by fold.
    products : Products
        Of them.
    alphas : array (n_alphas,)
        Penalties; one, where `inverse`.
    options : Options
        What selects code.
    inverse : bool
        Whether to invert for one alpha instead of finding eigenvalues.

    Returns
    -------
    FoldFactor or tuple of FoldFactor
        For all targets: stacked along folds, or one of each where these are few and
        large. Cut from a stack, each block of targets would copy them.
    """
    n_folds, n_rows = rows.root.shape
    known = {"options": options, "inverse": inverse}
    rank = (n_folds - 1) * n_rows if options.dual else rows.x_mean.size
    if not apart(n_folds, rank):
        return _all(rows, products, alphas, **known)

    def one(k: int) -> FoldFactor:
        X = None if options.dual else rows.X[k]
        return _one(rows, products, alphas, (k, X), **known)

    return tuple(side_by_side(one, range(n_folds), like=rows.root))


@partial(jax.jit, static_argnames=("options", "inverse"))
def _all(rows: Rows, products: Products, alphas: jax.Array, **known: Any) -> FoldFactor:
    """Factor the training samples of every fold, stacked."""
    one = partial(_one, rows, products, alphas, **known)
    each = None if known["options"].dual else rows.X
    return jax.lax.map(one, (jnp.arange(len(rows.root)), each))


@partial(jax.jit, static_argnames=("options", "inverse"))
def _one(
    rows: Rows,
    products: Products,
    alphas: jax.Array,
    item: tuple[jax.Array, jax.Array | None],
    *,
    options: Options,
    inverse: bool,
) -> FoldFactor:
    """Factor the training samples of one fold, given by number and predictors."""
    fold, X = item
    if X is None:
        system, test, train = _dual(rows, products, fold, options)
    else:
        system, test, train = *_primal(rows, products, fold, X, options), None
    by_moments = X is not None and X.shape[1] >= X.shape[0]
    known = {"train": train, "by_moments": by_moments}
    if inverse:
        basis = _invert(system + alphas[0] * jnp.eye(len(system), dtype=system.dtype))
        test = dot(test.T, test) if by_moments else test
        return FoldFactor(basis=basis, gain=None, test=test, **known)
    gain, basis = jnp.linalg.eigh(system)
    test = dot(test, basis)
    if by_moments:
        test = jnp.linalg.qr(test, mode="r")
    return FoldFactor(basis=basis.T, gain=jnp.maximum(gain, 0), test=test, **known)


def _primal(
    rows: Rows, products: Products, fold: jax.Array, X: jax.Array, options: Options
) -> tuple[jax.Array, jax.Array]:
    """Training products and held-out predictors of a fold."""
    assert products.own is not None
    mean, n, size = rows.mean[fold], rows.size[fold], rows.size
    train = products.total - products.own[fold]
    if options.fit_intercept:
        train -= n * size.sum() / (size.sum() - n) * jnp.outer(mean, mean)
    center = test_center(mean, n, size, options)
    return train, (X - jnp.outer(center, rows.root[fold])).T


def _dual(
    rows: Rows, products: Products, fold: jax.Array, options: Options
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Training kernel, kernel of held-out with training rows, and the latter."""
    n_folds, n_rows = rows.root.shape
    kernel, roots = products.total, rows.root.reshape(-1)
    held_out = fold * n_rows + jnp.arange(n_rows)
    train = jnp.arange((n_folds - 1) * n_rows)
    train = jnp.where(train < fold * n_rows, train, train + n_rows)
    root, mine = roots[train], roots[held_out]
    k_train = kernel[train][:, train]
    k_test = kernel[held_out][:, train]
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
    return k_train, k_test, train


@partial(jax.jit, static_argnames=("dual", "method"))
def whole(
    rows: Rows,
    alpha: jax.Array,
    system: jax.Array | None = None,
    *,
    dual: bool = False,
    method: str = "eigh",
) -> Whole:
    """Factor all samples.

    Parameters
    ----------
    rows : Rows
        Predictors by fold, centred at their mean where there is an intercept.
    alpha : array (n,)
        Penalties; only the first counts, and only for "inverse".
    system : array (n_features, n_features) or (n_rows, n_rows), optional
        Products of all predictors, where they are known.
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
    if system is None:
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
