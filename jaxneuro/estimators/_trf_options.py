"""Windows, bands and conventions of the temporal receptive field."""

from collections.abc import Sequence
from math import ceil, floor

import numpy as np

from ..core import check
from ..signal import Lags

__all__ = ["CONVENTIONS", "band_of", "window"]

CONVENTIONS: dict[str | None, dict[str, str]] = {
    None: {},
    "naplib": {},
    "mne": {"pad": "mean", "center": "shift"},
    "mtrf": {"penalty_scale": "mtrf"},
}


def window(
    tmin: float | Sequence[float],
    tmax: float | Sequence[float],
    sfreq: float,
    bands: Sequence[int] | None,
    convention: str | None,
) -> tuple[Lags, np.ndarray | None]:
    """Turn one window, or one per band, into lags and their use.

    Parameters
    ----------
    tmin, tmax : float or array (n_bands,)
        First and last lag in seconds.
    sfreq : float
        Sampling rate in hertz.
    bands : sequence of int, optional
        Number of features of each band.
    convention : str, optional
        "mtrf" rounds windows outwards, all others to the nearest sample.

    Returns
    -------
    lags : Lags
        Window that covers all.
    support : bool array (n_lags, n_bands), or None
        Lags of each band; None for one window.

    Raises
    ------
    ValueError
        If the convention is unknown or windows and bands differ in number.
    """
    check.choice("convention", convention, tuple(CONVENTIONS))
    first, last = np.atleast_1d(tmin).tolist(), np.atleast_1d(tmax).tolist()
    lags = _lags(min(first), max(last), sfreq, convention)
    if len(first) == 1 and len(last) == 1:
        return lags, None
    n_bands = 0 if bands is None else len(bands)
    if len(first) != n_bands or len(last) != n_bands:
        raise ValueError(
            f"tmin has {len(first)} and tmax {len(last)} windows but bands has "
            f"{n_bands} bands; give one window per band, or one for all."
        )
    each = [_lags(a, b, sfreq, convention) for a, b in zip(first, last, strict=True)]
    return lags, np.stack([np.isin(lags.samples, one.samples) for one in each], axis=1)


def band_of(bands: Sequence[int], n_features: int) -> np.ndarray:
    """Assign each feature to its band.

    Parameters
    ----------
    bands : sequence of int
        Number of consecutive features of each band.
    n_features : int
        Their total.

    Returns
    -------
    int array (n_features,)
        Band of each feature, from 0.

    Raises
    ------
    ValueError
        If the sizes do not add up.
    """
    sizes = np.asarray(bands, dtype=int)
    if sizes.sum() != n_features:
        raise ValueError(
            f"bands holds {sizes.tolist()}, {sizes.sum()} features together, but X has "
            f"{n_features} features."
        )
    return np.repeat(np.arange(sizes.size), sizes)


def _lags(tmin: float, tmax: float, sfreq: float, convention: str | None) -> Lags:
    lags = Lags(tmin, tmax, sfreq)
    if convention != "mtrf":
        return lags
    first, last = floor(lags.tmin * lags.sfreq), ceil(lags.tmax * lags.sfreq)
    return Lags(first / sfreq, last / sfreq, sfreq)
