"""Commonality analysis: what sets of features explain, alone and together."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from . import check
from .linalg import dot
from .struct import static, struct

__all__ = ["VariancePartition", "band_numbers", "partition", "subsets_of"]


@struct
class VariancePartition:
    """Held-out variance that bands of features explain, alone and together.

    Attributes
    ----------
    r2 : array (n_subsets, n_targets)
        Held-out R2 of the model with each subset of bands.
    unique : array (n_bands, n_targets)
        What is lost when a band is left out of the full model.
    common : array (n_subsets, n_targets)
        What exactly the bands of a subset share; a single band's entry is its
        unique variance. All entries sum to the R2 of the full model.
    subsets : tuple of tuple of int
        Bands of each subset; the last is the full model.
    """

    r2: jax.Array
    unique: jax.Array
    common: jax.Array
    subsets: tuple[tuple[int, ...], ...] = static()  # type: ignore[assignment]  # a dataclass field


def band_numbers(bands: ArrayLike, n_features: int) -> np.ndarray:
    """Check the band of each feature.

    Parameters
    ----------
    bands : int array (n_features,)
        Band of each feature, from 0.
    n_features : int
        Expected length.

    Returns
    -------
    int array (n_features,)
        The bands.

    Raises
    ------
    ValueError
        If the length differs or a band has no feature.
    """
    numbers = np.asarray(bands)
    if numbers.shape != (n_features,):
        raise ValueError(
            f"bands has shape {numbers.shape} but must be ({n_features},), one band "
            "number per feature."
        )
    used = np.unique(numbers)
    if numbers.dtype.kind not in "iu" or (used != np.arange(used.size)).any():
        raise ValueError(
            f"bands holds {used[:10].tolist()} but must hold the numbers 0, 1, 2, … "
            "of bands that have a feature each."
        )
    return numbers


def subsets_of(n_bands: int) -> tuple[tuple[int, ...], ...]:
    """List all non-empty sets of bands, small ones first.

    Parameters
    ----------
    n_bands : int
        Number of bands.

    Returns
    -------
    tuple of tuple of int
        ``2 ** n_bands - 1`` sets.
    """
    return tuple(
        subset
        for size in range(1, n_bands + 1)
        for subset in itertools.combinations(range(n_bands), size)
    )


def partition(r2: ArrayLike, n_bands: int) -> VariancePartition:
    """Split the R2 of all subsets into what exactly each subset shares.

    Parameters
    ----------
    r2 : array (n_subsets, n_targets)
        R2 of the models, in the order of :func:`subsets_of`.
    n_bands : int
        Number of bands.

    Returns
    -------
    VariancePartition
        R2, unique and common variance.

    References
    ----------
    .. [1] Lescroart, Stansbury & Gallant, Frontiers in Computational Neuroscience
       9 (2015) 135, doi:10.3389/fncom.2015.00135.
    """
    r2 = check.float_array("r2", r2, ndim=2)
    subsets = subsets_of(n_bands)
    common = dot(jnp.asarray(_weights(subsets, n_bands), r2.dtype), r2)
    return VariancePartition(
        r2=r2, unique=common[:n_bands], common=common, subsets=subsets
    )


def _weights(subsets: tuple[tuple[int, ...], ...], n_bands: int) -> np.ndarray:
    """Coefficients of commonality analysis: (n_subsets, n_subsets)."""
    position = {subset: i for i, subset in enumerate(subsets)}
    weights = np.zeros((len(subsets), len(subsets)))
    for row, subset in enumerate(subsets):
        rest = tuple(band for band in range(n_bands) if band not in subset)
        # What any band of the subset adds to the rest, by inclusion and exclusion.
        for size in range(len(subset) + 1):
            for part in itertools.combinations(subset, size):
                model = tuple(sorted(rest + part))
                if model:
                    weights[row, position[model]] -= (-1) ** size
    return weights
