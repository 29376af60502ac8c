"""What shapes a dynamic receptive field takes: components, clusters."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jax.typing import ArrayLike

from ..core import check
from ..core.linalg import dot
from ..core.struct import struct
from ._measures import products

__all__ = ["Clusters", "Components", "clusters", "components"]

_NOISY = 5.0  # a frame so many times the size of the mean frame is an outlier
_TINY = 1e-30


@struct
class Components:
    """Principal components of each target's dSTRF over time.

    Attributes
    ----------
    fields : array (n_components, n_targets, n_lags, n_features)
        Of unit norm, the strongest first; each has a positive product with the mean
        dSTRF.
    magnitude : array (n_components, n_targets)
        Root of the mean square, over time, of the product of frames and component.
    share : array (n_components, n_targets)
        Of the summed squares of all frames that are used.
    """

    fields: np.ndarray
    magnitude: np.ndarray
    share: np.ndarray


def components(
    dstrf: ArrayLike, n_components: int = 3, *, outlier: float | None = _NOISY
) -> Components:
    """Find the fields that a dSTRF is a mixture of at every time.

    The singular vectors of frames, whose mean is not removed.

    Parameters
    ----------
    dstrf : array (n_times, n_targets, n_lags, n_features)
        Receptive field at every time.
    n_components : int
        How many.
    outlier : float, optional
        Frames whose difference from the mean frame varies more than so many times as
        much as the mean frame are left out; None keeps all.

    Returns
    -------
    Components
        In float64. NaN where a dSTRF is zero throughout; components beyond the number
        of frames are zero.

    Raises
    ------
    ValueError
        If `dstrf` has not four axes, or `n_components` or `outlier` is not positive.

    References
    ----------
    .. [1] Numbers of ``compute_dpcs`` of NEMS (lbhb).
    """
    frames = np.asarray(dstrf)
    check.has_ndim("dstrf", frames, 4)
    if n_components < 1:
        raise ValueError(f"n_components is {n_components} but must be 1 or more.")
    if outlier is not None:
        outlier = check.positive("outlier", outlier)
    found = [
        _components(frames[:, target], n_components, outlier)
        for target in range(frames.shape[1])
    ]
    fields, magnitude, share = (np.stack(part, 1) for part in zip(*found, strict=True))
    return Components(
        fields=fields.reshape(n_components, *frames.shape[1:]),
        magnitude=magnitude,
        share=share,
    )


def _components(frames: np.ndarray, n: int, outlier: float | None) -> tuple:
    """Fields (n, size), magnitudes and shares (n,) of one target."""
    flat = frames.reshape(len(frames), -1)
    mean = flat.mean(0)
    if outlier is not None:
        flat = flat[(flat - mean).std(1) <= outlier * mean.std()]
    fields = np.zeros((n, mean.size))
    squares = np.zeros(n)
    total = float((flat.astype(np.float64) ** 2).sum())
    if not total > 0:
        return fields + np.nan, squares + np.nan, squares + np.nan
    # In float64, by whichever of the two products is smaller.
    gram = products(flat)
    top = min(n, len(gram))
    values, vectors = scipy.linalg.eigh(
        gram, subset_by_index=(len(gram) - top, len(gram) - 1), check_finite=False
    )
    values, vectors = np.maximum(values[::-1], 0), vectors.T[::-1]
    if vectors.shape[1] != mean.size:
        vectors = vectors @ flat / np.sqrt(np.maximum(values, _TINY))[:, None]
    fields[:top] = vectors * np.where(vectors @ mean < 0, -1, 1)[:, None]
    squares[:top] = values
    return fields, np.sqrt(squares / len(flat)), squares / total


@struct
class Clusters:
    """Groups of frames of similar shape.

    Attributes
    ----------
    fields : array (n_clusters, n_targets, n_lags, n_features)
        Mean shape of each group, the largest group first; zero for empty ones.
    label : int array (n_times, n_targets)
        Group of each frame.
    share : array (n_clusters, n_targets)
        Of the frames.
    """

    fields: jax.Array
    label: jax.Array
    share: jax.Array


@partial(jax.jit, static_argnames=("n_clusters", "max_iter"))
def clusters(
    key: jax.Array, dstrf: ArrayLike, n_clusters: int, *, max_iter: int = 50
) -> Clusters:
    """Group the frames of each target by shape, whatever their strength.

    k-means of frames of unit norm, which starts from frames that are far from each
    other.

    Parameters
    ----------
    key : array
        Random key.
    dstrf : array (n_times, n_targets, n_lags, n_features)
        Receptive field at every time.
    n_clusters : int
        Number of groups.
    max_iter : int
        Rounds of assignment.

    Returns
    -------
    Clusters
        Groups of each target.

    Raises
    ------
    ValueError
        If `dstrf` has not four axes, or `n_clusters` is not from 1 to the number of
        frames.

    References
    ----------
    .. [1] Arthur & Vassilvitskii, k-means++: the advantages of careful seeding, 2007.
    """
    dstrf = check.float_array("dstrf", dstrf, ndim=4)
    n_times, n_targets = dstrf.shape[:2]
    if not 1 <= n_clusters <= n_times:
        raise ValueError(
            f"n_clusters is {n_clusters} but must be from 1 to the number of frames, "
            f"{n_times}."
        )

    def one(item: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, ...]:
        key, frames = item
        return _group(key, frames.reshape(n_times, -1), n_clusters, max_iter)

    keys = jax.random.split(key, n_targets)
    fields, label, share = jax.lax.map(one, (keys, jnp.moveaxis(dstrf, 1, 0)))
    fields = fields.reshape(n_targets, n_clusters, *dstrf.shape[2:])
    return Clusters(fields=jnp.moveaxis(fields, 0, 1), label=label.T, share=share.T)


def _group(
    key: jax.Array, flat: jax.Array, n_clusters: int, max_iter: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Fields, labels and shares of one target (n_times, size)."""
    norm = jnp.sqrt((flat**2).sum(1, keepdims=True))
    shapes = flat / jnp.where(norm > 0, norm, 1)
    square = (shapes**2).sum(1)

    def distance(centers: jax.Array) -> jax.Array:
        size = (centers**2).sum(1)[None]
        return jnp.maximum(square[:, None] + size - 2 * dot(shapes, centers.T), 0)

    def seed(index: jax.Array, state: tuple[jax.Array, jax.Array]):
        centers, nearest = state
        # All alike: any frame will do.
        odds = jnp.where(nearest.max() > 1e-6, nearest, 1)
        pick = jax.random.categorical(jax.random.fold_in(key, index), jnp.log(odds))
        far = distance(shapes[pick][None])[:, 0]
        return centers.at[index].set(shapes[pick]), jnp.minimum(nearest, far)

    def move(_: jax.Array, centers: jax.Array) -> jax.Array:
        member = jax.nn.one_hot(
            distance(centers).argmin(1), n_clusters, dtype=flat.dtype
        )
        count = member.sum(0)[:, None]
        return jnp.where(
            count > 0, dot(member.T, shapes) / jnp.maximum(count, 1), centers
        )

    start = jnp.zeros((n_clusters, flat.shape[1]), flat.dtype)
    far = jnp.full(flat.shape[0], 4, flat.dtype)  # further than unit vectors are
    centers, _ = jax.lax.fori_loop(0, n_clusters, seed, (start, far))
    centers = jax.lax.fori_loop(0, max_iter, move, centers)
    label = distance(centers).argmin(1).astype(jnp.int32)
    share = jax.nn.one_hot(label, n_clusters, dtype=flat.dtype).mean(0)
    order = jnp.argsort(-share)
    fields = jnp.where((share > 0)[:, None], centers, 0)
    return fields[order], jnp.argsort(order)[label].astype(jnp.int32), share[order]
