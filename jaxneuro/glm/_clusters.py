"""Clusters of a map on volumes and surfaces (host)."""

import numpy as np
import scipy.sparse as sp
from jax.typing import ArrayLike
from scipy.sparse import csgraph

from ..core import check
from ..core.struct import struct

__all__ = ["Clusters", "clusters", "mesh_edges", "volume_edges"]

# Steps along each axis that a neighbour in a volume may be away, by its number.
_STEPS = {6: 1, 18: 2, 26: 3}


@struct
class Clusters:
    """Connected targets beyond a threshold, by falling mass.

    Attributes
    ----------
    label : int array (n_targets,)
        Cluster of each target from 1 on, 0 for none.
    extent : int array (n_clusters,)
        Number of targets.
    mass : array (n_clusters,)
        Sum of what the statistic's size exceeds the threshold by.
    peak : int array (n_clusters,)
        Target with the largest statistic.
    sign : int array (n_clusters,)
        1 or -1, the sign of the cluster's statistics.
    """

    label: np.ndarray
    extent: np.ndarray
    mass: np.ndarray
    peak: np.ndarray
    sign: np.ndarray


def volume_edges(mask: ArrayLike, *, connectivity: int = 6) -> np.ndarray:
    """Pair the neighbouring voxels of a mask.

    Parameters
    ----------
    mask : bool array (n_x, n_y, n_z)
        Voxels that are targets, numbered as ``mask.nonzero()`` lists them.
    connectivity : {6, 18, 26}
        Neighbours of a voxel: by face, also by edge, also by corner.

    Returns
    -------
    int array (n_edges, 2)
        Every pair once.

    Raises
    ------
    ValueError
        If the mask is not three-dimensional or empty, or the option is unknown.
    """
    inside = np.asarray(mask, dtype=bool)
    check.has_ndim("mask", inside, 3)
    if connectivity not in _STEPS:
        raise ValueError(f"connectivity is {connectivity!r} but must be 6, 18 or 26.")
    if not inside.any():
        raise ValueError("mask is empty; it must hold at least one voxel.")
    # Numbers in a box with an empty rim, in which a step is one offset for all.
    number = np.full(np.add(inside.shape, 2), -1)
    number[1:-1, 1:-1, 1:-1][inside] = np.arange(np.count_nonzero(inside))
    strides = np.array(number.strides) // number.itemsize
    number = number.ravel()
    here = np.flatnonzero(number >= 0)
    pairs = []
    for step in np.ndindex(3, 3, 3):
        offset = np.subtract(step, 1)
        if step > (1, 1, 1) and np.abs(offset).sum() <= _STEPS[connectivity]:
            there = number[here + offset @ strides]
            both = there >= 0
            pairs.append(np.column_stack([np.flatnonzero(both), there[both]]))
    return np.concatenate(pairs)


def mesh_edges(faces: ArrayLike) -> np.ndarray:
    """Pair the neighbouring vertices of a triangle mesh.

    Parameters
    ----------
    faces : int array (n_faces, 3)
        Vertices of each triangle.

    Returns
    -------
    int array (n_edges, 2)
        Every pair once.

    Raises
    ------
    ValueError
        If the faces are not triangles.
    """
    triangles = np.asarray(faces)
    if triangles.ndim != 2 or triangles.shape[1] != 3:
        raise ValueError(f"faces has shape {triangles.shape} but must be (n_faces, 3).")
    sides = np.concatenate(
        [triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [0, 2]]]
    )
    return np.unique(np.sort(sides, axis=1), axis=0)


def neighbor_table(edges: ArrayLike, n_targets: int) -> np.ndarray:
    """List the neighbours of each target, padded with itself: (n_targets, degree)."""
    pairs = np.asarray(edges)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ValueError(
            f"edges has shape {pairs.shape} and dtype {pairs.dtype} but must be pairs "
            "of target numbers, (n_edges, 2)."
        )
    if pairs.size and not (pairs.min() >= 0 and pairs.max() < n_targets):
        raise ValueError(
            f"edges names target {pairs.max() if pairs.min() >= 0 else pairs.min()} "
            f"but there are targets 0 to {n_targets - 1}."
        )
    there = np.concatenate([pairs, pairs[:, ::-1]]).T
    ones = np.ones(there.shape[1], dtype=bool)
    graph = sp.coo_array((ones, there), shape=(n_targets, n_targets)).tocsr()
    degree = np.diff(graph.indptr)
    place = np.arange(graph.nnz) - np.repeat(graph.indptr[:-1], degree)
    itself = np.arange(n_targets, dtype=np.int32)[:, None]
    table = np.tile(itself, (1, max(degree.max(initial=0), 1)))
    table[np.repeat(np.arange(n_targets), degree), place] = graph.indices
    return table


def clusters(
    stat: ArrayLike, edges: ArrayLike, threshold: float, *, two_sided: bool = True
) -> Clusters:
    """Find the clusters of a statistic beyond a threshold.

    Parameters
    ----------
    stat : array (n_targets,)
        Statistic; NaN belongs to no cluster.
    edges : int array (n_edges, 2)
        Pairs of neighbouring targets, from :func:`volume_edges` or
        :func:`mesh_edges`.
    threshold : float
        What the statistic must exceed, positive.
    two_sided : bool
        Whether negative statistics form clusters too, apart from positive ones.

    Returns
    -------
    Clusters
        Labels, extents, masses, peaks and signs.

    Raises
    ------
    ValueError
        If `stat` is not one map, `edges` are no pairs of its targets or `threshold`
        is not positive.
    """
    t = np.asarray(stat, dtype=np.float64)
    check.has_ndim("stat", t, 1)
    limit = check.positive("threshold", threshold)
    where, part, over = _beyond(t, neighbor_table(edges, t.size), limit, two_sided)
    extent = np.bincount(part)
    mass = np.bincount(part, weights=over)
    order = np.argsort(-mass, kind="stable")
    name = np.empty_like(order)
    name[order] = np.arange(order.size)
    label = np.zeros(t.size, dtype=int)
    label[where] = name[part] + 1
    # Sorted by cluster, then by falling height: the first of each is its peak.
    by_height = np.lexsort((-over, name[part]))
    first = np.unique(name[part][by_height], return_index=True)[1]
    peak = where[by_height[first]]
    return Clusters(
        label=label,
        extent=extent[order],
        mass=mass[order],
        peak=peak,
        sign=np.sign(t[peak]).astype(int),
    )


def largest(
    t: np.ndarray, table: np.ndarray, threshold: float, *, two_sided: bool
) -> tuple[float, float]:
    """Give the largest extent and the largest mass of a map's clusters."""
    _, part, over = _beyond(t, table, threshold, two_sided)
    extent, mass = np.bincount(part), np.bincount(part, weights=over)
    return float(extent.max(initial=0)), float(mass.max(initial=0))


def _beyond(
    t: np.ndarray, table: np.ndarray, threshold: float, two_sided: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets beyond the threshold, their component, and by how much they exceed."""
    side = (t > threshold).astype(np.int8)
    if two_sided:
        side -= t < -threshold
    where = np.flatnonzero(side)
    number = np.zeros(t.size, dtype=np.int32)
    number[where] = np.arange(where.size)
    around = table[where]
    own = np.arange(where.size)[:, None]
    joined = (side[around] == side[where][:, None]) & (number[around] < own)
    i, column = np.nonzero(joined)
    j = number[around[i, column]]
    graph = sp.coo_array((np.ones(i.size, bool), (i, j)), shape=(where.size,) * 2)
    part = csgraph.connected_components(graph, directed=False)[1]
    return where, part, np.abs(t[where]) - threshold
