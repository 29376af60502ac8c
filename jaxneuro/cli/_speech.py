"""Demo section: a speech spectrogram reconstructed from simulated electrodes."""

import argparse
import dataclasses
from typing import Any

import numpy as np

from .. import datasets, signal, viz
from ..core.progress import track
from ..estimators import TRF
from ._panels import canvas, signals_figure
from ._sources import SIMULATED, available, simulated_trials
from ._timing import timed
from .report import Figure, Section, Source, Table

__all__ = ["section"]

# Correlations in naplib's tutorial "Stimulus Reconstruction Basics", measured with
# naplib 2.6.0: of the whole spectrogram with one model for all bands, and the mean over
# bands with one model for each.
_NAPLIB = (0.67044, 0.59026)
_SHOWN = 5.0  # seconds in a figure


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Data:
    """Spectrograms (n_times, n_bands) and responses (n_times, n_channels)."""

    source: Source
    spec: list[np.ndarray]
    resp: list[np.ndarray]
    sfreq: float
    frequencies: np.ndarray | None
    times: list[tuple[str, float, float]]


def _load(*, fast: bool) -> _Data:
    """Prepare naplib's tutorial data as the tutorial does, or simulate."""
    real = available(
        "naplib's tutorial data",
        lambda: datasets.load_naplib_tutorial(show_progress=True),
    )
    if real is None:
        spec, resp = simulated_trials(fast=fast)
        return _Data(
            source=SIMULATED,
            spec=spec,
            resp=resp,
            sfreq=100.0,
            frequencies=None,
            times=[],
        )
    seconds = sum(sound.size for sound in real.sound) / real.sound_sfreq
    spec, time = timed(
        f"auditory spectrograms of {seconds:.0f} s of sound",
        lambda: _spectrograms(real),
    )
    every = np.concatenate(real.resp)
    mean, deviation = every.mean(axis=0), every.std(axis=0)
    return _Data(
        source=Source(
            kind="mixed",
            description=real.description,
            citation=real.citation,
            licence=real.licence,
        ),
        spec=spec,
        resp=[(trial - mean) / deviation for trial in real.resp],
        sfreq=real.sfreq,
        frequencies=signal.auditory_frequencies()[::4],
        times=[time],
    )


def _spectrograms(real: datasets.SpeechTutorial) -> list[np.ndarray]:
    """Auditory spectrograms, as long as the responses, of 32 bands instead of 128."""
    from scipy.signal import resample

    full = signal.auditory_spectrogram(real.sound, real.sound_sfreq)
    return [
        np.asarray(resample(resample(np.asarray(spec), len(resp)), 32, axis=1))
        for spec, resp in zip(full, real.resp, strict=True)
    ]


def section(options: argparse.Namespace) -> Section:
    """Reconstruct the spectrogram of the first trial from models of the others."""
    data = _load(fast=options.fast)
    searched = {"alphas": np.logspace(0, 7, 4 if options.fast else 8), "cv": "trials"}
    whole = [spec[:, None, :] for spec in data.spec]  # one target of 32 outputs
    jobs = {
        "one model of all bands, penalty 1": (whole, {"alpha": 1.0}),
        "one model per band, penalty 1": (data.spec, {"alpha": 1.0}),
        "one model per band, penalty searched": (data.spec, searched),
    }
    models, times = [], list(data.times)
    for name in track(jobs, show=True, desc="speech", unit="model"):
        target, strength = jobs[name]

        def fit(target: list = target, strength: dict = strength) -> Any:
            model = TRF(-0.4, 0.0, data.sfreq, dtype=options.dtype, **strength)
            return model.fit(data.resp[1:], target[1:])

        model, time = timed(name, fit)
        models.append(model)
        times.append(time)
    spec = data.spec[0]
    predicted = [
        model.predict(data.resp[:1])[0].reshape(spec.shape) for model in models
    ]
    r_whole = np.corrcoef(spec.ravel(), predicted[0].ravel())[0, 1]
    r_bands = [_by_band(spec, guess) for guess in predicted]
    measured = [float(r_whole), *(float(r.mean()) for r in r_bands[1:])]
    speech = "Simulated sounds" if data.source is SIMULATED else "Speech"
    return Section(
        title=f"{speech}: reconstruction of the spectrogram",
        source=data.source,
        paragraphs=[_METHOD] if data.source is SIMULATED else [_METHOD, _COMPARISON],
        tables=[_table(list(jobs), measured, data)],
        figures=_figures(data, predicted[2], r_bands[2], models[2]),
        times=times,
        summary=f"correlation {measured[0]:.4f} for all bands at once, "
        f"{measured[1]:.4f} per band",
    )


_METHOD = (
    "The spectrogram, at 100 Hz, is reconstructed from the responses of "
    "ten channels in the following 400 ms, as in naplib's tutorial on this subject. "
    "Models are fitted to trials 1 to 9 and tested on trial 0. For the model of all "
    "bands the correlation is that of all bands and times at once, which also counts "
    "the differences between the means of the bands; for models per band it is the "
    "mean over bands."
)
_COMPARISON = (
    "The numbers of naplib are those of its own auditory spectrogram. The one used "
    "here follows the same model of the cochlea with filters of its own design, so "
    "that the correlations agree closely but not to the last digit."
)


def _by_band(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    pairs = zip(true.T, predicted.T, strict=True)
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in pairs])


def _table(names: list[str], measured: list[float], data: _Data) -> Table:
    caption = "Correlation on the held-out trial"
    rows = [(name, f"{r:.5f}") for name, r in zip(names, measured, strict=True)]
    if data.source is SIMULATED:
        return Table(caption=caption, header=("Model", "Correlation"), rows=rows)
    compared = [
        (*row, f"{known:.5f}", f"{r - known:+.5f}")
        for row, known, r in zip(rows, _NAPLIB, measured, strict=False)
    ]
    return Table(
        caption=caption,
        header=("Model", "Correlation", "naplib 2.6.0", "Difference"),
        rows=[*compared, *((*row, "", "") for row in rows[len(_NAPLIB) :])],
    )


def _figures(
    data: _Data, predicted: np.ndarray, r_bands: np.ndarray, model: Any
) -> list[Figure]:
    shown = slice(0, round(_SHOWN * data.sfreq))
    spec = data.spec[0]
    label = "Magnitude (a.u.)"
    pair, axes = canvas(9.0, 4.8, 2)
    viz.reconstruction(
        spec[shown],
        predicted[shown],
        data.sfreq,
        frequencies=data.frequencies,
        label=label,
        ax=axes[:, 0],
    )
    scores, (row,) = canvas(9.0, 3.4, 1, 2)
    viz.alpha_curve(model.alphas_, model.alpha_scores_, chosen=model.alpha_, ax=row[0])
    viz.scores(r_bands, metric="Held-out correlation", ax=row[1])
    row[1].set_xlabel("Band")
    return [
        signals_figure(
            spec[shown],
            data.resp[0][shown],
            data.sfreq,
            frequencies=data.frequencies,
            stimulus_label=label,
            resp_unit="SD",
            caption=f"First {_SHOWN:g} s of the held-out trial: spectrogram and "
            "simulated responses.",
        ),
        Figure(
            figure=pair,
            caption="The same seconds, and their reconstruction by the models whose "
            "penalty was searched. The correlation is that of the seconds shown.",
        ),
        Figure(
            figure=scores,
            caption="Left: R² of the trials left out, against the penalty. Right: "
            "correlation of each band in the held-out trial.",
        ),
    ]
