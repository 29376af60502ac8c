"""Kernels of the signal room."""

from jaxneuro import signal

from .table import FOLD, LAGS, TRIAL, XY, L, N, P, Row, T, leading, moments_of

MODULES = ("signal",)
HOST = {
    "signal.auditory_frequencies": "a table",
    "signal.gabor_layout": "a table",
    "signal.mel_frequencies": "a table",
    "signal.concatenate": "takes a list of trials of unequal length",
    "signal.split": "returns a list of trials of unequal length",
}
ROWS = [
    Row(
        "signal.gabor",
        lambda numbers, center: signal.gabor(
            (5, 7),
            wavelength=4 + numbers[0],
            orientation=numbers[1],
            phase=numbers[2],
            sigma=2 + numbers[3] ** 2,
            center=center,
        ),
        {"numbers": (4, T), "center": (T, 2)},
        (T, 5, 7),
    ),
    Row(
        "signal.lagged",
        lambda x: signal.lagged(x, LAGS, trial_id=TRIAL),
        {"x": (N, P)},
        (N, L, P),
    ),
    Row(
        "signal.lagged_sums",
        lambda X, Y: signal.lagged_sums(X, Y, LAGS, trial_id=TRIAL, group_id=FOLD),
        XY,
        {
            "row": (2, L, P, P + T + 1),
            "y_sum": (2, T),
            "yy": (2, T),
            "n": (2,),
            "source": (N, P),
            "edges": (2, 4, 4),
            "frame": {"x_shift": (P,), "fill": (P,), "y_shift": (T,)},
        },
    ),
    Row(
        "signal.products",
        lambda X, Y: signal.products(signal.lagged_sums(X, Y, LAGS, trial_id=TRIAL)),
        XY,
        {
            "n": (),
            "x_sum": (L * P,),
            "y_sum": (T,),
            "xx": (L * P, L * P),
            "xy": (L * P, T),
            "yy": (T,),
            "x_shift": (L * P,),
            "y_shift": (T,),
        },
    ),
    Row(
        "signal.lagged_moments",
        lambda X, Y: signal.lagged_moments(X, Y, LAGS, trial_id=TRIAL, fold_id=FOLD),
        XY,
        leading(2, moments_of(L * P)),
    ),
    Row(
        "signal.zscore",
        lambda x: signal.zscore(x, trial_id=TRIAL),
        {"x": (N, P)},
        (N, P),
    ),
    Row(
        "signal.detrend",
        lambda x: signal.detrend(x, trial_id=TRIAL),
        {"x": (N, P)},
        (N, P),
    ),
    Row(
        "signal.resample",
        lambda x: signal.resample(x, 25),
        {"x": (N, P)},
        (25, P),
    ),
    Row(
        "signal.gaussian_smooth",
        lambda x: signal.gaussian_smooth(x, 1.5, trial_id=TRIAL),
        {"x": (N, P)},
        (N, P),
    ),
    Row(
        "signal.high_pass",
        lambda x: signal.high_pass(x, 0.1, 1.0, trial_id=TRIAL),
        {"x": (N, P)},
        (N, P),
    ),
    Row(
        "signal.mel_spectrogram",
        lambda sound: signal.mel_spectrogram(sound, 1000, n_bands=5),
        {"sound": (170,)},
        (17, 5),
    ),
    Row(
        "signal.auditory_spectrogram",
        lambda sound: signal.auditory_spectrogram(sound, 1000, frame_rate=50),
        {"sound": (170,)},
        (9, 128),
    ),
    Row(
        "signal.gabor_energy",
        lambda images: signal.gabor_energy(
            images, n_scales=2, n_orientations=3, grid=(2, 1)
        ),
        {"images": (5, 11, 8)},
        (5, 12),
    ),
]
