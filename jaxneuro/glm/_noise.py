"""Autoregressive noise: gaps, coefficients, whitening, exact for every voxel.

The inverse covariance of a stretch of stationary AR(p) noise is, in units of the
innovation variance, ``A'A - N'N``: ``A`` is the prediction error filter started from
zero, ``N`` a Hankel block that acts on the first p scans alone [1]_. Both are linear
in the coefficients of the filter, so that for a design X every ``X'V^-1 X`` is a sum
of few fixed matrices weighted by products of a voxel's coefficients.

A stretch shorter than p follows the model of lower order that AR(p) implies.

References
----------
.. [1] Gohberg & Semencul, Matematicheskie Issledovaniya 7 (1972) 201-223.
"""

from itertools import combinations_with_replacement
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.linalg import dot
from ..core.struct import static, struct

__all__ = [
    "Stretch",
    "hankel",
    "levinson",
    "pair_weights",
    "pairs",
    "products",
    "stationary",
    "step_down",
    "stretches",
    "weigh",
]

# Partial autocorrelations stay inside the stationary region.
_MAX_PARTIAL = 0.99


@struct
class Stretch:
    """Scans without a gap between them that share an order, one run or many.

    Attributes
    ----------
    rows : int array (n_rows,)
        Their positions among the scans that are used.
    same : bool array (order, n_rows)
        Whether the scan k + 1 before belongs to the same stretch.
    heads : int array (order, n_stretches)
        First scans of each stretch, as positions in `rows`; empty where the filter
        starts from zero.
    order : int
        Order of the model.
    everything : bool
        Whether `rows` are all scans.
    plain : tuple of bool
        Whether at a lag only the very first scans lack a past.
    """

    rows: np.ndarray
    same: np.ndarray
    heads: np.ndarray
    order: int = static()  # type: ignore[assignment]  # a dataclass field
    everything: bool = static()  # type: ignore[assignment]  # a dataclass field
    plain: tuple[bool, ...] = static()  # type: ignore[assignment]  # a dataclass field


def stretches(
    run_id: np.ndarray, keep: np.ndarray, order: int, *, stationary: bool
) -> tuple[Stretch, ...]:
    """Find the gaps: run borders and censored scans.

    Parameters
    ----------
    run_id : int array (n_times,)
        Run of each scan.
    keep : bool array (n_times,)
        Scans that are used.
    order : int
        Order of the autoregression.
    stationary : bool
        Whether the noise is stationary from a stretch's first scan on; else the
        filter starts from zero, as nilearn's does.

    Returns
    -------
    tuple of Stretch
        One entry per order: `order` itself, and lower ones where a stretch is
        shorter.
    """
    new = np.ones(run_id.size, dtype=bool)
    new[1:] = (run_id[1:] != run_id[:-1]) | ~keep[:-1]
    number = np.cumsum(new)[keep]
    _, number, length = np.unique(number, return_inverse=True, return_counts=True)
    of_row = np.minimum(length, order)[number] if stationary else number * 0 + order
    found = []
    for m in np.unique(of_row):
        rows = np.flatnonzero(of_row == m)
        own = number[rows]
        same = np.zeros((m, rows.size), dtype=bool)
        for k in range(1, m + 1):
            same[k - 1, k:] = own[k:] == own[:-k]
        starts = np.flatnonzero(np.diff(own, prepend=-1))
        steps = np.arange(m)[:, None]
        part = Stretch(
            rows=rows,
            same=same,
            heads=steps + (starts if stationary else starts[:0]),
            order=int(m),
            everything=rows.size == number.size,
            plain=tuple(bool(s[k:].all()) for k, s in enumerate(same, 1)),
        )
        found.append(part)
    return tuple(found)


def products(q: np.ndarray, parts: tuple[Stretch, ...]) -> tuple[np.ndarray, ...]:
    """Give the fixed matrices whose weighted sum is ``q' V^-1 q`` (host).

    Parameters
    ----------
    q : array (n_times, rank)
        Design.
    parts : tuple of Stretch
        Gaps.

    Returns
    -------
    tuple of array (n_pairs, rank, rank)
        One stack per entry of `parts`, in the order of :func:`pair_weights`.
    """
    stacks = []
    for part in parts:
        x = q[part.rows]
        late = [x]
        for k, same in enumerate(part.same, 1):
            late.append(np.roll(x, k, axis=0) * same[:, None])
        early = [np.zeros_like(x[part.heads])]
        for k in range(part.order):
            turned = np.zeros_like(early[0])
            turned[: k + 1] = x[part.heads[k::-1]]
            early.append(turned)
        stack = []
        for k, j in pairs(part.order):
            one = late[k].T @ late[j] - np.einsum("hsi,hsj->ij", early[k], early[j])
            stack.append((one + one.T) / 2)
        stacks.append(np.stack(stack))
    return tuple(stacks)


def pairs(order: int) -> list[tuple[int, int]]:
    """List the pairs of filter coefficients, in the order of :func:`products`.

    Parameters
    ----------
    order : int
        Of the autoregression.

    Returns
    -------
    list of (int, int)
        First not above second, from 0 to `order`.
    """
    return list(combinations_with_replacement(range(order + 1), 2))


def pair_weights(alpha: jax.Array, ratio: jax.Array) -> jax.Array:
    """Weights of the matrices of :func:`products`.

    Parameters
    ----------
    alpha : array (order + 1, n_targets)
        Prediction error filter, the first 1.
    ratio : array (n_targets,)
        Scale of the stretch.

    Returns
    -------
    array (n_pairs, n_targets)
        ``alpha_k alpha_j``, twice for k < j.
    """
    return jnp.stack(
        [
            alpha[k] * alpha[j] * ratio * (1 if k == j else 2)
            for k, j in pairs(alpha.shape[0] - 1)
        ]
    )


def levinson(autocovariance: jax.Array, *, limit: float = _MAX_PARTIAL) -> jax.Array:
    """Solve the Yule-Walker equations of every voxel.

    Parameters
    ----------
    autocovariance : array (order + 1, n_targets)
        At lags 0, 1, ...
    limit : float
        Largest partial autocorrelation; below 1 the model stays stationary.

    Returns
    -------
    array (order, n_targets)
        Autoregressive coefficients.
    """
    order = autocovariance.shape[0] - 1
    ar: list[jax.Array] = []
    left = autocovariance[0]
    for m in range(1, order + 1):
        ahead = autocovariance[m] - sum(
            (a * autocovariance[m - k] for k, a in enumerate(ar, 1)), 0 * left
        )
        partial = jnp.clip(ahead / left, -limit, limit)
        ar = [*(a - partial * b for a, b in zip(ar, ar[::-1], strict=True)), partial]
        left = left * (1 - partial**2)
    return jnp.stack(ar)


def stationary(ar: jax.Array) -> jax.Array:
    """Limit the partial autocorrelations, below which the model is stationary.

    Parameters
    ----------
    ar : array (order, n_targets)
        Autoregressive coefficients.

    Returns
    -------
    array (order, n_targets)
        The same where they are inside.
    """
    partials, now = [], ar
    for _ in range(ar.shape[0]):
        one = jnp.clip(now[-1], -_MAX_PARTIAL, _MAX_PARTIAL)
        partials.append(one)
        now = (now[:-1] + one[None] * now[-2::-1]) / (1 - one**2)[None]
    out = ar[:0]
    for one in reversed(partials):
        out = jnp.concatenate([out - one[None] * out[::-1], one[None]])
    return out


def step_down(ar: Any, orders: tuple[int, ...]) -> list[tuple[Any, Any]]:
    """Find the prediction error filters of the orders that are needed.

    Parameters
    ----------
    ar : array (order, n_targets)
        Coefficients of the full model.
    orders : tuple of int
        Orders, ascending, the last that of `ar`.

    Returns
    -------
    list of (array (m + 1, n_targets), array (n_targets,))
        The filter, and the innovation variance of the full model over that of the
        lower one.
    """
    xp = np if isinstance(ar, np.ndarray) else jnp
    now, ratio = ar, xp.ones_like(ar[0])
    found = {}
    for m in range(ar.shape[0], 0, -1):
        if m in orders:
            found[m] = (xp.concatenate([xp.ones_like(ratio)[None], -now]), ratio)
        if m == min(orders):
            break
        partial = now[-1]
        rest = 1 - partial**2
        now = (now[:-1] + partial[None] * now[-2::-1]) / rest[None]
        ratio = ratio * rest
    return [found[m] for m in orders]


def weigh(
    e: jax.Array,
    q: np.ndarray | jax.Array,
    part: Stretch,
    alpha: jax.Array,
    ratio: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Sum squares of residuals, and their products with the design, whitened.

    Parameters
    ----------
    e : array (n_times, n_targets)
        Residuals.
    q : array (n_times, rank)
        Design.
    part : Stretch
        Scans that count.
    alpha, ratio : array
        As :func:`step_down` gives them.

    Returns
    -------
    array (n_targets,)
        ``e' V^-1 e``.
    array (rank, n_targets)
        ``q' V^-1 e``.
    """
    if not part.everything:
        e, q = e[part.rows], q[part.rows]
    order = part.order
    w = e
    for k in range(1, order + 1):
        past = jnp.pad(e[:-k], ((k, 0), (0, 0)))
        w = w + alpha[k][None] * _within(past, part, k)
    squares = jnp.sum(w**2, axis=0)
    v = w
    for k in range(1, order + 1):
        ahead = jnp.pad(_within(w, part, k)[k:], ((0, k), (0, 0)))
        v = v + alpha[k][None] * ahead
    inner = dot(q.T, v)
    if part.heads.size:
        once = hankel(alpha, e[part.heads])  # (order, n_stretches, n_targets)
        squares = squares - jnp.sum(once**2, axis=(0, 1))
        near = q[part.heads].reshape(-1, q.shape[1])
        inner = inner - dot(near.T, hankel(alpha, once).reshape(-1, e.shape[1]))
    return ratio * squares, ratio[None] * inner


def _within(x: jax.Array, part: Stretch, lag: int) -> jax.Array:
    """Take as zero what has no scan so many before it in its stretch."""
    if part.plain[lag - 1]:
        return x
    return jnp.where(part.same[lag - 1][:, None], x, 0)


def hankel(alpha: jax.Array, head: jax.Array) -> jax.Array:
    """Apply the Hankel block N of a filter to the ends of stretches.

    Parameters
    ----------
    alpha : array (order + 1, n_targets)
        Prediction error filter.
    head : array (order, n_stretches, n_targets)
        Scans from an end inwards.

    Returns
    -------
    array (order, n_stretches, n_targets)
        Row i sums ``alpha[i + s + 1]`` times scan s.
    """
    order = head.shape[0]
    rows = [
        sum(alpha[i + s + 1][None] * head[s] for s in range(order - i))
        for i in range(order)
    ]
    return jnp.stack(rows)
