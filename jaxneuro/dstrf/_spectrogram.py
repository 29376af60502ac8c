"""The spectrogram that deep encoders of speech are given."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import check
from ..signal import mel_spectrogram

__all__ = ["spectrogram"]


def spectrogram(
    sound: ArrayLike,
    sfreq: float,
    *,
    n_bands: int = 64,
    fmin: float = 20.0,
    fmax: float | None = None,
    frame_rate: float = 100.0,
    window: float = 0.064,
    dynamic_range: float = 70.0,
) -> jax.Array:
    """Loudness of a sound in mel bands, from 0 to 1.

    Parameters
    ----------
    sound : array (n_samples,)
        Waveform.
    sfreq : float
        Sampling rate of the sound in hertz.
    n_bands, fmin, fmax, frame_rate, window
        As in :func:`jaxneuro.signal.mel_spectrogram`.
    dynamic_range : float
        Decibels below the loudest value at which loudness is 0, as silence is.

    Returns
    -------
    array (n_times, n_bands)
        1 at the loudest value of the sound; 0 throughout for silence.

    Raises
    ------
    ValueError
        As `mel_spectrogram`, or if `dynamic_range` is not positive.

    References
    ----------
    .. [1] ``SpectrogramParser`` of the DSTRF toolbox (naplab), whose bands are those
       of torchaudio.
    """
    dynamic_range = check.positive("dynamic_range", dynamic_range)
    power = mel_spectrogram(
        sound,
        sfreq,
        n_bands=n_bands,
        fmin=fmin,
        fmax=fmax,
        frame_rate=frame_rate,
        window=window,
    )
    loudest = power.max()
    share = power / jnp.where(loudest > 0, loudest, 1)
    floor = 10 ** (-dynamic_range / 10)
    return 10 / dynamic_range * jnp.log10(jnp.maximum(share, floor)) + 1
