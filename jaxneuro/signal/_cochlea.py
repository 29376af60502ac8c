"""The cochlear filter bank of the auditory spectrogram, designed on the host."""

import dataclasses
import math
from fractions import Fraction
from functools import lru_cache

import numpy as np

from ._sizes import fast_length

__all__ = [
    "Group",
    "Plan",
    "auditory_frequencies",
    "cochlear_bank",
    "difference_bank",
    "plan",
    "transfer",
]

N_CHANNELS = 128
STEP = 2 ** (1 / 24)  # ratio of neighboring frequencies

# A filter on a logarithmic frequency axis: gentle below its edge, steep above it, on
# a floor. Without the floor the phase of so steep an edge would ring for seconds.
LOW_SLOPE, HIGH_SLOPE, FLOOR = 16.0, 550.0, -21.0  # dB/octave, dB/octave, dB
NEPER = 20 / math.log(10)  # dB
PER_UNIT = 2048  # points of the prototype's frequency axis per edge frequency

OVERLAP = 0.25  # s; the slowest filter has decayed by 60 dB
GUARD = 0.01  # s; what a block's end, a jump, disturbs before it
BLOCK = 2.5  # s; long against the overlap, short enough for the cache
LONGEST = 30.0  # s; the longest time on which samples and frames may first coincide

# Channels up to each frequency share the rate of their envelopes, and the rate of their
# waveforms, all in Hz. A channel is 6 % of its frequency wide. Compression adds a third
# harmonic, which matters below the 318 Hz where the membrane begins to filter.
RATES = (
    (500.0, 300.0, 4e3),
    (1e3, 500.0, 8e3),
    (2e3, 1e3, 16e3),
    (np.inf, 2e3, 16e3),
)
MEMBRANE = 0.0005  # s; time constant of the hair cell's membrane


def auditory_frequencies() -> np.ndarray:
    """Center frequencies of the auditory spectrogram.

    128 channels, 24 to the octave, from 188 Hz to 7.35 kHz.

    Returns
    -------
    array (128,)
        Frequency in hertz to which each channel responds most, ascending.

    Examples
    --------
    >>> auditory_frequencies()[[0, 127]].round().tolist()
    [188.0, 7350.0]
    """
    return 440 * STEP ** (np.arange(N_CHANNELS) - 29.5)


@dataclasses.dataclass(frozen=True)
class Group:
    """Channels computed at one rate.

    Attributes
    ----------
    first, last : int
        Channels from `first` up to but not including `last`.
    n_sub : int
        Samples of the envelope per frame.
    n_fold : int
        Spectra as long as the envelope's that cover the filters.
    n_fine : int
        Samples of the waveform per frame, for hair cells that compress.
    """

    first: int
    last: int
    n_sub: int
    n_fold: int
    n_fine: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a sound is cut into blocks that overlap.

    Attributes
    ----------
    hop, overlap : int
        Samples of sound that a block adds, and that it repeats.
    hop_frames, overlap_frames : int
        The same in frames.
    guard, guard_frames : int
        Samples and frames at the end of a block that only the next one yields.
    groups : tuple of Group
        Channels by rate.
    """

    hop: int
    overlap: int
    hop_frames: int
    overlap_frames: int
    guard: int
    guard_frames: int
    groups: tuple[Group, ...]

    @property
    def length(self) -> int:
        """Samples of a block."""
        return self.hop + self.overlap

    @property
    def n_frames(self) -> int:
        """Frames of a block."""
        return self.hop_frames + self.overlap_frames


@lru_cache(maxsize=32)
def plan(sfreq: float, frame_rate: float) -> Plan:
    """Choose block lengths that hold whole numbers of samples and of frames.

    Parameters
    ----------
    sfreq, frame_rate : float
        Samples and frames per second.

    Returns
    -------
    Plan
        Blocks of about 2.5 s.

    Raises
    ------
    ValueError
        If samples and frames coincide less than once in 30 s.
    """
    ratio = Fraction(sfreq / frame_rate).limit_denominator(4000)
    unit = ratio.numerator / sfreq
    if abs(float(ratio) * frame_rate / sfreq - 1) > 1e-9 or unit > LONGEST:
        raise ValueError(
            f"sfreq is {sfreq:g} Hz and frame_rate {frame_rate:g} Hz, which coincide "
            f"less than once in {LONGEST:g} s; resample the sound or choose another "
            "frame_rate."
        )
    n_overlap = math.ceil(OVERLAP / unit)
    n_units = fast_length(max(math.ceil(BLOCK / unit), 2 * n_overlap))
    n_frames = n_units * ratio.denominator
    groups, first, centers = [], 0, auditory_frequencies()
    for top, rate, fine_rate in RATES:
        last = int(np.searchsorted(centers, top))
        n_sub = fast_length(math.ceil(rate / frame_rate))
        highest = min(1.25 * centers[last - 1], sfreq / 2) * n_units * unit
        n_fold = math.ceil((highest + 1) / (n_frames * n_sub))
        # An even number, since the spectrum of a waveform ends at half its rate.
        n_fine = 2 * fast_length(math.ceil(fine_rate / frame_rate / 2))
        groups.append(Group(first, last, n_sub, n_fold, n_fine))
        first = last
    n_guard = math.ceil(GUARD * frame_rate)
    return Plan(
        hop=(n_units - n_overlap) * ratio.numerator,
        overlap=n_overlap * ratio.numerator,
        hop_frames=(n_units - n_overlap) * ratio.denominator,
        overlap_frames=n_overlap * ratio.denominator,
        guard=math.ceil(n_guard * ratio),
        guard_frames=n_guard,
        groups=tuple(groups),
    )


@lru_cache(maxsize=1)
def _prototype() -> tuple[np.ndarray, np.ndarray, float, float]:
    """One filter with its edge at 1, minimum phase, and what its difference peaks at.

    Returns log magnitude and phase on a linear axis with PER_UNIT points per unit,
    and where and how high its difference from the next filter peaks.
    """
    n = 2**17
    axis = np.arange(n // 2 + 1) / PER_UNIT
    octaves = np.log2(np.maximum(axis, 0.5 / PER_UNIT))
    low, edge = LOW_SLOPE / NEPER, (LOW_SLOPE + HIGH_SLOPE) / NEPER
    log_magnitude = low * octaves - np.logaddexp(0, edge * octaves)
    log_magnitude -= log_magnitude.max()
    log_magnitude = np.logaddexp(2 * log_magnitude, 2 * FLOOR / NEPER) / 2
    # The phase of a minimum-phase filter follows from its log magnitude: fold the
    # cepstrum onto positive times.
    cepstrum = np.fft.irfft(log_magnitude)
    cepstrum[1 : n // 2] *= 2
    cepstrum[n // 2 + 1 :] = 0
    phase = np.fft.rfft(cepstrum).imag
    fine = np.linspace(0.8, 1.2, 40001)
    magnitude = np.abs(
        _evaluate(log_magnitude, phase, fine)
        - _evaluate(log_magnitude, phase, fine / STEP)
    )
    peak = int(magnitude.argmax())
    return log_magnitude, phase, float(fine[peak]), float(magnitude[peak])


def _evaluate(log_magnitude: np.ndarray, phase: np.ndarray, ratio: np.ndarray):
    axis = np.arange(log_magnitude.size) / PER_UNIT
    return np.exp(
        np.interp(ratio, axis, log_magnitude) + 1j * np.interp(ratio, axis, phase)
    )


def transfer(frequency: np.ndarray, channels: np.ndarray) -> np.ndarray:
    """Evaluate the transfer functions of cochlear filters.

    Parameters
    ----------
    frequency : array (n_frequencies,)
        Hertz, not above 32 times the frequency of any of the channels.
    channels : int array (n_channels,)
        Which filters; 128 is the neighbor of the last channel.

    Returns
    -------
    complex array (n_channels, n_frequencies)
        Scaled so that the difference of neighbors peaks at 1.
    """
    log_magnitude, phase, at, height = _prototype()
    edges = 440 * STEP ** (channels - 29.5) / at
    ratio = frequency / edges[:, None]
    return _evaluate(log_magnitude, phase, ratio) / height


@lru_cache(maxsize=4)
def difference_bank(
    sfreq: float, frame_rate: float, dtype: str
) -> tuple[np.ndarray, ...]:
    """Design the differences of neighboring filters, on the spectrum of a block.

    Lateral inhibition is linear when the hair cell is, so each channel is one filter.
    The bank holds positive frequencies only: its output is the analytic signal,
    whose modulus over pi is the mean of the half-wave rectified signal.

    Parameters
    ----------
    sfreq, frame_rate : float
        Samples and frames per second.
    dtype : str
        Complex type of the result.

    Returns
    -------
    tuple of complex array (n_channels, n_fold, n_bins)
        One per group of channels; summing over n_fold decimates to the group's rate.
    """
    blocks = plan(sfreq, frame_rate)
    bank = []
    for group in blocks.groups:
        n_bins = blocks.n_frames * group.n_sub
        bins = np.arange(group.n_fold * n_bins)
        edges = transfer(
            bins * sfreq / blocks.length, np.arange(group.first, group.last + 1)
        )
        # Half a sample of delay puts the envelope's samples in mid-interval.
        scale = 2 * n_bins / (np.pi * blocks.length)
        middle = scale * np.exp(1j * np.pi * bins / n_bins)
        middle[2 * bins > blocks.length] = 0
        filters = ((edges[:-1] - edges[1:]) * middle).astype(dtype)
        bank.append(filters.reshape(group.last - group.first, group.n_fold, n_bins))
    return tuple(bank)


@lru_cache(maxsize=2)
def cochlear_bank(
    sfreq: float, frame_rate: float, dtype: str
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Design single filters, and the membrane of hair cells that compress.

    Parameters
    ----------
    sfreq, frame_rate : float
        Samples and frames per second.
    dtype : str
        Complex type of the result.

    Returns
    -------
    tuple of pairs of complex array (n_channels + 1, n_bins), (n_bins,)
        One pair per group of channels: cochlear filters from the neighbor above
        the group down to its lowest channel, and the membrane's low-pass filter.
    """
    blocks = plan(sfreq, frame_rate)
    bank = []
    for group in blocks.groups:
        n_fine = blocks.n_frames * group.n_fine
        bins = np.arange(n_fine // 2 + 1)
        frequency = bins * sfreq / blocks.length
        edges = transfer(frequency, np.arange(group.first, group.last + 1)[::-1])
        # The floor reaches the end of the spectrum; cut off there it would ring.
        end = min(blocks.length, n_fine) / 2
        taper = np.cos(np.pi / 2 * np.clip(10 * bins / end - 9, 0, 1)) ** 2
        middle = np.exp(1j * np.pi * bins / n_fine) * taper * (n_fine / blocks.length)
        membrane = 1 / (1 + 2j * np.pi * frequency * MEMBRANE)
        bank.append(((edges * middle).astype(dtype), membrane.astype(dtype)))
    return tuple(bank)
