"""Sessions of the Allen Brain Observatory, Neuropixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .spikes import Responses, responses_from_spikes

__all__ = ["from_allen"]


def from_allen(
    session: object,
    stimulus_name: str = "natural_scenes",
    *,
    label: str = "frame",
    structure: str | Sequence[str] | None = None,
    window: tuple[float, float] | None = None,
    bin_size: float | None = None,
) -> Responses:
    """Take the responses to one kind of stimulus from a session of the AllenSDK.

    Parameters
    ----------
    session : EcephysSession
        What ``EcephysProjectCache.get_session_data`` gives. Only its ``units``,
        ``spike_times`` and ``get_stimulus_table`` are used, and nothing is changed.
    stimulus_name : str
        Kind of stimulus, such as ``"natural_scenes"``.
    label : str
        Column that says what was shown; the frame -1 is a gray screen.
    structure : str or sequence of str, optional
        Areas to keep, such as ``"VISam"``. Default: all.
    window : tuple of float, optional
        Seconds from the onset. Default: from 0 to the median duration.
    bin_size : float, optional
        Seconds of the bins of a histogram. Default: one count.

    Returns
    -------
    Responses
        Counts of all units that pass the session's own quality filters. The last
        spikes of a presentation that lasts longer than the median are not counted.

    Raises
    ------
    TypeError
        If `session` is no such session.
    ValueError
        If it has no such stimulus, column or structure.

    References
    ----------
    .. [1] Siegle et al., Survey of spiking in the mouse visual system reveals
       functional hierarchy, Nature 592, 2021, doi:10.1038/s41586-020-03171-x.
    """
    needed = ("units", "spike_times", "get_stimulus_table")
    if not all(hasattr(session, name) for name in needed):
        raise TypeError(
            f"session is of type {type(session).__name__} but must be an "
            "EcephysSession of the AllenSDK."
        )
    source: Any = session
    table = source.get_stimulus_table(stimulus_name)
    if not len(table):
        raise ValueError(
            f"stimulus_name is {stimulus_name!r} but nothing of it was shown."
        )
    if label not in table:
        there = ", ".join(map(str, table.columns))
        raise ValueError(f"label is {label!r} but the table has the columns {there}.")
    units = source.units
    if structure is not None:
        wanted = [structure] if isinstance(structure, str) else list(structure)
        areas = units["ecephys_structure_acronym"]
        absent = sorted(set(wanted) - set(areas))
        if absent:
            there = ", ".join(sorted(set(areas.dropna())))
            raise ValueError(
                f"structure names {absent[0]} but the units are in {there}."
            )
        units = units[areas.isin(wanted)]
    start = table["start_time"].to_numpy(float)
    if window is None:
        duration = table["stop_time"].to_numpy(float) - start
        window = (0.0, float(np.median(duration)))
    shown = table[label]
    # The SDK writes missing frames as text among numbers.
    numbers = [np.nan if value == "null" else value for value in shown]
    return responses_from_spikes(
        source.spike_times,
        None,
        start,
        np.asarray(numbers),
        window=window,
        bin_size=bin_size,
        targets=units.index.to_numpy(),
    )
