"""Threshold-free cluster enhancement, exact or by steps (host)."""

import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ._clusters import neighbor_table

__all__ = ["tfce"]


def tfce(
    stat: ArrayLike,
    edges: ArrayLike,
    *,
    extent_power: float = 0.5,
    height_power: float = 2.0,
    n_steps: int | None = None,
    two_sided: bool = True,
) -> np.ndarray:
    r"""Enhance each target by the extent and height of the clusters around it.

    The score of a target with statistic ``t`` is ``\int_0^t e(h)^E h^H dh``, ``e(h)``
    being the extent of the cluster beyond ``h`` that holds the target. The extents of
    all clusters at all heights form a tree; one pass over it gives the integral
    exactly, or its sum over steps, without labelling clusters at each height.

    Parameters
    ----------
    stat : array (n_targets,)
        Statistic; NaN counts as zero.
    edges : int array (n_edges, 2)
        Pairs of neighbouring targets, from :func:`volume_edges` or
        :func:`mesh_edges`.
    extent_power, height_power : float
        The powers E and H; 0.5 and 2 for volumes, 1 and 2 are usual on surfaces.
    n_steps : int, optional
        Sum over this many equal steps up to the largest statistic instead of
        integrating, and leave out the step's width, as ``fslmaths`` and nilearn do
        with 100.
    two_sided : bool
        Whether negative statistics are enhanced as well, to negative scores.

    Returns
    -------
    array (n_targets,)
        Scores, float64.

    Raises
    ------
    ValueError
        If `stat` is not one map, `edges` are no pairs of its targets or a number is
        not positive.

    References
    ----------
    .. [1] Smith & Nichols, NeuroImage 44 (2009) 83-98,
       doi:10.1016/j.neuroimage.2008.03.061. With `n_steps` the scores equal those of
       nilearn's ``calculate_tfce``.
    """
    t = np.asarray(stat, dtype=np.float64)
    check.has_ndim("stat", t, 1)
    check_powers(extent_power, height_power, n_steps)
    table = neighbor_table(edges, t.size)
    return enhance(
        t, table, extent_power, height_power, n_steps=n_steps, two_sided=two_sided
    )


def check_powers(extent_power: float, height_power: float, n_steps: int | None) -> None:
    """Refuse numbers that are not positive."""
    check.positive("extent_power", extent_power)
    check.positive("height_power", height_power)
    if n_steps is not None:
        check.positive("n_steps", n_steps)


def enhance(
    t: np.ndarray,
    table: np.ndarray,
    extent_power: float,
    height_power: float,
    *,
    n_steps: int | None,
    two_sided: bool,
) -> np.ndarray:
    """Enhance a map, given the neighbours of its targets."""
    top = np.nanmax(np.abs(t) if two_sided else t, initial=0)
    steps = None if n_steps is None else np.linspace(0, top, n_steps + 1)[1:]
    score = np.zeros(t.size)
    for sign in (1, -1) if two_sided else (1,):
        inside = np.flatnonzero(sign * t > 0)
        order = inside[np.argsort(sign * t[inside], kind="stable")]
        if order.size:
            height = sign * t[order]
            area = _area_below(height, height_power, steps)
            ranks = np.full(t.size, -1, dtype=np.int32)
            ranks[order] = np.arange(order.size)
            score[order] = sign * _integrate(ranks[table[order]], area, extent_power)
    return score


def _area_below(
    height: np.ndarray, power: float, steps: np.ndarray | None
) -> np.ndarray:
    """Integral or sum of h^H from 0 to each height."""
    if steps is None:
        return height ** (power + 1) / (power + 1)
    total = np.concatenate([[0.0], np.cumsum(steps**power)])
    return total[np.searchsorted(steps, height, side="right")]


def _integrate(around: np.ndarray, area: np.ndarray, power: float) -> np.ndarray:
    """Scores of targets in rising order of height, their neighbours given by rank.

    Every target belongs to the basin of the peak that steepest ascent reaches, and is
    in one cluster with it. So clusters need to be merged for peaks only. A node of the
    tree is a cluster between two merges; its targets, from the highest down, are the
    moments at which it grows.
    """
    n = len(area)
    basin = _peaks(np.maximum(around.max(1), np.arange(n)))
    leaves, leaf = np.unique(basin, return_inverse=True)
    parent, floor = _merge(*_saddles(around, leaf), leaves.size)
    node = _home(leaf, parent, floor)
    own = np.bincount(node, minlength=parent.size)
    begin = _grown(parent, own)
    # By node, within it from the highest down.
    order = n - 1 - np.argsort(node[::-1], kind="stable")
    node_of = node[order]
    last = np.cumsum(own)
    extent = begin[node_of] + np.arange(1, n + 1) - (last - own)[node_of]
    low = np.empty(n)
    low[:-1] = area[order[1:]]
    full = own > 0
    low[last[full] - 1] = np.where(floor >= 0, area[floor], 0)[full]
    gain = extent**power * (area[order] - low)
    # What lies below each node, then the sums within it from its end upwards.
    below = _accumulated(parent, np.bincount(node_of, gain, minlength=parent.size))
    sums = np.cumsum(gain)
    score = np.empty(n)
    score[order] = below[node_of] + sums[last[node_of] - 1] - sums + gain
    return score


def _peaks(up: np.ndarray) -> np.ndarray:
    """Follow the steepest ascent to its end."""
    while True:
        higher = up[up]
        if (higher == up).all():
            return up
        up = higher


def _saddles(
    around: np.ndarray, leaf: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Highest rank at which each pair of touching basins meets, from the top down."""
    rank, column = np.nonzero(around > np.arange(len(around))[:, None])
    one, other = leaf[rank], leaf[around[rank, column]]
    apart = one != other
    rank, one, other = rank[apart][::-1], one[apart][::-1], other[apart][::-1]
    pair = np.minimum(one, other) * np.int64(leaf.size) + np.maximum(one, other)
    first = np.sort(np.unique(pair, return_index=True)[1])
    return rank[first], one[first], other[first]


def _merge(
    rank: np.ndarray, one: np.ndarray, other: np.ndarray, n_leaves: int
) -> tuple[np.ndarray, np.ndarray]:
    """Parent of each node, and the rank below which it is part of its parent."""
    root = list(range(n_leaves))  # towards the node that stands for its cluster
    parent, floor = [-1] * n_leaves, [-1] * n_leaves
    for height, a, b in zip(rank.tolist(), one.tolist(), other.tolist(), strict=True):
        while root[a] != a:
            root[a] = a = root[root[a]]
        while root[b] != b:
            root[b] = b = root[root[b]]
        if a != b:
            new = len(root)
            root[a] = root[b] = parent[a] = parent[b] = new
            floor[a] = floor[b] = height
            root.append(new)
            parent.append(-1)
            floor.append(-1)
    return np.array(parent), np.array(floor)


def _home(leaf: np.ndarray, parent: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Node in which each target joins: the lowest above whose floor it lies."""
    rank = np.arange(leaf.size)
    node = leaf.copy()
    jumps = [np.where(parent < 0, np.arange(parent.size), parent)]
    while (jumps[-1] != jumps[-1][jumps[-1]]).any():
        jumps.append(jumps[-1][jumps[-1]])
    for jump in reversed(jumps):
        far = jump[node]
        node = np.where(floor[far] >= rank, far, node)
    return np.where(floor[node] >= rank, jumps[0][node], node)


def _grown(parent: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Extent with which each node begins: that of its children."""
    begin = [0] * parent.size
    for child, (up, n) in enumerate(zip(parent.tolist(), own.tolist(), strict=True)):
        if up >= 0:  # children come before their parents
            begin[up] += begin[child] + n
    return np.array(begin)


def _accumulated(parent: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Sum of the ancestors' totals."""
    below, up, each = [0.0] * parent.size, parent.tolist(), total.tolist()
    for child in range(parent.size - 1, -1, -1):
        if up[child] >= 0:
            below[child] = below[up[child]] + each[up[child]]
    return np.array(below)
