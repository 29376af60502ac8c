"""Power of sound in mel bands."""

import math
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ._sizes import fast_length, few

__all__ = ["mel_frequencies", "mel_spectrogram"]

FRAMES = 512  # frames computed at once
SILENCE = 1e-10  # power at which decibels end


def mel_frequencies(
    n_bands: int = 64, *, fmin: float = 20.0, fmax: float = 8000.0
) -> np.ndarray:
    """Center frequencies of the bands of a mel spectrogram.

    The mel scale [1]_ is m = 2595 log10(1 + f / 700).

    Parameters
    ----------
    n_bands : int
        Number of bands.
    fmin, fmax : float
        Lower end of the first band and upper end of the last in hertz.

    Returns
    -------
    array (n_bands,)
        Frequencies in hertz, equally spaced in mel.

    Raises
    ------
    ValueError
        If `n_bands` is less than 1, or not 0 <= `fmin` < `fmax`.

    References
    ----------
    .. [1] O'Shaughnessy, Speech Communication: Human and Machine, 1987.

    Examples
    --------
    >>> mel_frequencies(3, fmin=0, fmax=4000).round().tolist()
    [492.0, 1330.0, 2757.0]
    """
    return _edges(n_bands, fmin, fmax)[1:-1]


def mel_spectrogram(
    sound: ArrayLike,
    sfreq: float,
    *,
    n_bands: int = 64,
    fmin: float = 20.0,
    fmax: float | None = None,
    frame_rate: float = 100.0,
    window: float = 0.025,
    decibels: bool = False,
) -> jax.Array:
    """Power of a sound in mel bands.

    Power spectra of Hann windows are summed with triangular weights that rise from
    the center of the band below and fall to the center of the band above, equally
    spaced on the mel scale m = 2595 log10(1 + f / 700) [1]_. The bands overlap to a
    weight of 1, so they add up to the power of the sound: a tone of amplitude a has
    a^2 / 2. Frame n is centered on time n / `frame_rate`; beyond its ends the sound
    is zero.

    Parameters
    ----------
    sound : array (n_samples,)
        Waveform.
    sfreq : float
        Sampling rate of the sound in hertz.
    n_bands : int
        Number of bands. Default: 64.
    fmin, fmax : float
        Lower end of the first band and upper end of the last in hertz. Default: 20,
        and 8000 or half of `sfreq`, whichever is less.
    frame_rate : float
        Frames per second of the result, in hertz. Default: 100.
    window : float
        Length of the Hann window in seconds. Default: 0.025.
    decibels : bool
        Whether to return 10 log10 of the power, not less than -100. Default: power.

    Returns
    -------
    array (n_times, n_bands)
        ``n_times`` is n_samples * `frame_rate` / `sfreq`, rounded up.

    Raises
    ------
    ValueError
        If `sound` is empty or not one-dimensional, a rate or `window` is not
        positive, `n_bands` is less than 1, or not 0 <= `fmin` < `fmax` <= half of
        `sfreq`.

    Notes
    -----
    Bands, weights and scale are ours: librosa and others weight by the area of a band,
    or define the mel scale by parts. Beside the sound and the result, the memory in
    use is that of 512 spectra.

    References
    ----------
    .. [1] O'Shaughnessy, Speech Communication: Human and Machine, 1987.
    .. [2] Davis & Mermelstein, IEEE Trans. Acoust. Speech Signal Process. 28, 1980,
       10.1109/TASSP.1980.1163420.

    Examples
    --------
    >>> mel_spectrogram(jnp.zeros(16000), 16000, n_bands=32).shape
    (100, 32)
    """
    if np.ndim(sound) != 1 or np.size(sound) == 0:
        raise ValueError(
            f"sound has shape {np.shape(sound)} but must be a non-empty "
            "one-dimensional array; average the channels of a stereo sound."
        )
    sound = check.float_array("sound", sound)
    sfreq = check.positive("sfreq", sfreq)
    frame_rate = check.positive("frame_rate", frame_rate)
    window = check.positive("window", window)
    fmax = min(8000.0, sfreq / 2) if fmax is None else fmax
    if fmax > sfreq / 2:
        raise ValueError(
            f"fmax is {fmax:g} Hz but a sound sampled at {sfreq:g} Hz ends at "
            f"{sfreq / 2:g} Hz; lower fmax."
        )
    n_times = math.ceil(sound.size * frame_rate / sfreq * (1 - 1e-12))
    shape, weights, n_fft = _design(sfreq, n_bands, fmin, fmax, window)
    dtype = jnp.float64 if sound.dtype == jnp.float64 else jnp.float32
    # Frames and samples are padded to few different numbers, each of which compiles.
    n_frames = -(-few(n_times) // FRAMES) * FRAMES
    start = np.round(np.arange(n_frames) * (sfreq / frame_rate)).astype(np.int32)
    before = shape.size // 2
    after = few(sound.size) - sound.size + shape.size
    power = _mel(
        jnp.pad(sound.astype(dtype), (before, after)),
        np.minimum(start, sound.size),
        jnp.asarray(shape, dtype),
        jnp.asarray(weights, dtype),
        n_fft=n_fft,
    )[:n_times]
    if decibels:
        power = 10 * jnp.log10(jnp.maximum(power, SILENCE))
    return power.astype(sound.dtype)


def _edges(n_bands: int, fmin: float, fmax: float) -> np.ndarray:
    """Corners of the triangles in hertz, (n_bands + 2,)."""
    if n_bands < 1:
        raise ValueError(f"n_bands is {n_bands} but must be at least 1.")
    if not 0 <= fmin < fmax:
        raise ValueError(
            f"fmin is {fmin:g} Hz and fmax {fmax:g} Hz; fmin must not be negative and "
            "fmax must be larger."
        )
    low, high = 2595 * np.log10(1 + np.array([fmin, fmax]) / 700)
    return 700 * (10 ** (np.linspace(low, high, n_bands + 2) / 2595) - 1)


@lru_cache(maxsize=8)
def _design(
    sfreq: float, n_bands: int, fmin: float, fmax: float, window: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Hann window of odd length, weights (n_bins, n_bands), length of the spectra."""
    edges = _edges(n_bands, fmin, fmax)
    n_window = 2 * round(window * sfreq / 2) + 1
    shape = np.hanning(n_window + 2)[1:-1]
    # Spectra are interpolated until the narrowest band has a bin on either side.
    n_fft = fast_length(max(n_window, math.ceil(2 * sfreq / (edges[1] - edges[0]))))
    frequency = np.arange(n_fft // 2 + 1) * sfreq / n_fft
    rising = (frequency[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequency[:, None]) / (edges[2:] - edges[1:-1])
    weights = np.clip(np.minimum(rising, falling), 0, None)
    return shape, weights * 2 / (n_fft * (shape**2).sum()), n_fft


@partial(jax.jit, static_argnames="n_fft")
def _mel(
    sound: jax.Array,
    start: jax.Array,
    shape: jax.Array,
    weights: jax.Array,
    *,
    n_fft: int,
) -> jax.Array:
    """Frames that begin at `start`, (n_frames, n_bands)."""
    offsets = jnp.arange(shape.size, dtype=start.dtype)

    def block(first: jax.Array) -> jax.Array:
        pieces = sound[first[:, None] + offsets[None]]
        spectrum = jnp.fft.rfft(pieces * shape[None], n_fft)
        power = spectrum.real**2 + spectrum.imag**2
        return jnp.matmul(power, weights, precision="highest")

    power = jax.lax.map(block, start.reshape(-1, FRAMES))
    return power.reshape(start.size, -1)
