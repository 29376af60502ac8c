"""The lag window, and the lagged array for small data."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ._trials import Segments, segments

__all__ = ["Lags", "lagged"]


@dataclasses.dataclass(frozen=True)
class Lags:
    """Window of time lags, both ends included.

    Positive lags look into the past of the predictor: encoding models use
    ``tmin=0``, decoding models ``tmax=0``.

    Parameters
    ----------
    tmin, tmax : float
        First and last lag in seconds, rounded to the nearest sample.
    sfreq : float
        Sampling rate in hertz.

    Raises
    ------
    ValueError
        If `tmin` is larger than `tmax` or `sfreq` is not positive.

    Examples
    --------
    >>> Lags(0.0, 0.3, sfreq=10).samples.tolist()
    [0, 1, 2, 3]
    """

    tmin: float
    tmax: float
    sfreq: float

    def __post_init__(self) -> None:
        for name in ("tmin", "tmax", "sfreq"):
            value = check.real_number(name, getattr(self, name))
            object.__setattr__(self, name, value)
        if self.sfreq <= 0:
            raise ValueError(
                f"sfreq is {self.sfreq:g} but must be positive; give it in hertz."
            )
        if self.tmin > self.tmax:
            raise ValueError(
                f"tmin is {self.tmin:g} s but tmax is {self.tmax:g} s; "
                "tmin must not be larger than tmax."
            )

    @property
    def first(self) -> int:
        """First lag in samples."""
        return round(self.tmin * self.sfreq)

    @property
    def n_lags(self) -> int:
        """Number of lags."""
        return round(self.tmax * self.sfreq) - self.first + 1

    @property
    def samples(self) -> np.ndarray:
        """Lags in samples, ascending, int array (n_lags,)."""
        return self.first + np.arange(self.n_lags)

    @property
    def times(self) -> np.ndarray:
        """Lags in seconds, ascending, float array (n_lags,)."""
        return self.samples / self.sfreq


def lagged(x: ArrayLike, lags: Lags, *, trial_id: ArrayLike | None = None) -> jax.Array:
    """Stack delayed copies of a signal.

    Row ``t`` holds ``x[t - lag]`` for every lag. The result is n_lags times as
    large as `x`: it is meant for small data and tests, the models of this library
    never build it.

    Parameters
    ----------
    x : array (n_times, n_features)
        Signal sampled at ``lags.sfreq``.
    lags : Lags
        Window in seconds; positive lags look into the past of `x`.
    trial_id : int array (n_times,), optional
        Trial of each sample, concrete (not traced). Lags do not cross trials.
        Default: one trial.

    Returns
    -------
    array (n_times, n_lags, n_features)
        Samples before a trial's start or after its end are zero.

    Raises
    ------
    ValueError
        If `x` is not two-dimensional, or `trial_id` and `x` differ in length.

    Examples
    --------
    >>> lagged(jnp.arange(3.0)[:, None], Lags(0, 1, sfreq=1)).shape
    (3, 2, 1)
    """
    x = check.float_array("x", x, ndim=2)
    return _lagged(x, segments(trial_id, x.shape[0]), lags=lags)


@partial(jax.jit, static_argnames="lags")
def _lagged(x: jax.Array, runs: Segments, *, lags: Lags) -> jax.Array:
    offset = jnp.asarray(lags.samples, dtype=jnp.int32)
    source = jnp.arange(x.shape[0], dtype=jnp.int32)[:, None] - offset[None]
    inside = (source >= runs.start[:, None]) & (source < runs.stop[:, None])
    rows = x.at[source].get(mode="clip")  # (n_times, n_lags, n_features)
    return jnp.where(inside[:, :, None], rows, 0)
