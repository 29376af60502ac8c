"""Demo sections: a real event-related recording, and a simulated brain."""

import argparse

import jax
import numpy as np

from .. import datasets, glm, simulate, viz
from ..estimators import GLM
from ._panels import canvas, map_figure
from ._sources import available
from ._timing import timed
from .report import Figure, Section, Source, Table

__all__ = ["brain", "events_of", "recording"]

_NOISE = "ar3"
_DELAYS = 12  # scans of 2 s after a trial began
_CATEGORIES = ("face", "scene", "body", "house", "object", "scramble")
_ALPHA = 0.05


def events_of(codes: np.ndarray, tr: float) -> dict[str, list]:
    """Turn one code per scan into a table of events; 0 is none."""
    where = np.flatnonzero(codes)
    return {
        "onset": (where * tr).tolist(),
        "duration": [0.0] * where.size,
        "trial_type": [f"kind {code}" for code in codes[where]],
    }


def recording(options: argparse.Namespace) -> Section:
    """Fit delays and the canonical response to the recording near area MT."""
    data = available("The event-related recording", datasets.load_fmri_event_related)
    if data is None:
        data = _stand_in()
        source = Source(kind="simulated", description=data.description)
    else:
        source = Source(
            kind="real",
            description=data.description,
            citation=data.citation,
            licence=data.licence,
        )
    events, Y = events_of(data.events, data.tr), data.bold.astype(options.dtype)
    kinds = sorted(set(events["trial_type"]))
    models, times = {}, []
    for name, hrf in (("delays", "fir"), ("canonical", "spm")):

        def fit(hrf: str = hrf) -> GLM:
            model = GLM(data.tr, hrf_model=hrf, noise_model=_NOISE, dtype=options.dtype)
            if hrf == "fir":
                model.set_params(fir_delays=list(range(_DELAYS)))
            return model.fit(Y, events)

        models[name], time = timed(f"{name}, {_NOISE.upper()} noise", fit)
        times.append(time)
    tables = [_kinds_table(models["canonical"], kinds), _models_table(models, kinds, Y)]
    z = models["canonical"].contrast(" + ".join(f"`{k}`" for k in kinds))[0]
    return Section(
        title="Event-related fMRI: responses of a motion-sensitive region",
        source=source,
        paragraphs=[
            f"{len(kinds)} kinds of brief trials, {len(events['onset'])} in all, in "
            f"{len(Y)} scans of {data.tr:g} s. One model has a coefficient for every "
            "scan after a trial began and so draws the response without assuming its "
            "shape; the other assumes the canonical response and estimates its height. "
            f"Both have cosine drifts below 0.01 Hz and {_NOISE.upper()} noise.",
            "The responses of this region begin earlier and last longer than the "
            "canonical one. The free curves explain more, and the height of a response "
            "that is assumed too short depends on the noise model as well.",
        ],
        tables=tables,
        figures=[
            _delays(models["delays"], kinds, data.tr),
            _design(models["canonical"], events),
        ],
        times=times,
        summary=f"z = {z:.1f} for all trials against rest, canonical response",
    )


def _stand_in() -> datasets.EventRelated:
    """Simulate a time course where the recording cannot be had."""
    codes = np.zeros(1200, int)
    rng = np.random.default_rng(0)
    codes[np.sort(rng.choice(np.arange(0, 1180, 6), 150, replace=False))] = (
        rng.integers(1, 7, 150)
    )
    design = glm.design(events_of(codes, 2.0), codes.size, 2.0)
    bold = simulate.bold(jax.random.key(0), design, 1, active=1.0, baseline=0.0)
    return datasets.EventRelated(
        bold=np.asarray(bold),
        events=codes,
        tr=2.0,
        description="Known-truth simulation of one time course. The recording meant "
        "for this section was not available.",
        citation="",
        licence="",
        simulated=True,
    )


def _kinds_table(model: GLM, kinds: list[str]) -> Table:
    found = model.contrast([f"`{kind}`" for kind in kinds], output="all")
    rows = [
        (
            kind,
            float(found["effect"][i, 0]),
            float(np.sqrt(found["variance"][i, 0])),
            float(found["stat"][i, 0]),
            float(found["z"][i, 0]),
        )
        for i, kind in enumerate(kinds)
    ]
    header = ("Trials", "Effect (% · s)", "Standard error", "t", "z")
    return Table(header=header, rows=rows, caption="Canonical response to each kind")


def _models_table(models: dict[str, GLM], kinds: list[str], Y: np.ndarray) -> Table:
    rows = []
    for name, model in models.items():
        X, n = np.asarray(model.design_.matrix), model.design_.n_conditions
        share = glm.r2(X[:, :n], Y, nuisance=X[:, n:], adjusted=True)
        # One row per delay: the mean over kinds of its coefficients.
        mean = np.tile(np.eye(n // len(kinds)), len(kinds)) / len(kinds)
        z = float(model.contrast(mean, stat="F")[0])
        rows.append((name, n, float(np.asarray(share)[0]), z))
    header = ("Model", "Regressors", "Adjusted R²", "Mean response over kinds, z of F")
    return Table(header=header, rows=rows, caption="Models")


def _delays(model: GLM, kinds: list[str], tr: float) -> Figure:
    names = [f"`{kind}_delay_{lag}`" for kind in kinds for lag in range(_DELAYS)]
    found = model.contrast(names, output="all")
    shape = (len(kinds), _DELAYS)
    figure, axes = canvas(8.0, 4.2)
    viz.fir(
        np.reshape(found["effect"][:, 0], shape),
        np.sqrt(found["variance"][:, 0]).reshape(shape),
        times=tr * (np.arange(_DELAYS) + 0.5),
        names=kinds,
        dof=model.dof_,
        label="Response (% signal change)",
        ax=axes[0, 0],
    )
    caption = "Response at each scan after a trial began, with 95% confidence bands."
    return Figure(figure=figure, caption=caption)


def _design(model: GLM, events: dict[str, list]) -> Figure:
    figure, axes = canvas(8.0, 3.6)
    design = model.design_
    first = np.arange(len(design.times)) < 150
    part = glm.Design(
        matrix=np.asarray(design.matrix)[first],
        times=np.asarray(design.times)[first],
        run_id=np.asarray(design.run_id)[first],
        names=design.names,
        conditions=design.conditions,
    )
    viz.regressors(part, events, ax=axes[0, 0])
    caption = "Regressors of the canonical response in the first five minutes."
    return Figure(figure=figure, caption=caption)


def brain(options: argparse.Namespace) -> Section:
    """Fit a simulated brain and compare with what was planted."""
    size = (27, 32, 23) if options.fast else (53, 63, 46)
    mask, patches, affine = _planted(size)
    events = _blocks()
    design = glm.design(events, 320, 2.0)
    key = jax.random.key(0)
    heights = 1.5 * patches[:, mask]
    with jax.enable_x64(options.dtype == "float64"):
        Y = np.asarray(simulate.bold(key, design, int(mask.sum()), responses=heights))
        truth = simulate.bold_truth(key, design, int(mask.sum()), responses=heights)
    contrasts = [_against(name) for name in _CATEGORIES]

    def fit() -> dict[str, np.ndarray]:
        model = GLM(2.0, noise_model="ar1", dtype=options.dtype).fit(Y, events)
        return model.contrast(contrasts, output="all")

    step = f"AR(1) fit of {mask.sum()} voxels, {len(contrasts)} contrasts"
    found, time = timed(step, fit)
    shown = [_CATEGORIES.index("face"), _CATEGORIES.index("house")]
    wrong, hit = _rates(found, patches[:, mask] > 0)
    planted = np.asarray(truth.coef)[: design.n_conditions]
    order = [design.names.index(name) for name in _CATEGORIES]
    effect = (planted[order] * 6 - planted.sum(0)) / 5
    error = (found["effect"] - effect) / np.sqrt(found["variance"])
    return Section(
        title="A simulated brain: category maps with a known truth",
        source=Source(
            kind="simulated",
            description="Blocks of six categories as in a category localizer. Each "
            "category raises the signal by 1.5% in a patch of its own, in AR(1) noise "
            "of 1% whose coefficient differs between voxels.",
        ),
        paragraphs=[
            f"{mask.sum()} voxels, {len(design.times)} scans; every voxel is fitted "
            "with the autoregressive coefficient of its own. Maps compare a category "
            f"with the five others, cut at a false discovery rate of {_ALPHA:g}.",
        ],
        tables=[_truth_table(wrong, hit, error)],
        figures=[_map(found, index, mask, affine) for index in shown],
        times=[time],
        summary=f"{mask.sum()} voxels in {time[2]:.2f} s, "
        f"{100 * np.mean(hit):.0f}% of planted voxels found",
    )


def _against(name: str) -> str:
    """Contrast of one category with the mean of the others."""
    others = " + ".join(other for other in _CATEGORIES if other != name)
    return f"{name} - ({others}) / 5"


def _blocks() -> dict[str, list]:
    """Blocks of 16 s, every 24 s, in an order that turns round."""
    names = [*_CATEGORIES, *reversed(_CATEGORIES)] * 2 + ["face", "house"]
    onset = (12.0 + 24.0 * np.arange(len(names))).tolist()
    return {"onset": onset, "duration": [16.0] * len(names), "trial_type": names}


def _planted(size: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mask of an ellipsoid, patches (n_conditions, *size) by name, and the affine."""
    step = 159.0 / size[0]
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = -0.5 * step * (np.array(size) - 1)
    grid = np.moveaxis(np.indices(size), 0, -1) @ affine[:3, :3] + affine[:3, 3]
    mask = ((grid / [66.0, 85.0, 62.0]) ** 2).sum(-1) < 1
    places = [(40, -50, -20), (26, -45, -6), (46, -65, 8), (26, -60, -10)]
    places += [(42, -70, -8), (12, -78, 2)]
    patches = np.stack(
        [
            (
                ((np.abs(grid[..., 0]) - x) ** 2 + (grid[..., 1] - y) ** 2)
                + (grid[..., 2] - z) ** 2
            )
            < 9.0**2
            for x, y, z in places
        ]
    )
    order = np.argsort(_CATEGORIES)  # columns of a design are sorted by name
    return mask, patches[order].astype(float), affine


def _rates(
    found: dict[str, np.ndarray], planted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Share of false voxels among those found, and of planted ones that are found."""
    order = np.argsort(np.argsort(_CATEGORIES))
    above = np.asarray(glm.fdr(found["p"])) < _ALPHA
    there = planted[order]
    wrong = (above & ~there).sum(1) / np.maximum(above.sum(1), 1)
    return wrong, (above & there).sum(1) / there.sum(1)


def _truth_table(wrong: np.ndarray, hit: np.ndarray, error: np.ndarray) -> Table:
    rows = [
        (
            name,
            float(hit[i]),
            float(wrong[i]),
            float(error[i].mean()),
            float(error[i].std()),
        )
        for i, name in enumerate(_CATEGORIES)
    ]
    header = ("Category", "Planted voxels found", "False among those found")
    header += ("Mean standardised error", "Its spread (1 is exact)")
    return Table(header=header, rows=rows, caption="Maps against the truth")


def _map(
    found: dict[str, np.ndarray], index: int, mask: np.ndarray, affine: np.ndarray
) -> Figure:
    z, name = found["z"][index], _CATEGORIES[index]
    volume = np.full(mask.shape, np.nan)
    volume[mask] = z
    above = z[np.asarray(glm.fdr(found["p"][index])) < _ALPHA]
    threshold = float(above.min()) if above.size else None
    figure = map_figure(
        volume, affine, threshold=threshold, label="z value", title=_against(name)
    )
    caption = f"Simulated {name}-selective responses, z of {_against(name)}."
    return Figure(figure=figure, caption=caption)
