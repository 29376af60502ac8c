"""Demo section: what simulated voxels of visual cortex see, with a known truth."""

import argparse

import jax
import numpy as np

from .. import linear, simulate, viz
from ..core import folds, score
from ._panels import canvas
from ._timing import timed
from .report import Figure, Section, Source, Table

__all__ = ["section"]

_SIDE, _MARKED = 10, (4, 2)
_ALPHAS = np.logspace(1, 5, 9)
_STEPS = 10  # of the sparse path

_SOURCE = Source(
    kind="simulated",
    description="Random images of ten by ten black and white pixels, and voxels that "
    "sum the pixels of a planted field in noise, as many as in the recording of "
    "Miyawaki et al. (2008). The field explains between nothing and half of a voxel's "
    "variance.",
)


def section(options: argparse.Namespace) -> Section:
    """Fit pixels to voxels, and compare the fields with those that were planted."""
    n_samples, n_voxels = (800, 200) if options.fast else (2860, 5438)
    key = jax.random.key(0)
    with jax.enable_x64(options.dtype == "float64"):
        pixels, bold = simulate.pixel_voxels(
            key, n_samples=n_samples, n_targets=n_voxels
        )
        planted = np.asarray(simulate.pixel_fields(key, n_targets=n_voxels))
        X, Y = (np.asarray(data, options.dtype) for data in (pixels, bold))
        cut = int(0.8 * n_samples)

        def ridge() -> tuple[np.ndarray, ...]:
            found = linear.ridge_cv(X[:cut], Y[:cut], _ALPHAS, folds.kfold(cut, 10))
            guess = linear.predict(found.fit, X[cut:])
            r = score.correlation(Y[cut:], np.asarray(guess))
            return np.asarray(r), np.asarray(found.fit.alpha)

        def lasso() -> np.ndarray:
            found = linear.lasso_lars_cv(
                X[:cut], Y[:cut], folds.kfold(cut, 5), max_iter=_STEPS
            )
            return np.asarray(found.fit.coef)

        (r, alpha), first = timed(f"ridge search for {n_voxels} voxels", ridge)
        fields, second = timed(f"sparse paths of {n_voxels} voxels", lasso)
        ceiling = np.asarray(score.correlation(Y[cut:], X[cut:] @ planted))
    order = np.argsort(-r)
    match = _match(fields, planted)
    return Section(
        title="Voxelwise encoding: receptive fields of simulated voxels",
        source=_SOURCE,
        paragraphs=[
            f"Every voxel has a ridge model of {cut} images, whose penalty is chosen "
            f"on ten folds, scored on {n_samples - cut} further images; and a sparse "
            f"model of at most {_STEPS} pixels, chosen on five folds, which is its "
            "receptive field. The ceiling is the score of the planted field itself."
        ],
        tables=[_table(order, r, ceiling, match)],
        figures=[_scores(r, ceiling, alpha), _fields(planted, fields, order)],
        times=[first, second],
        summary=f"median held-out correlation {np.median(r):.2f} of "
        f"{np.median(ceiling):.2f}, fields correlate {np.median(match):.2f} with "
        "the planted",
    )


def _match(found: np.ndarray, planted: np.ndarray) -> np.ndarray:
    """Correlation of each field with the planted one; 0 where no pixel was chosen."""
    a, b = found - found.mean(0), planted - planted.mean(0)
    norm = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    return (a * b).sum(0) / np.where(norm > 0, norm, 1)


def _table(
    order: np.ndarray, r: np.ndarray, ceiling: np.ndarray, match: np.ndarray
) -> Table:
    rows = []
    for name, share in (("all", 1), ("best half", 2), ("best tenth", 10)):
        chosen = order[: len(order) // share]
        medians = (float(np.median(values[chosen])) for values in (r, ceiling, match))
        rows.append((name, *medians))
    header = ("Voxels", "Held-out correlation", "Its ceiling")
    header += ("Correlation of sparse and planted field",)
    return Table(header=header, rows=rows, caption="Medians over voxels")


def _scores(r: np.ndarray, ceiling: np.ndarray, alpha: np.ndarray) -> Figure:
    figure, axes = canvas(11.0, 3.4, 1, 3)
    left, middle, right = axes[0]
    viz.scores(r, metric="Held-out correlation", ax=left)
    viz.ceiling(r, ceiling, ax=middle)
    viz.alpha_counts(_ALPHAS, alpha, title="Chosen penalties", ax=right)
    caption = "Held-out correlation of every voxel, beside that of its planted field, "
    return Figure(figure=figure, caption=caption + "and the chosen penalties.")


def _fields(planted: np.ndarray, found: np.ndarray, order: np.ndarray) -> Figure:
    """Draw four voxels of the best tenth that see the surroundings of one pixel."""
    best = order[: max(4, len(order) // 10)]
    peak = np.stack(np.divmod(np.abs(found[:, best]).argmax(0), _SIDE))
    far = ((peak - np.array(_MARKED)[:, None]) ** 2).sum(0)
    shown = best[np.argsort(far, kind="stable")[:4]]
    figure, axes = canvas(9.0, 4.6, 2, 4)
    for row, kind, fields in zip(
        axes, ("planted", "found"), (planted, found), strict=True
    ):
        viz.receptive_fields(
            fields[:, shown].T.reshape(-1, _SIDE, _SIDE),
            names=[f"voxel {index}, {kind}" for index in shown],
            marked=_MARKED,
            ax=list(row),
        )
    caption = "Four voxels of the best tenth, whose fields peak near the marked pixel: "
    return Figure(figure=figure, caption=caption + "planted and sparse fields.")
