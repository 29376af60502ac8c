"""Noise whose autocorrelation is that of the residuals, tapered.

Time lies on a circle that is longer than the data by the lags of the taper after each
run, so that the covariance is diagonal in waves, with the spectrum of the tapered
autocorrelation [1]_. A scan without data, there or among the runs, is a column of the
design that is one in it alone: generalised least squares on the circle is then that
of the scans that are there, with their own covariance, and no edge is whitened by
data that are not there. FILM whitens a run between zeros instead.

References
----------
.. [1] Woolrich et al., NeuroImage 14 (2001) 1370-1386, doi:10.1006/nimg.2001.0931;
   ``film_gls`` of FSL, here without its smoothing of autocorrelations over space.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ..core.linalg import dot, lower_solve
from ..core.struct import static, struct
from ._noise import Stretch, stretches
from ._sampling_error import NoiseError, is_short, lag_covariance, record_errors
from ._yule import expected_products, lag_sums

__all__ = [
    "TukeySpectrum",
    "Waves",
    "make_waves",
    "tapered",
    "tukey_error",
    "tukey_factor",
    "tukey_normal",
    "whiten",
]

# Least power of a frequency, the mean being 1: a taper may leave none, or less.
_FLOOR = 0.01
_LEAST = 0.1  # of the scans, that a direction of autocovariances keeps


@struct
class TukeySpectrum:
    """What contrasts need: the information as a sum over frequencies.

    Attributes
    ----------
    cosines : array (n_frequencies, n_lags)
        From autocorrelations at lags 1, 2, ... to power less 1.
    products : array (n_frequencies, n_missing + rank, n_missing + rank)
        Of the design in waves, the columns of missing scans first.
    taper : array (n_lags,)
        At lags 1, 2, ...
    n_missing : int
        Scans of the circle without data.
    """

    cosines: np.ndarray
    products: np.ndarray
    taper: np.ndarray
    n_missing: int = static()  # type: ignore[assignment]  # a dataclass field


@struct
class Waves:
    """What the fit needs besides.

    Attributes
    ----------
    pairs : Stretch
        Gaps, for lag products.
    solve : array (n_lags + 1, n_lags + 1)
        From lag products of residuals to autocovariances, without their bias.
    waves : array (n_circle, n_kept)
        Orthonormal cosines and sines at the scans that are used.
    frequency : int array (n_circle,)
        Of each wave.
    place : int array (n_kept,)
        Of the scans on the circle.
    design : array (n_circle, n_missing + rank)
        Columns of the missing scans and the design, in waves.
    """

    pairs: Stretch
    solve: np.ndarray
    waves: np.ndarray
    frequency: np.ndarray
    place: np.ndarray
    design: np.ndarray


def make_waves(
    q: np.ndarray, run_id: np.ndarray, keep: np.ndarray, order: int
) -> tuple[TukeySpectrum, Waves]:
    """Bring a design into waves (host, float64).

    Parameters
    ----------
    q : array (n_kept, rank)
        Orthonormal design.
    run_id, keep : array (n_times,)
        Run of each scan, and whether it is used.
    order : int
        Lag from which the taper is zero.

    Returns
    -------
    TukeySpectrum, Waves
        In float64.
    """
    n_lags = order - 1
    (pairs,) = stretches(run_id, keep, n_lags, stationary=False)
    lags = np.arange(1, order)
    number = np.cumsum(~pairs.same[0])
    taper = 0.5 * (1 + np.cos(np.pi * lags / order))
    border = np.cumsum(np.diff(run_id, prepend=run_id[0]) != 0)
    place = np.arange(run_id.size) + n_lags * border
    size = int(place[-1]) + order
    used = place[keep]
    missing = np.setdiff1d(np.arange(size), used)
    frequency = (np.arange(size) + 1) // 2
    phase = 2 * np.pi / size * np.outer(frequency, np.arange(size))
    odd = (np.arange(size) % 2 == 1)[:, None]
    # Waves 0, cos 1, sin 1, cos 2, ...; with an even size the last cosine is alone.
    waves = np.where(odd, np.cos(phase), np.sin(phase)) * np.sqrt(2 / size)
    waves[0] = 1 / np.sqrt(size)
    if size % 2 == 0:
        waves[-1] /= np.sqrt(2)
    design = np.concatenate([waves[:, missing], waves[:, used] @ q], axis=1)
    outer = design[:, :, None] * design[:, None]
    products = np.add.reduceat(outer, np.append(0, np.arange(1, size, 2)))
    angles = 2 * np.pi / size * np.arange(size // 2 + 1)
    spectrum = TukeySpectrum(
        cosines=2 * np.cos(np.outer(angles, lags)),
        products=products,
        taper=taper,
        n_missing=missing.size,
    )
    return spectrum, Waves(
        pairs=pairs,
        solve=_solve(expected_products(q, number, n_lags)[:, :order]),
        waves=waves[:, used],
        frequency=frequency,
        place=used,
        design=design,
    )


def _solve(expected: np.ndarray) -> np.ndarray:
    """Invert the map to lag products, as far as the design determines it.

    Directions that regression takes out nearly are not blown up.
    """
    u, size, vt = np.linalg.svd(expected)
    return (vt.T / np.maximum(size, _LEAST * size[0])) @ u.T


def tapered(spectrum: TukeySpectrum, plan: Waves, e: jax.Array) -> jax.Array:
    """Tapered autocorrelations of residuals.

    Parameters
    ----------
    spectrum, plan
        Of the design.
    e : array (n_kept, n_targets)
        Least squares residuals.

    Returns
    -------
    array (n_lags, n_targets)
        At lags 1, 2, ...
    """
    gamma = dot(plan.solve, lag_sums(e, plan.pairs))
    return jnp.asarray(spectrum.taper)[:, None] * gamma[1:] / gamma[:1]


def _weights(spectrum: TukeySpectrum, ar: jax.Array) -> jax.Array:
    """Inverse power (n_frequencies, n_targets)."""
    power = 1 + dot(spectrum.cosines, ar)
    return 1 / jnp.maximum(power, jnp.asarray(_FLOOR, power.dtype))


def _full_factor(spectrum: TukeySpectrum, weights: jax.Array) -> jax.Array:
    size = spectrum.products.shape[1]
    flat = dot(weights.T, spectrum.products.reshape(-1, size * size))
    full = flat.reshape(-1, size, size)
    return jax.lax.linalg.cholesky(full, symmetrize_input=False)


def tukey_factor(spectrum: TukeySpectrum, ar: jax.Array) -> jax.Array:
    """Factor the information of every voxel.

    Parameters
    ----------
    spectrum : TukeySpectrum
        Of the design.
    ar : array (n_lags, n_targets)
        Tapered autocorrelations.

    Returns
    -------
    array (n_targets, rank, rank)
        Lower triangular.
    """
    first = spectrum.n_missing
    return _full_factor(spectrum, _weights(spectrum, ar))[:, first:, first:]


def whiten(
    spectrum: TukeySpectrum, plan: Waves, e: jax.Array, ar: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Solve the normal equations of every voxel.

    Parameters
    ----------
    spectrum, plan
        Of the design.
    e : array (n_kept, n_targets)
        Least squares residuals.
    ar : array (n_lags, n_targets)
        Tapered autocorrelations.

    Returns
    -------
    array (rank, n_targets)
        What generalised least squares adds to the coordinates.
    array (n_targets,)
        Sum of squares that is left, whitened; the data have variance 1.
    array (n_targets, rank, rank)
        As :func:`tukey_factor` gives it.
    """
    weights = _weights(spectrum, ar)
    factor = _full_factor(spectrum, weights)
    on_waves = dot(plan.waves, e)
    scaled = on_waves * weights[plan.frequency]
    half = lower_solve(factor, dot(plan.design.T, scaled).T[..., None])
    squares = jnp.sum(on_waves * scaled, axis=0) - jnp.sum(half**2, axis=(1, 2))
    first = spectrum.n_missing
    own = factor[:, first:, first:]
    step = lower_solve(own, half[:, first:], transpose=True)[..., 0].T
    return step, squares, own


def tukey_normal(spectrum: TukeySpectrum, ar: np.ndarray) -> np.ndarray:
    """Information at one set of autocorrelations (host).

    Parameters
    ----------
    spectrum : TukeySpectrum
        Of the design.
    ar : array (n_lags,)
        Tapered autocorrelations.

    Returns
    -------
    array (rank, rank)
        Per unit of the variance of the innovations.
    """
    power, innovations = _power(spectrum, ar)
    full = np.tensordot(innovations / power, spectrum.products, 1)
    first = spectrum.n_missing
    cross = np.linalg.solve(full[:first, :first], full[:first, first:])
    return full[first:, first:] - full[first:, :first] @ cross


def tukey_error(
    spectrum: TukeySpectrum,
    plan: Waves,
    ar: np.ndarray,
    q: np.ndarray,
) -> NoiseError:
    """Find the errors of one target's autocorrelations (host, float64).

    Parameters
    ----------
    spectrum, plan
        Of the design.
    ar : array (n_lags,)
        Tapered autocorrelations, in place of the true ones.
    q : array (n_kept, rank)
        Orthonormal design.

    Returns
    -------
    NoiseError
        For a long series by the formula of these [1]_, without the weights'.

    References
    ----------
    .. [1] Bartlett, Supplement to the Journal of the Royal Statistical Society 8
       (1946) 27-41.
    """
    n_lags = ar.size
    if not is_short(len(q), n_lags):
        return record_errors(ar, _spread(spectrum, ar) / len(q), q)
    lag = np.abs(np.subtract.outer(plan.place, plan.place))

    def dense(values: np.ndarray) -> np.ndarray:
        power, innovations = _power(spectrum, values)
        return np.fft.irfft(power, plan.frequency.size)[lag] / innovations

    cov = dense(ar)
    cov /= cov[0, 0]
    number = np.cumsum(~plan.pairs.same[0])
    sums = plan.solve @ lag_covariance(cov, q, number, n_lags) @ plan.solve.T
    slope = np.column_stack([-ar, np.diag(spectrum.taper)])
    return record_errors(ar, slope @ sums @ slope.T, q, dense)


def _power(spectrum: TukeySpectrum, ar: np.ndarray) -> tuple[np.ndarray, float]:
    """Power of each frequency, and by Szego's theorem that of the innovations."""
    power = np.maximum(1 + spectrum.cosines @ ar, _FLOOR)
    return power, float(np.exp(np.mean(np.log(power))))


def _spread(spectrum: TukeySpectrum, ar: np.ndarray) -> np.ndarray:
    """Covariance of the estimates times the number of scans, for long series."""
    n_lags = ar.size
    rho = np.concatenate([ar[::-1], [1.0], ar])
    # The sums of products over all lags are a correlation of rho with itself.
    both = np.pad(np.correlate(rho, rho, "full"), n_lags)
    middle = 3 * n_lags
    i, j = np.indices((n_lags, n_lags)) + 1
    one, two = (ar / spectrum.taper)[i - 1], (ar / spectrum.taper)[j - 1]
    cov = both[middle + j - i] + both[middle + i + j] + 2 * one * two * both[middle]
    cov = cov - 2 * one * both[middle + j] - 2 * two * both[middle + i]
    return spectrum.taper[i - 1] * spectrum.taper[j - 1] * cov
