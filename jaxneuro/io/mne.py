"""Arrays from MNE-Python's continuous and epoched recordings."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._optional import require

__all__ = ["Recording", "from_mne"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """Signals of a recording, time first.

    Attributes
    ----------
    data : array (n_times, n_channels), or list of them
        One array for a continuous recording, one per epoch otherwise; SI units
        (volts, tesla), so scale the columns before a ridge with a fixed penalty.
    sfreq : float
        Sampling rate in hertz.
    ch_names : tuple of str
        Channels in the order of the columns.
    mask : bool array (n_times,), or list of them
        False where an annotation marks a sample as bad.
    """

    data: np.ndarray | list[np.ndarray]
    sfreq: float
    ch_names: tuple[str, ...]
    mask: np.ndarray | list[np.ndarray]


def from_mne(
    inst: object,
    picks: str | Sequence[str] | Sequence[int] | None = None,
    *,
    sfreq: float | None = None,
) -> Recording:
    """Take the signals of a ``Raw`` or ``Epochs`` object as plain arrays.

    Parameters
    ----------
    inst : mne.io.Raw or mne.Epochs
        Recording; it is not changed.
    picks : str, list of str, list of int, optional
        Channels by type, name or index, as MNE understands them; bad channels that
        are named are kept. Default: all data channels that are not marked bad.
    sfreq : float, optional
        Rate in hertz that the recording must have, that of the stimulus or model.

    Returns
    -------
    Recording
        Signals, sampling rate, names and the mask of good samples. Epochs that were
        dropped do not appear; inside epochs all samples count as good.

    Raises
    ------
    TypeError
        If `inst` is neither of the two kinds.
    ValueError
        If no channel is picked, or the rate is not `sfreq`.
    ImportError
        If MNE is not installed.

    References
    ----------
    .. [1] Gramfort et al., MEG and EEG data analysis with MNE-Python, Frontiers in
       Neuroscience, 2013, doi:10.3389/fnins.2013.00267.
    """
    mne = require("mne", extra="meg", purpose="from_mne")
    if not isinstance(inst, mne.io.BaseRaw | mne.BaseEpochs):
        raise TypeError(
            f"inst is of type {type(inst).__name__} but must be a Raw or Epochs object "
            "of MNE."
        )
    source: Any = inst
    names = _picked_names(mne, source.info, picks)
    rate = float(source.info["sfreq"])
    if sfreq is not None and abs(rate - sfreq) > 1e-6 * rate:
        raise ValueError(
            f"inst is sampled at {rate:g} Hz but sfreq is {sfreq:g} Hz; resample one "
            "of them."
        )
    if isinstance(source, mne.BaseEpochs):
        epochs = source.get_data(picks=names)  # (n_epochs, n_channels, n_times)
        trials = [np.ascontiguousarray(epoch.T) for epoch in epochs]
        masks = [np.ones(len(trial), dtype=bool) for trial in trials]
        return Recording(data=trials, sfreq=rate, ch_names=names, mask=masks)
    # MNE blanks annotated samples in all channels alike, so that one channel tells.
    one = source.get_data(picks=list(names[:1]), reject_by_annotation="NaN")
    return Recording(
        data=np.ascontiguousarray(source.get_data(picks=list(names)).T),
        sfreq=rate,
        ch_names=names,
        mask=~np.isnan(one[0]),
    )


def _picked_names(mne: Any, info: Any, picks: Any) -> tuple[str, ...]:
    """Names that MNE's own rules select, found without touching the signals."""
    stand_in = mne.EvokedArray(np.zeros((len(info.ch_names), 1)), info, verbose="ERROR")
    try:
        if picks is None:
            stand_in.pick("data", exclude="bads", verbose="ERROR")
        else:
            stand_in.pick(picks, verbose="ERROR")
    except ValueError as error:
        asked = "data channels that are not bad" if picks is None else repr(picks)
        there = ", ".join(info.ch_names[:8]) + (", …" if len(info.ch_names) > 8 else "")
        raise ValueError(
            f"picks asks for {asked} but the recording has the channels {there}."
        ) from error
    return tuple(stand_in.ch_names)
