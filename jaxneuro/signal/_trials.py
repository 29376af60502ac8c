"""Trials of unequal length as one array and a membership vector."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core.struct import struct

__all__ = ["Segments", "concatenate", "segments", "split", "trial_lengths"]


@struct
class Segments:
    """Where the trial of each sample begins and ends.

    Attributes
    ----------
    start, stop : int array (n_times,)
        First sample of the trial, and the one after its last.
    """

    start: jax.Array
    stop: jax.Array


def trial_lengths(trial_id: ArrayLike | None, n_times: int) -> np.ndarray:
    """Count the samples of each trial.

    Parameters
    ----------
    trial_id : int array (n_times,), optional
        Trial of each sample, concrete. Default: one trial.
    n_times : int
        Expected length.

    Returns
    -------
    int array (n_trials,)
        Lengths in the order in which the trials come.

    Raises
    ------
    TypeError
        If `trial_id` is traced by a JAX transformation, or not of integers.
    ValueError
        If the length differs from `n_times`, or a trial is in two pieces.
    """
    if trial_id is None:
        return np.array([n_times])
    if isinstance(trial_id, Tracer):
        raise TypeError(
            "trial_id is traced by a JAX transformation but must be concrete; "
            "close over it instead of passing it as an argument."
        )
    ids = np.asarray(trial_id)
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise TypeError(
            f"trial_id has dtype {ids.dtype} and shape {ids.shape} but "
            "must be a one-dimensional array of integers."
        )
    if ids.size != n_times:
        raise ValueError(
            f"trial_id has {ids.size} entries but the data have {n_times} time "
            "points; give one trial number per time point."
        )
    edges = np.flatnonzero(np.diff(ids)) + 1
    bounds = np.concatenate([[0], edges, [n_times]])
    first = ids[bounds[:-1]] if n_times else ids
    values, count = np.unique(first, return_counts=True)
    if (count > 1).any():
        raise ValueError(
            f"trial_id has trial {values[count > 1][0]} in {count.max()} separate "
            "pieces; put the samples of a trial next to each other."
        )
    return np.diff(bounds)


def segments(trial_id: ArrayLike | None, n_times: int) -> Segments:
    """Mark where the trial of each sample begins and ends.

    Parameters
    ----------
    trial_id : int array (n_times,), optional
        Trial of each sample, concrete. Default: one trial.
    n_times : int
        Expected length.

    Returns
    -------
    Segments
        Start and stop per sample.
    """
    lengths = trial_lengths(trial_id, n_times)
    stop = np.cumsum(lengths)
    return Segments(
        start=jnp.asarray(np.repeat(stop - lengths, lengths), dtype=jnp.int32),
        stop=jnp.asarray(np.repeat(stop, lengths), dtype=jnp.int32),
    )


def concatenate(trials: Sequence[ArrayLike]) -> tuple[jax.Array, np.ndarray]:
    """Join trials along time and remember which sample came from which.

    Parameters
    ----------
    trials : sequence of array (n_times_i, ...)
        Trials of any length; all other axes equal.

    Returns
    -------
    array (n_times, ...)
        All trials, one after the other.
    trial_id : int array (n_times,)
        Trial of each sample, from 0.

    Raises
    ------
    ValueError
        If there is no trial, or the trials differ in another axis than time.

    Examples
    --------
    >>> x, trial_id = concatenate([np.zeros((2, 3)), np.ones((1, 3))])
    >>> x.shape, trial_id.tolist()
    ((3, 3), [0, 0, 1])
    """
    if len(trials) == 0:
        raise ValueError("trials is an empty list; give at least one trial.")
    shapes = [np.shape(trial) for trial in trials]
    for index, shape in enumerate(shapes):
        if len(shape) == 0 or shape[1:] != shapes[0][1:]:
            raise ValueError(
                f"trial {index} has shape {shape} but trial 0 has shape {shapes[0]}; "
                "trials may differ in length only."
            )
    trial_id = np.repeat(np.arange(len(trials)), [shape[0] for shape in shapes])
    if any(isinstance(trial, jax.Array) for trial in trials):
        return jnp.concatenate([jnp.asarray(trial) for trial in trials]), trial_id
    joined = np.concatenate([np.asarray(trial) for trial in trials])
    return jnp.asarray(joined), trial_id


def split(array: ArrayLike, trial_id: ArrayLike) -> list:
    """Cut a concatenated array back into its trials.

    Parameters
    ----------
    array : array (n_times, ...)
        Concatenated trials; NumPy arrays are cut without a copy.
    trial_id : int array (n_times,)
        Trial of each sample.

    Returns
    -------
    list of array (n_times_i, ...)
        The trials in the order in which they come.

    Raises
    ------
    ValueError
        If `array` and `trial_id` differ in length.
    """
    lengths = trial_lengths(trial_id, np.shape(array)[0])
    stops = np.cumsum(lengths)
    source = array if isinstance(array, jax.Array) else np.asarray(array)
    return [source[stop - n : stop] for stop, n in zip(stops, lengths, strict=True)]
