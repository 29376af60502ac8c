"""Maps of the brain on slices."""

import math
from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, to_rgba
from matplotlib.ticker import FixedLocator

from ..core import check
from ._axes import BLUE, GREY, ORANGE, colorbar, given_axes, new_axes, new_grid, plain

__all__ = ["map_mosaic", "z_histogram"]

_SHADE = "#D4D4D4"  # targets below the threshold
_CMAP = "RdBu_r"  # as the other maps around zero
_PALE = 0.3  # colours nearer to white than this would vanish on the shade
_COLORS = 256
_CAP = 0.02  # share of the map beyond the first and the last slice


def map_mosaic(
    volume: ArrayLike,
    *,
    affine: ArrayLike | None = None,
    threshold: float | None = None,
    background: ArrayLike | None = None,
    n_slices: int = 12,
    slices: Sequence[int] | None = None,
    axis: int = 2,
    limit: float | None = None,
    label: str = "z value",
    title: str | None = None,
    n_columns: int | None = None,
    ax: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw a map on parallel slices, with one colour bar.

    Values at least as far from zero as `threshold` are coloured, what else the map
    holds is shaded. With an affine the patient's left is on the left of axial and
    coronal slices, marked L and R, and slices are named in millimetres.

    Parameters
    ----------
    volume : array (n_x, n_y, n_z)
        Map; NaN outside the brain.
    affine : array (4, 4), optional
        From voxel indices to millimetres: right, front and up are positive. Default:
        axes as stored, slices are numbered.
    threshold : float, optional
        Least absolute value that is coloured. Default: all.
    background : array (n_x, n_y, n_z), optional
        Image of the brain in grey, such as the mean of the scans. Default: the shape of
        the map.
    n_slices : int
        Number of slices, evenly spaced over the map.
    slices : sequence of int, optional
        Which slices, as indices along `axis`, in place of `n_slices`.
    axis : {0, 1, 2}
        Across sagittal, coronal or axial slices.
    limit : float, optional
        Largest absolute value of the colour bar. Default: that of the map.
    label : str
        What the colour means, with its unit.
    title : str, optional
        Title.
    n_columns : int, optional
        Panels in a row. Default: one row of up to 6, then two rows or more.
    ax : array of matplotlib.axes.Axes, optional
        Where to draw, one Axes per slice. Default: a new figure.

    Returns
    -------
    array (n_rows, n_columns)
        The Axes; those after the last slice are empty. With `ax` given, `ax`.

    Raises
    ------
    ValueError
        If shapes differ, an axis or slice does not exist, the map is empty, or `ax` is
        too short.
    """
    check.choice("axis", axis, (0, 1, 2))  # type: ignore[arg-type]  # any values
    values, behind = _checked(volume, background)
    values, behind, centres, sizes = _upright(values, behind, affine)
    chosen = _slices(values, axis, n_slices, slices)
    lowest = threshold or 0.0
    # Where nothing survives, the bar still shows what it would have taken.
    bound = max(limit or _bound(values), 1.1 * lowest)
    axes = (
        _panels(len(chosen), n_columns) if ax is None else given_axes(ax, len(chosen))
    )
    across, up = [sizes[side] for side in range(3) if side != axis]
    front = np.where(np.abs(values) >= lowest, values, np.nan)
    layers = [_behind(values, behind), (front, *_colors(values, lowest, bound))]
    frame = [edges for side, edges in enumerate(_frame(values)) if side != axis]
    drawn = None
    for panel, index in zip(axes.flat, chosen, strict=False):
        for layer, cmap, limits in layers:
            drawn = panel.imshow(
                np.take(layer, index, axis).T,
                origin="lower",
                aspect=up / across,
                cmap=cmap,
                vmin=limits[0],
                vmax=limits[1],
                interpolation="nearest",
            )
        panel.set(xlim=frame[0], ylim=frame[1])
        panel.set_title(_name(axis, index, centres), fontsize="small", pad=2)
    for panel in axes.flat:
        panel.set_axis_off()
    if affine is not None and axis != 0:
        _sides(axes.flat[0])
    if drawn is not None:
        _bar(drawn, axes, label, threshold)
    if title:
        axes.flat[0].figure.suptitle(title)
    return axes


def _checked(
    volume: ArrayLike, background: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray | None]:
    check.has_ndim("volume", volume, 3)
    values = np.asarray(volume, float)
    if not (np.isfinite(values) & (values != 0)).any():
        raise ValueError("volume holds no value other than zero and NaN.")
    if background is None:
        return values, None
    if np.shape(background) != values.shape:
        raise ValueError(
            f"background has shape {np.shape(background)} but the map has "
            f"{values.shape}; resample it to the map's grid."
        )
    return values, np.asarray(background, float)


def _upright(
    values: np.ndarray, behind: np.ndarray | None, affine: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray | None, list[np.ndarray] | None, np.ndarray]:
    """Turn to right, front, up; the centre of each slice, and the voxels' sizes."""
    if affine is None:
        return values, behind, None, np.ones(3)
    matrix = np.asarray(affine, float)
    if matrix.shape != (4, 4):
        raise ValueError(f"affine has shape {matrix.shape} but must be (4, 4).")
    turn = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    # The voxel axis nearest to each axis of space; a permutation even if oblique.
    order = [0, 0, 0]
    left = np.abs(turn)
    for _ in range(3):
        world, voxel = np.unravel_index(np.argmax(left), left.shape)
        order[int(world)] = int(voxel)
        left[world], left[:, voxel] = -1, -1
    centres, flips = [], []
    middle = (np.array(values.shape) - 1) / 2
    for world, voxel in enumerate(order):
        places = np.tile(middle, (values.shape[voxel], 1))
        places[:, voxel] = np.arange(values.shape[voxel])
        along = places @ matrix[world, :3] + matrix[world, 3]
        flip = turn[world, voxel] < 0
        flips.append(slice(None, None, -1 if flip else 1))
        centres.append(along[::-1] if flip else along)
    sizes = np.linalg.norm(matrix[:3, :3], axis=0)[order]

    def turned(array: np.ndarray) -> np.ndarray:
        return array.transpose(order)[tuple(flips)]

    return turned(values), None if behind is None else turned(behind), centres, sizes


def _slices(
    values: np.ndarray, axis: int, n_slices: int, slices: Sequence[int] | None
) -> np.ndarray:
    n_all = values.shape[axis]
    if slices is not None:
        chosen = np.asarray(slices, int)
        if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= n_all:
            raise ValueError(
                f"slices holds {list(slices)} but must hold numbers from 0 to "
                f"{n_all - 1}."
            )
        return chosen
    check.positive("n_slices", n_slices)
    others = tuple(side for side in range(3) if side != axis)
    share = np.cumsum((np.isfinite(values) & (values != 0)).sum(others))
    # Between the caps of the brain, which would be panels of a few voxels.
    first, last = np.searchsorted(share, [_CAP * share[-1], (1 - _CAP) * share[-1]])
    wanted = np.linspace(first, last, min(n_slices, last - first + 1))
    return np.unique(np.rint(wanted).astype(int))


def _frame(values: np.ndarray) -> list[tuple[float, float]]:
    """Edges of what the map holds, with a margin, along each axis."""
    held = np.isfinite(values) & (values != 0)
    edges = []
    for side in range(3):
        others = tuple(other for other in range(3) if other != side)
        there = np.flatnonzero(held.any(others))
        low, high = there[0] - 1.5, there[-1] + 1.5
        edges.append((max(low, -0.5), min(high, values.shape[side] - 0.5)))
    return edges


def _bound(values: np.ndarray) -> float:
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) or 1.0


def _colors(
    values: np.ndarray, threshold: float, bound: float
) -> tuple[Colormap, tuple[float, float]]:
    """Colours from the threshold on, and the ends of the bar.

    Maps without negative values, such as F, use the upper half alone.
    """
    signed = bool((values[np.isfinite(values)] < 0).any())
    lowest = -bound if signed else 0.0
    at = np.linspace(lowest, bound, _COLORS)
    strength = np.abs(at) / bound
    if threshold:
        above = np.clip((np.abs(at) - threshold) / (bound - threshold), 0, 1)
        strength = _PALE + (1 - _PALE) * above
    colors = colormaps[_CMAP](0.5 + 0.5 * np.sign(at) * strength)
    colors[np.abs(at) < threshold] = to_rgba(_SHADE)
    return ListedColormap(colors), (lowest, bound)


def _behind(
    values: np.ndarray, background: np.ndarray | None
) -> tuple[np.ndarray, Colormap, tuple[float, float]]:
    """Choose what lies below the map: an image of the brain, or its shape."""
    if background is None:
        shape = np.where(np.isfinite(values), 1.0, np.nan)
        return shape, ListedColormap([_SHADE]), (0.0, 1.0)
    low, high = np.nanpercentile(background, [1, 99])
    recorded = np.where(background == 0, np.nan, background)
    return recorded, colormaps["gray"], (low, high)


def _panels(n_slices: int, n_columns: int | None) -> np.ndarray:
    n_columns = n_columns or (n_slices if n_slices <= 6 else math.ceil(n_slices / 2))
    n_rows = math.ceil(n_slices / n_columns)
    width = float(np.clip(10.0 / n_columns, 1.2, 3.0))
    return new_grid(n_rows, n_columns, (1.2 + width * n_columns, 0.5 + width * n_rows))


def _name(axis: int, index: int, centres: list[np.ndarray] | None) -> str:
    if centres is None:
        return f"slice {index}"
    return f"{'xyz'[axis]} = {round(centres[axis][index], 1):g} mm"


def _sides(panel: Axes) -> None:
    """Mark left and right on one panel."""
    for place, side in ((0.02, "L"), (0.98, "R")):
        panel.text(
            place,
            0.02,
            side,
            transform=panel.transAxes,
            ha="left" if side == "L" else "right",
            va="bottom",
            fontsize="small",
        )


def _bar(
    drawn: ScalarMappable, axes: np.ndarray, label: str, threshold: float | None
) -> None:
    """Add the colour bar, with ticks at its ends and at the threshold."""
    colorbar(drawn, axes, label, shrink=0.8)
    if threshold:
        bar = axes.flat[0].figure.axes[-1]
        low, high = bar.get_ylim()
        ends = [low, -threshold, threshold, high] if low < 0 else [low, threshold, high]
        bar.yaxis.set_major_locator(FixedLocator(ends))
        bar.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")


def z_histogram(
    z_score: ArrayLike,
    *,
    threshold: float | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the distribution of z values beside that of noise alone.

    Where nothing responds the bars follow the standard normal curve; responses make
    its tails heavier, and a wrong noise model the whole of it wider.

    Parameters
    ----------
    z_score : array (n_targets,)
        Map of z values; NaN is left out.
    threshold : float, optional
        Absolute value to mark.
    title : str, optional
        Title.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes.

    Raises
    ------
    ValueError
        If no value is finite.
    """
    values = np.asarray(z_score, float).ravel()
    values = values[np.isfinite(values)]
    if values.size == 0:
        raise ValueError("z_score holds no finite value.")
    ax = new_axes(ax, (5.5, 3.2))
    plain(ax)
    limit = max(4.0, float(np.abs(values).max()))
    edges = np.linspace(-limit, limit, 81)
    ax.hist(
        values, edges.tolist(), density=True, color=BLUE, alpha=0.6, label="Targets"
    )
    at = np.linspace(-limit, limit, 400)
    noise = np.exp(-0.5 * at**2) / np.sqrt(2 * np.pi)
    ax.plot(at, noise, color=GREY, linewidth=1.5, label="Noise alone")
    if threshold is not None and threshold < limit:
        for side in (-threshold, threshold):
            ax.axvline(side, color=ORANGE, linewidth=1.2, linestyle="--")
        ax.plot([], [], color=ORANGE, linestyle="--", label=f"± {threshold:.2f}")
    # The logarithm shows the tails, which is where responses are.
    ax.set_yscale("log")
    ax.set(
        ylim=(0.3 / (values.size * (edges[1] - edges[0])), 1.5), xlim=(-limit, limit)
    )
    ax.set(xlabel="z value", ylabel="Density", title=title or "")
    ax.legend(frameon=False, fontsize="small")
    return ax
