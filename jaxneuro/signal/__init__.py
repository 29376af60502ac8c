"""Time: lags, trials, filters and spectrograms; energy of images."""

from ._cochlea import auditory_frequencies
from ._filters import detrend, gaussian_smooth, high_pass, resample, zscore
from ._gabor import GaborLayout, gabor_energy, gabor_layout
from ._lags import Lags, lagged
from ._mel import mel_frequencies, mel_spectrogram
from ._moments import Products, lagged_moments, products
from ._patch import gabor
from ._spectrogram import auditory_spectrogram
from ._sums import PADS, LaggedSums, lagged_sums
from ._trials import concatenate, split

__all__ = [
    "PADS",
    "GaborLayout",
    "LaggedSums",
    "Lags",
    "Products",
    "auditory_frequencies",
    "auditory_spectrogram",
    "concatenate",
    "detrend",
    "gabor",
    "gabor_energy",
    "gabor_layout",
    "gaussian_smooth",
    "high_pass",
    "lagged",
    "lagged_moments",
    "lagged_sums",
    "mel_frequencies",
    "mel_spectrogram",
    "products",
    "resample",
    "split",
    "zscore",
]
