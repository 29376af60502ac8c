"""Recordings that follow from planted receptive fields."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check

__all__ = ["reconstruction", "strfs"]

_STRF_SECONDS = 0.3  # window of the planted fields
_MODULATION_HZ = 3.0  # corner of the modulation spectrum, that of natural sounds
_MODULATION_SLOPE = 0.5  # of the amplitude: power falls as one over frequency squared
_BAND_SMOOTHNESS = 0.03  # spectral correlation length, as a fraction of all bands


def strfs(
    key: jax.Array, n_channels: int, n_bands: int, n_lags: int, *, sfreq: float = 100.0
) -> jax.Array:
    """Draw spectrotemporal receptive fields.

    Each field is a Gaussian over bands times a difference of two gamma-like courses:
    a response after 20 to 80 ms and a weaker one of opposite sign that follows.
    The centres are spread over all bands.

    Parameters
    ----------
    key : array
        Random key.
    n_channels : int
        Number of fields.
    n_bands : int
        Frequency bands.
    n_lags : int
        Lags from 0 on, in samples.
    sfreq : float
        Samples per second, in hertz.

    Returns
    -------
    array (n_lags, n_bands, n_channels)
        Fields of unit norm, laid out like the coefficients of ``trf.fit``. They are
        those of :func:`reconstruction` for the same key and sizes, whose window has
        ``round(0.3 * sfreq) + 1`` lags.

    Raises
    ------
    ValueError
        If a size is not positive.
    """
    _positive(n_channels=n_channels, n_bands=n_bands, n_lags=n_lags, sfreq=sfreq)
    return _strfs(key, sfreq, n_channels=n_channels, n_bands=n_bands, n_lags=n_lags)


def reconstruction(
    key: jax.Array,
    *,
    n_trials: int = 10,
    n_channels: int = 10,
    n_bands: int = 32,
    sfreq: float = 100.0,
    duration: float = 30.0,
    snr: float = 1.0,
) -> tuple[list[jax.Array], list[jax.Array]]:
    """Simulate responses to sounds from which the sounds can be reconstructed.

    Spectrograms have the slow, band-correlated loudness of natural sounds [1]_. Each
    channel's response is its receptive field of :func:`strfs` applied to the
    spectrogram, plus white noise.

    Parameters
    ----------
    key : array
        Random key.
    n_trials, n_channels, n_bands : int
        Sizes.
    sfreq : float
        Samples per second of responses and spectrograms, in hertz.
    duration : float
        Mean length of a trial in seconds; trials differ by up to a fifth of it.
    snr : float
        Variance of each channel's response over that of its noise; at 1 a perfect
        encoding model has an R² of 0.5.

    Returns
    -------
    resp : list of array (n_times_i, n_channels)
        Responses; mean near zero, unit variance of signal and noise together.
    spec : list of array (n_times_i, n_bands)
        Spectrograms, not negative.

    Raises
    ------
    ValueError
        If a size, the duration or the signal-to-noise ratio is not positive.

    References
    ----------
    .. [1] Singh & Theunissen, Modulation spectra of natural sounds and ethological
       theories of auditory processing, Journal of the Acoustical Society of America
       114, 2003, doi:10.1121/1.1624067.

    Examples
    --------
    >>> resp, spec = reconstruction(jax.random.key(0), n_trials=3, duration=2.0)
    >>> len(resp), resp[0].shape[1], spec[0].shape[1]
    (3, 10, 32)
    """
    _positive(n_trials=n_trials, sfreq=sfreq, duration=duration, snr=snr)
    n_lags = round(_STRF_SECONDS * sfreq) + 1
    fields = strfs(key, n_channels, n_bands, n_lags, sfreq=sfreq)
    _, k_length, k_noise = _keys(key)
    stretch = 0.8 + 0.4 * np.asarray(jax.random.uniform(k_length, (n_trials,)))
    n_times = np.maximum(1, np.rint(duration * sfreq * stretch)).astype(int)
    # All trials at the longest length, so that one compilation serves them.
    shape = (n_trials, int(n_times.max()), n_bands + 1 + n_channels)
    noise = jax.random.normal(k_noise, shape)
    sounds = _spectrograms(noise[..., : n_bands + 1], sfreq)
    resp = _responses(sounds, fields, noise[..., n_bands + 1 :], snr)
    return _cut(resp, n_times), _cut(sounds, n_times)


def _keys(key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Keys of fields, lengths and noise, so that both functions draw equal fields."""
    fields, lengths, noise = jax.random.split(key, 3)
    return fields, lengths, noise


def _bump(time: jax.Array, peak: jax.Array) -> jax.Array:
    """Gamma-like course with maximum 1 at `peak`."""
    ratio = time / peak
    return (ratio * jnp.exp(1 - ratio)) ** 3


@partial(jax.jit, static_argnames=("n_channels", "n_bands", "n_lags"))
def _strfs(
    key: jax.Array, sfreq: ArrayLike, *, n_channels: int, n_bands: int, n_lags: int
) -> jax.Array:
    uniform = jax.random.uniform(_keys(key)[0], (4, 1, n_channels))
    jitter, width, latency, sign = uniform
    dtype = jitter.dtype
    center = (jnp.arange(n_channels, dtype=dtype)[None] + jitter) / n_channels
    band = (jnp.arange(n_bands, dtype=dtype)[:, None] + 0.5) / n_bands
    spectral = jnp.exp(-0.5 * ((band - center) / (0.05 + 0.08 * width)) ** 2)
    peak = 0.02 + 0.06 * latency  # seconds
    time = jnp.arange(n_lags, dtype=dtype)[:, None] / sfreq
    temporal = _bump(time, peak) - 0.6 * _bump(time, 2 * peak)
    fields = jnp.where(sign < 0.8, temporal, -temporal)[:, None] * spectral[None]
    norm = jnp.sqrt(jnp.sum(fields**2, axis=(0, 1), keepdims=True))
    return fields / jnp.where(norm > 0, norm, 1)


@jax.jit
def _spectrograms(noise: jax.Array, sfreq: ArrayLike) -> jax.Array:
    """Shape white noise into loudness, array (n_trials, n_times, n_bands).

    The noise has one column per band and a last one that all bands share.
    """
    n_times, n_bands = noise.shape[1], noise.shape[2] - 1
    band, common = noise[..., :n_bands], noise[..., n_bands:]
    position = jnp.arange(n_bands, dtype=band.dtype) / (n_bands * _BAND_SMOOTHNESS)
    smooth = jnp.exp(-0.5 * (position[:, None] - position[None]) ** 2)
    smooth = smooth / jnp.sqrt(jnp.sum(smooth**2, axis=0, keepdims=True))
    mixed = jnp.matmul(band, smooth, precision="highest") + 0.7 * common
    frequency = jnp.arange(n_times // 2 + 1, dtype=band.dtype) * sfreq / n_times
    gain = (1 + (frequency / _MODULATION_HZ) ** 2) ** (-_MODULATION_SLOPE)
    spectrum = jnp.fft.rfft(mixed, axis=1) * gain[None, :, None].astype(complex)
    slow = jnp.fft.irfft(spectrum, n=n_times, axis=1)
    return jax.nn.softplus(1.5 * slow / jnp.std(slow))


@jax.jit
def _responses(
    sounds: jax.Array, fields: jax.Array, noise: jax.Array, snr: ArrayLike
) -> jax.Array:
    """Causal filtering of each trial, silence before its start, plus noise."""
    signal = jax.lax.conv_general_dilated(
        sounds,
        fields[::-1],
        window_strides=(1,),
        padding=[(fields.shape[0] - 1, 0)],
        dimension_numbers=("NWC", "WIO", "NWC"),
        precision="highest",
    )
    mean = jnp.mean(signal, axis=(0, 1), keepdims=True)
    level = jnp.std(signal, axis=(0, 1), keepdims=True)
    signal = (signal - mean) / jnp.where(level > 0, level, 1)
    return jnp.sqrt(snr / (1 + snr)) * signal + jnp.sqrt(1 / (1 + snr)) * noise


def _cut(trials: jax.Array, n_times: np.ndarray) -> list[jax.Array]:
    """Trim on the host: a slice on the device compiles once per length."""
    whole = np.asarray(trials)
    return [jnp.asarray(trial[:n]) for trial, n in zip(whole, n_times, strict=True)]


def _positive(**values: float) -> None:
    for name, value in values.items():
        if check.real_number(name, value) <= 0:
            raise ValueError(f"{name} is {value:g} but must be positive.")
