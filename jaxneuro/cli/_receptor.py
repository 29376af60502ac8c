"""Demo section: an auditory receptor's receptive field, and the sound it heard."""

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from .. import datasets, signal, trf, viz
from ..core.progress import track
from ..estimators import TRF
from ._panels import canvas, fields_figure, signals_figure
from ._sources import SIMULATED, available, simulated_trials
from ._timing import timed
from .report import Figure, Section, Source, Table

__all__ = ["section"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Data:
    """Stimuli and responses of one or several recordings, cut into trials.

    `recordings` maps a name to (stimulus, response), lists of (n_times, n_bands) and
    (n_times, n_channels); the last `n_test` trials of each are held out.
    """

    source: Source
    recordings: dict[str, tuple[list[np.ndarray], list[np.ndarray]]]
    n_test: int
    sfreq: float
    window: float
    stimulus_label: str
    stimulus_unit: str
    resp_unit: str
    shown: float  # seconds in a figure


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Fitted:
    """A model, the trials held out of it, and its scores on them."""

    name: str
    direction: str
    model: Any
    X: list[np.ndarray]
    Y: list[np.ndarray]
    scores: dict[str, np.ndarray]
    time: tuple[str, float, float]

    def row(self) -> tuple:
        """Means over targets, as a row of the table."""
        alpha = float(np.median(self.model.alpha_))
        cv, r2, r = (
            float(np.mean(values))
            for values in (
                self.model.cv_scores_,
                self.scores["r2"],
                self.scores["correlation"],
            )
        )
        return (self.name, self.direction, alpha, cv, r2, r)


def _load(*, fast: bool) -> _Data:
    """Cut the grasshopper's stimuli into trials of one second, or simulate."""
    real = available("The grasshopper recording", datasets.load_grasshopper)
    if real is None:
        return _Data(
            source=SIMULATED,
            recordings={"simulation": simulated_trials(fast=fast)},
            n_test=2,
            sfreq=100.0,
            window=0.3,
            stimulus_label="Magnitude (a.u.)",
            stimulus_unit="a.u.",
            resp_unit="a.u.",
            shown=5.0,
        )
    recordings = {}
    for index, cutoff in enumerate(real.cutoff):
        # Around its mean, so that zero beyond a trial's edges is the mean level.
        level = 20 * np.log10(real.envelope[index])
        level -= level.mean()
        rate = real.resp[index] * real.sfreq
        name = f"modulation up to {cutoff:g} Hz"
        recordings[name] = (np.split(level, 10), np.split(rate, 10))
    return _Data(
        source=Source(
            kind="real",
            description=real.description,
            citation=real.citation,
            licence=real.licence,
        ),
        recordings=recordings,
        n_test=2,
        sfreq=real.sfreq,
        window=0.02,
        stimulus_label="Level (dB re mean)",
        stimulus_unit="dB",
        resp_unit="spikes/s",
        shown=0.5,
    )


def section(options: argparse.Namespace) -> Section:
    """Fit forward and backward, score held-out trials, test against chance."""
    data = _load(fast=options.fast)
    jobs = [(name, way) for name in data.recordings for way in ("encoding", "decoding")]
    fitted = [
        _fit(data, name, way, options)
        for name, way in track(jobs, show=True, desc="TRF", unit="model")
    ]
    # Broad modulation determines a field best, slow modulation is reconstructed best.
    encoder, decoder = fitted[-2], fitted[1]
    chance, test_time = _chance(data, decoder, options)
    return Section(
        title=_title(data),
        source=data.source,
        paragraphs=_paragraphs(data),
        tables=[_table(fitted)],
        figures=[
            _signals(data, fitted[0]),
            _fields(data, encoder),
            _alphas(encoder, decoder),
            _reconstruction(data, decoder),
            chance,
        ],
        times=[*(one.time for one in fitted), test_time],
        summary=f"held-out correlation {fitted[0].row()[-1]:.2f} encoding, "
        f"{decoder.row()[-1]:.2f} reconstruction",
    )


def _title(data: _Data) -> str:
    if data.source.kind == "real":
        return "Auditory receptor: response function and stimulus reconstruction"
    return "Simulated neurons: receptive fields and stimulus reconstruction"


def _fit(
    data: _Data, name: str, direction: str, options: argparse.Namespace
) -> _Fitted:
    """Fit forward or backward to all but the held-out trials."""
    stimulus, resp = data.recordings[name]
    forward = direction == "encoding"
    X, Y = (stimulus, resp) if forward else (resp, stimulus)
    tmin, tmax = (0.0, data.window) if forward else (-data.window, 0.0)
    alphas = _alpha_grid(X, 7 if options.fast else 13)
    cut = len(X) - data.n_test

    def fit() -> Any:
        model = TRF(
            tmin, tmax, data.sfreq, alphas=alphas, cv="trials", dtype=options.dtype
        )
        return model.fit(X[:cut], Y[:cut])

    step = f"{direction}, {name}: {alphas.size} penalties, {cut} folds"
    model, time = timed(step, fit)
    X, Y = X[cut:], Y[cut:]
    scores = model.score_targets(X, Y, metric=("r2", "correlation"))
    return _Fitted(
        name=name,
        direction=direction,
        model=model,
        X=X,
        Y=Y,
        scores=scores,
        time=time,
    )


def _alpha_grid(X: Sequence[np.ndarray], n_alphas: int) -> np.ndarray:
    """Penalties from a ten-thousandth to a hundred times the power of a predictor."""
    power = sum(float(np.sum(np.var(x, axis=0)) * len(x)) for x in X)
    scale = 10.0 ** np.round(np.log10(power / X[0].shape[1]))
    return scale * np.logspace(-4, 2, n_alphas)


def _paragraphs(data: _Data) -> list[str]:
    ms = 1e3 * data.window
    first = (
        f"The encoding model predicts the response from the stimulus of the preceding "
        f"{ms:g} ms; the decoding model reconstructs the stimulus from the response of "
        f"the following {ms:g} ms. Both are ridge regressions on lagged signals. Each "
        "recording is cut into ten trials: the penalty is chosen by leaving out each "
        "of the first eight in turn; the last two serve the held-out scores and the "
        "figures alone."
    )
    if data.source.kind == "simulated":
        return [first]
    return [
        first,
        "The stimuli are tones whose level follows Gaussian noise. Spikes are counted "
        f"in bins of {1e3 / data.sfreq:g} ms, one spike being {data.sfreq:g} spikes/s; "
        "single spikes of one trial are noisy, so that even a perfect model of the "
        "firing rate stays far below a correlation of one. Modulation up to 200 Hz "
        "leaves the finer course of the receptive field open; the field below is from "
        "the stimulus modulated up to 800 Hz.",
    ]


def _table(fitted: Sequence[_Fitted]) -> Table:
    return Table(
        caption="Scores, means over targets",
        header=(
            "Recording",
            "Model",
            "Penalty",
            "Cross-validated R²",
            "Held-out R²",
            "Held-out correlation",
        ),
        rows=[one.row() for one in fitted],
    )


def _signals(data: _Data, encoder: _Fitted) -> Figure:
    n_shown = round(data.shown * data.sfreq)
    return signals_figure(
        encoder.X[0][:n_shown],
        encoder.Y[0][:n_shown],
        data.sfreq,
        stimulus_label=data.stimulus_label,
        resp_unit=data.resp_unit,
        caption=f"First {data.shown:g} s of a held-out trial, {encoder.name}.",
    )


def _fields(data: _Data, encoder: _Fitted) -> Figure:
    return fields_figure(
        encoder.model.coef_,
        encoder.model.lags_,
        order=np.argsort(-encoder.scores["correlation"]),
        label=f"Weight ({data.resp_unit} per {data.stimulus_unit})",
        caption="Receptive field of the encoding model: change of the response per "
        f"unit of stimulus, against the time since that stimulus; {encoder.name}.",
    )


def _alphas(encoder: _Fitted, decoder: _Fitted) -> Figure:
    figure, axes = canvas(9.0, 3.4, 1, 2)
    for ax, one in zip(axes[0], (encoder, decoder), strict=True):
        viz.alpha_curve(
            one.model.alphas_,
            one.model.alpha_scores_,
            chosen=one.model.alpha_,
            title=f"{one.direction.capitalize()}, {one.name}",
            ax=ax,
        )
    return Figure(
        figure=figure,
        caption="Choice of the penalty: R² of the trials left out, mean over folds.",
    )


def _reconstruction(data: _Data, decoder: _Fitted) -> Figure:
    predicted = decoder.model.predict(decoder.X[:1])[0]
    n_shown = round(data.shown * data.sfreq)
    figure, axes = canvas(9.0, 4.6, 2)
    viz.reconstruction(
        decoder.Y[0][:n_shown],
        predicted[:n_shown],
        data.sfreq,
        label=data.stimulus_label,
        ax=axes[:, 0],
    )
    return Figure(
        figure=figure,
        caption="Stimulus of a held-out trial, and its reconstruction from the "
        "response. The correlation in the title is that of the "
        f"{data.shown:g} s shown.",
    )


def _chance(
    data: _Data, decoder: _Fitted, options: argparse.Namespace
) -> tuple[Figure, tuple[str, float, float]]:
    """Compare the decoder's correlation with that of circularly shifted stimuli."""
    stimulus, resp = data.recordings[decoder.name]
    n_permutations = 99 if options.fast or stimulus[0].shape[1] > 1 else 999

    def test() -> tuple[np.ndarray, np.ndarray]:
        with jax.enable_x64(options.dtype == "float64"):
            X, trial_id = signal.concatenate(
                [trial.astype(options.dtype) for trial in resp]
            )
            Y, _ = signal.concatenate(
                [trial.astype(options.dtype) for trial in stimulus]
            )
            found = trf.permutation_test(
                X,
                Y,
                decoder.model.lags_,
                np.asarray(decoder.model.alpha_),
                trial_id,
                key=jax.random.key(0),
                n_permutations=n_permutations,
                trial_id=trial_id,
            )
            return np.asarray(found.null), np.asarray(found.scores)

    (null, observed), time = timed(f"{n_permutations} permutations", test)
    figure, axes = canvas(6.0, 3.2)
    viz.null_distribution(
        null, observed, metric="Cross-validated correlation", ax=axes[0, 0]
    )
    return Figure(
        figure=figure,
        caption="Reconstruction against chance: correlation over trials left out, of "
        "the data and of stimuli shifted in a circle within their trial, which keeps "
        f"their rhythm; {decoder.name}, penalty as chosen above.",
    ), time
