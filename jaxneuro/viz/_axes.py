"""What the figures share: new Axes, colours, labelled axes and colour bars."""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike

try:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'Figures need Matplotlib; install it with pip install "jaxneuro[viz]".',
        name=error.name,
    ) from error

__all__ = [
    "BLUE",
    "GREY",
    "LIGHT",
    "ORANGE",
    "band_axis",
    "channel_names",
    "colorbar",
    "given_axes",
    "image",
    "lag_axis",
    "new_axes",
    "new_grid",
    "plain",
]

# From the palette of Okabe and Ito (2008), distinct for colour-blind readers.
BLUE, ORANGE, GREY, LIGHT = "#0072B2", "#D55E00", "#4D4D4D", "#B3B3B3"


def new_axes(ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    """Return `ax`, or the Axes of a new figure of `figsize` inches."""
    if ax is not None:
        return ax
    return new_grid(1, 1, figsize)[0, 0]


def new_grid(n_rows: int, n_columns: int, figsize: tuple[float, float]) -> np.ndarray:
    """Make a figure whose layout cuts nothing off; array (n_rows, n_columns)."""
    # pyplot chooses a window system when it first draws, so it loads only when needed.
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=figsize, layout="constrained")
    return figure.subplots(n_rows, n_columns, squeeze=False)


def given_axes(ax: Sequence[Axes] | np.ndarray, n_panels: int) -> np.ndarray:
    """Return the given Axes as an array, after counting them."""
    axes = np.asarray(ax, dtype=object)
    if axes.size < n_panels:
        raise ValueError(
            f"ax holds {axes.size} Axes but the figure has {n_panels} panels; "
            "give one Axes per panel."
        )
    return axes


def plain(ax: Axes) -> None:
    """Remove the frame where no axis is."""
    ax.spines[["top", "right"]].set_visible(False)


def colorbar(
    mappable: ScalarMappable, axes: object, label: str, *, shrink: float = 1.0
) -> None:
    """Add a labelled colour bar beside `axes`."""
    figure = np.asarray(axes, dtype=object).flat[0].figure
    bar = figure.colorbar(
        mappable, ax=axes, pad=0.02, label=label, shrink=shrink, aspect=25 * shrink
    )
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_locator(MaxNLocator(5))


def image(
    ax: Axes,
    values: np.ndarray,
    extent: tuple[float, float],
    limits: tuple[float, float],
    cmap: str,
) -> ScalarMappable:
    """Draw values (n_bands, n_columns) over an x range, the first band below."""
    edges = (*extent, -0.5, values.shape[0] - 0.5)
    low, high = limits
    return ax.imshow(
        values,
        origin="lower",
        aspect="auto",
        extent=edges,
        vmin=low,
        vmax=high,
        cmap=cmap,
    )


def band_axis(ax: Axes, n_bands: int, frequencies: ArrayLike | None, name: str) -> None:
    """Label the rows of an image: round frequencies in Hz or kHz, or row numbers."""
    if frequencies is None:
        ax.set_ylabel(name)
        ax.yaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        return
    hertz = np.asarray(frequencies, dtype=float)
    if hertz.shape != (n_bands,) or (np.diff(hertz) <= 0).any():
        raise ValueError(
            f"frequencies has shape {hertz.shape} but must hold {n_bands} ascending "
            "numbers; give the centre of each band in hertz."
        )
    unit, name = (1000.0, "kHz") if hertz[-1] >= 2000 else (1.0, "Hz")
    ticks = _round_values(hertz[0], hertz[-1])
    # Rows are evenly spaced whatever the spacing in hertz, so ticks are interpolated.
    rows = np.interp(ticks, hertz, np.arange(n_bands))
    ax.yaxis.set_major_locator(FixedLocator(rows.tolist()))
    ax.yaxis.set_major_formatter(FixedFormatter([f"{t / unit:g}" for t in ticks]))
    ax.set_ylabel(f"Frequency ({name})")


def _round_values(low: float, high: float) -> np.ndarray:
    """Values 1, 2, 5 times powers of ten between two frequencies, six at most."""
    positive = max(low, high * 1e-3)
    decades = np.arange(np.floor(np.log10(positive)), np.ceil(np.log10(high)) + 1)
    values = (10.0 ** decades[:, None] * np.array([[1.0, 2.0, 5.0]])).ravel()
    values = values[(values >= positive) & (values <= high)]
    if values.size < 2:
        return np.unique([low, high])
    return values[-6:]


def lag_axis(ax: Axes, *, n_ticks: int = 5) -> None:
    """Label the x axis as lag in milliseconds."""
    ax.set_xlabel("Lag (ms)")
    ax.xaxis.set_major_locator(MaxNLocator(n_ticks, steps=[1, 2, 5, 10]))


def channel_names(names: Sequence[str] | None, n_channels: int) -> list[str]:
    """Return names for all channels; numbers from 0 by default."""
    if names is None:
        return [str(index) for index in range(n_channels)]
    if len(names) != n_channels:
        raise ValueError(
            f"names has {len(names)} entries but the data have {n_channels} channels; "
            "give one name per channel."
        )
    return [str(name) for name in names]
