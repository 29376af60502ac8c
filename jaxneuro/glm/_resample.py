"""What permutation tests share: the residual problem and its resamplings."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.linalg import dot
from ..core.struct import static, struct

__all__ = [
    "Draws",
    "Problem",
    "draws",
    "observed_t",
    "partial_r2",
    "problem",
    "resampled",
    "t_of",
]


@struct
class Problem:
    """A tested variate, its confounds and the maps, each free of the confounds.

    Attributes
    ----------
    maps : array (n_samples, n_targets)
        Residuals of unit norm; zero where undefined.
    rows : array (n_tested, n_rows, n_samples)
        The tested variate of unit norm, then an orthonormal basis of the confounds.
    undefined : bool array (n_targets,)
        Targets that are NaN, or that the confounds explain wholly.
    dof : int
        Degrees of freedom of a t statistic.
    sign_flip : bool
        Whether signs are flipped; else rows are shuffled.
    """

    maps: jax.Array
    rows: jax.Array
    undefined: jax.Array
    dof: int = static()  # type: ignore[assignment]  # a dataclass field
    sign_flip: bool = static()  # type: ignore[assignment]  # a dataclass field


@struct
class Draws:
    """Resamplings in blocks of equal size, given or to be drawn.

    Attributes
    ----------
    blocks : array (n_blocks,) or (n_blocks, size, n_samples)
        One key per block, or its orders or signs.
    random : bool
        Whether `blocks` are keys.
    size, total : int
        Resamplings of a block, and in all; the last block may be longer than needed.
    """

    blocks: jax.Array
    random: bool = static()  # type: ignore[assignment]  # a dataclass field
    size: int = static()  # type: ignore[assignment]  # a dataclass field
    total: int = static()  # type: ignore[assignment]  # a dataclass field


def problem(
    maps: ArrayLike,
    tested: ArrayLike,
    confounds: ArrayLike | None,
    *,
    sign_flip: bool | None,
    fit_intercept: bool,
) -> Problem:
    """Check the arguments and remove the confounds from both sides (host)."""
    Y = check.float_array("maps", maps, ndim=2)
    x = np.asarray(tested, np.float64)
    x = x[:, None] if x.ndim == 1 else x
    check.has_ndim("tested", x, 2)
    check.same_length("maps", Y, "tested", x, "rows")
    check.finite("tested", x)
    constant = bool((x == x[:1]).all())
    flip = constant if sign_flip is None else bool(sign_flip)
    Q = _confound_basis(x, confounds, intercept=fit_intercept and not constant)
    rest = x - Q @ (Q.T @ x)
    rest -= Q @ (Q.T @ rest)
    norm = np.linalg.norm(rest, axis=0)
    bad = np.flatnonzero(norm <= 1e-10 * np.linalg.norm(x, axis=0))
    if bad.size:
        raise ValueError(
            f"tested column {bad[0]} is a mixture of the confounds and the intercept; "
            "remove it or the confounds that explain it."
        )
    dof = len(x) - Q.shape[1] - 1
    if dof < 1:
        raise ValueError(
            f"maps has {len(x)} rows but the model has {Q.shape[1] + 1} columns; at "
            "least one row more than columns is needed."
        )
    residual, undefined = _residual(Y, jnp.asarray(Q, Y.dtype))
    _warn_undefined(undefined)
    moving = Q if flip else _without_constant(Q)
    rows = [np.vstack([rest[:, j] / norm[j], moving.T]) for j in range(x.shape[1])]
    return Problem(
        maps=residual,
        rows=jnp.asarray(np.stack(rows), Y.dtype),
        undefined=undefined,
        dof=dof,
        sign_flip=flip,
    )


def _confound_basis(
    x: np.ndarray, confounds: ArrayLike | None, *, intercept: bool
) -> np.ndarray:
    """Orthonormal basis of the confounds, (n_samples, rank)."""
    columns = [np.ones((len(x), 1))] if intercept else []
    if confounds is not None:
        C = np.asarray(confounds, np.float64)
        C = C[:, None] if C.ndim == 1 else C
        check.has_ndim("confounds", C, 2)
        check.same_length("tested", x, "confounds", C, "rows")
        check.finite("confounds", C)
        columns.append(C / np.maximum(np.linalg.norm(C, axis=0), 1e-300))
    if not columns:
        return np.zeros((len(x), 0))
    U, s, _ = np.linalg.svd(np.hstack(columns), full_matrices=False)
    return U[:, s > 1e-12 * s[0]]


def _without_constant(Q: np.ndarray) -> np.ndarray:
    """Drop the constant from a basis: no shuffle moves it, so it stays at zero."""
    one = np.full(len(Q), len(Q) ** -0.5)
    share = Q.T @ one
    if 1 - share @ share > 1e-10:
        return Q
    # A reflection that takes the constant to the first axis of the basis.
    turn = np.linalg.qr(np.column_stack([share, np.eye(share.size)]))[0]
    return (Q @ turn)[:, 1:]


@jax.jit
def _residual(Y: jax.Array, Q: jax.Array) -> tuple[jax.Array, jax.Array]:
    size = jnp.linalg.norm(Y, axis=0)
    rest = Y - dot(Q, dot(Q.T, Y))
    rest = rest - dot(Q, dot(Q.T, rest))
    norm = jnp.linalg.norm(rest, axis=0)
    # Below this the residual is the rounding of what the confounds explain.
    floor = 8 * jnp.finfo(Y.dtype).eps * size
    defined = jnp.isfinite(norm) & (norm > floor)
    scaled = rest / jnp.where(defined, norm, 1)[None]
    return jnp.where(defined[None], scaled, 0), ~defined


def _warn_undefined(undefined: jax.Array) -> None:
    count = int(np.count_nonzero(undefined))
    if count:
        warnings.warn(
            f"{count} of {undefined.size} targets are NaN or have no variance left "
            "after the confounds; their statistics are NaN and they take no part in "
            "the maximum.",
            stacklevel=4,
        )


def draws(
    p: Problem,
    key: jax.Array | None,
    n_permutations: int,
    permutations: ArrayLike | None,
    *,
    block: int,
) -> Draws:
    """Check the resamplings and cut them into blocks (host)."""
    n_samples = p.maps.shape[0]
    given = None if permutations is None else np.asarray(permutations)
    if given is None and n_permutations < 1:
        raise ValueError(f"n_permutations is {n_permutations} but must be at least 1.")
    if given is None and p.sign_flip and 2**n_samples <= n_permutations:
        given = _all_signs(n_samples)
    elif given is not None:
        _check_given(given, n_samples, sign_flip=p.sign_flip)
    total = n_permutations if given is None else len(given)
    n_blocks = -(-total // block)
    block = -(-total // n_blocks)
    if given is None:
        if key is None:
            raise ValueError("key is None but a random key or permutations are needed.")
        keys = jax.random.split(key, n_blocks)
        return Draws(blocks=keys, random=True, size=block, total=total)
    filled = np.resize(given.astype(np.int32), (n_blocks * block, n_samples))
    parts = jnp.asarray(filled.reshape(n_blocks, block, n_samples))
    return Draws(blocks=parts, random=False, size=block, total=total)


def _all_signs(n_samples: int) -> np.ndarray:
    """Every pattern of signs but the identity."""
    bits = np.arange(1, 2**n_samples)[:, None] >> np.arange(n_samples)[None] & 1
    return 1 - 2 * bits


def _check_given(given: np.ndarray, n_samples: int, *, sign_flip: bool) -> None:
    if given.ndim != 2 or given.shape[1] != n_samples or not len(given):
        raise ValueError(
            f"permutations has shape {given.shape} but must be "
            f"(n_permutations, {n_samples}), one row per resampling."
        )
    if sign_flip and not (np.abs(given) == 1).all():
        raise ValueError("permutations must hold 1 and -1 where signs are flipped.")
    if not sign_flip and (np.sort(given, axis=1) != np.arange(n_samples)).any():
        raise ValueError(
            f"permutations must hold an order of 0 to {n_samples - 1} in every row."
        )


def resampled(rows: jax.Array, p: Problem, d: Draws, block: jax.Array) -> jax.Array:
    """Rows under a block of resamplings: (n_rows, size, n_samples)."""
    shape = (d.size, rows.shape[1])
    if p.sign_flip:
        signs = jax.random.rademacher(block, shape) if d.random else block
        return rows[:, None, :] * signs.astype(rows.dtype)[None]
    if d.random:
        block = jnp.argsort(jax.random.uniform(block, shape), axis=1)
    return rows[:, block]


def partial_r2(values: jax.Array, *, two_sided: bool) -> jax.Array:
    """Signed square of the partial correlation, from the products with the rows.

    A monotone function of t that needs no root. `values` is (n_rows, ..., n_targets)
    for maps of unit norm.
    """
    b = values[0]
    square = b * b if two_sided else b * jnp.abs(b)
    if values.shape[0] == 1:
        return square
    # Written out: the compiler does not fuse a sum over the first axis.
    free = 1 - sum(values[i] * values[i] for i in range(1, values.shape[0]))
    return square / jnp.maximum(free, 64 * jnp.finfo(b.dtype).eps)


def t_of(share: jax.Array, dof: int) -> jax.Array:
    """Give t of the signed partial squared correlation."""
    size = jnp.abs(share)
    rest = jnp.maximum(1 - size, jnp.finfo(share.dtype).tiny)
    return jnp.sign(share) * jnp.sqrt(dof * size / rest)


@jax.jit
def observed_t(p: Problem) -> jax.Array:
    """Give t of the data, its variance from the residuals: (n_tested, n_targets)."""

    def one(x: jax.Array) -> jax.Array:
        b = dot(x, p.maps)
        rest = p.maps - x[:, None] * b[None]
        return b * jnp.sqrt(p.dof / (rest * rest).sum(0))

    t = jax.lax.map(one, p.rows[:, 0])
    return jnp.where(p.undefined[None], jnp.nan, t)
