"""Demo section: receptive fields that change, measured and learned by a network."""

import argparse
from typing import Any

import jax
import numpy as np

from .. import dstrf, simulate, viz
from ..estimators._dstrf import DSTRF
from ..signal import Lags
from ._panels import canvas
from .report import Figure, Section, Source, Table

__all__ = ["section"]

_KINDS = np.array(["linear", "gain control", "temporal hold", "change of shape"])
_SOURCE = Source(
    kind="simulated",
    description="Known-truth simulation: sounds, and neurons whose receptive field "
    "changes over time in planted ways, with added noise.",
)
_METHOD = (
    "Neurons take turns: linear; with a gain that falls where the drive is strong; "
    "with a field that stays on a piece of the sound; with the larger of two drives. "
    "The second four are the stronger ones. A network of causal convolutions, "
    "rectified and without constants, and a linear model are fitted to half the trials "
    "and predict the other, and the reverse. The derivative of the network's "
    "prediction by the sound is the receptive field at every moment (dSTRF); its "
    "measures tell how it changes."
)
_EPOCHS = {True: 6, False: 60}


def section(options: argparse.Namespace) -> Section:
    """Fit, predict held-out trials, and measure exact and learned fields."""
    spec, resp = simulate.nonlinear_strf(
        jax.random.key(1), n_trials=16, n_bands=12, n_targets=8, duration=6.0, snr=9.0
    )
    truth = simulate.nonlinear_truth(jax.random.key(1), n_bands=12, n_targets=8)
    half = np.arange(len(spec)) % 2
    network = {"hidden": (24, 24, 24), "dilations": (1, 2, 2), "leave_out": "one"}
    deep = DSTRF(
        **network,
        n_epochs=_EPOCHS[options.fast],
        batch_size=1,
        learning_rate=0.01,
        weight_decay=1e-3,
        dtype=options.dtype,
        show_progress=True,
    ).fit(spec, resp, fold_id=half)
    linear = DSTRF(**network, network="linear", weight_decay=1e-4, dtype=options.dtype)
    linear.fit(spec, resp, fold_id=half)
    r = [model.score_targets(spec, resp).mean(0) for model in (linear, deep)]
    lags = Lags(0.0, 0.2, 100.0)
    exact = dstrf.measures(
        simulate.nonlinear_response, truth, np.asarray(spec[0]), lags
    )
    learned = deep.measures(spec[:1])
    kinds = _KINDS[np.asarray(truth.kind)]
    return Section(
        title="Simulated neurons: the receptive field at every moment",
        source=_SOURCE,
        paragraphs=[_METHOD],
        tables=[_table(kinds, np.asarray(truth.strength), r, exact, learned)],
        figures=[_frames(deep, spec, resp, target=6), _bars(exact, learned)],
        times=[],
        summary=f"held-out correlation of holding neurons {r[1][[2, 6]].mean():.2f}, "
        f"linear {r[0][[2, 6]].mean():.2f}",
    )


def _table(
    kinds: np.ndarray, strength: np.ndarray, r: list, exact: dict, learned: dict
) -> Table:
    rows = [
        (
            str(kinds[k]),
            float(strength[k]),
            float(r[0][k]),
            float(r[1][k]),
            *(
                float(exact[name][0, k]) * (10 if name == "temporal_hold" else 1)
                for name in exact
            ),
            f"{10 * learned['temporal_hold'][0, k]:.0f}",
        )
        for k in range(len(kinds))
    ]
    return Table(
        caption="Held-out correlation, measures of the planted fields, and the hold of "
        "the network's; holds in ms",
        header=(
            "Neuron",
            "Strength",
            "r, linear",
            "r, network",
            "Complexity",
            "Gain change",
            "Hold",
            "Shape change",
            "Hold, network",
        ),
        rows=rows,
    )


def _frames(model: Any, spec: list, resp: list, target: int) -> Figure:
    figure, axes = canvas(9.0, 5.5, 3, 6)
    wide = []
    for row in axes[:2]:
        grid = row[0].get_gridspec()
        at = row[0].get_subplotspec().rowspan.start
        for ax in row:
            ax.remove()
        wide.append(figure.add_subplot(grid[at, :]))
    shown = slice(0, 250)
    frames = model.estimate(spec[:1])[0][shown, target]
    viz.dstrf(
        frames,
        model.lags_,
        np.asarray(spec[0])[shown],
        np.asarray(resp[0])[shown, target],
        [1.0, 1.02, 1.04, 1.06, 1.08, 1.1],
        predicted=model.predict(spec, held_out=True)[0][shown, target],
        ax=np.array([*wide, *axes[2]], dtype=object),
    )
    return Figure(
        figure=figure,
        caption="Sound, response of the neuron with the longest hold, and its learned "
        "receptive field at six moments, 20 ms apart.",
    )


def _bars(exact: dict, learned: dict) -> Figure:
    figure, axes = canvas(9.0, 4.4, 2, 4)
    viz.dstrf_measures(exact, 100.0, ax=axes[0])
    viz.dstrf_measures(learned, 100.0, ax=axes[1])
    for ax in axes[0]:
        ax.set_xlabel("")
    for row, name in zip(axes, ("planted", "network"), strict=True):
        row[0].set_ylabel(name)
    return Figure(
        figure=figure,
        caption="Measures of the planted fields (above) and of the network's (below), "
        "by neuron in the order of the table.",
    )
