"""Responses to events, exact at every scan: no grid, no rounded onsets."""

import numpy as np

from ._hrf import Response

__all__ = ["Events", "columns", "orthogonalize", "shares"]

Events = tuple[np.ndarray, np.ndarray, np.ndarray]  # onset, duration, amplitude


def columns(
    events: Events, times: np.ndarray, basis: list[Response], tr: float
) -> np.ndarray:
    """Sum of the responses to all events, (n_times, n_basis).

    A block answers with the difference of the integral at its start and its end, an
    impulse with the response itself. Only scans that an event can reach are computed.
    """
    onset, duration, amplitude = events
    length = max(one.length for one in basis)
    first = np.searchsorted(times, onset - 1e-6 * tr)
    end = np.searchsorted(times, onset + duration + length, side="right")
    counts = np.maximum(end - first, 0)
    event = np.repeat(np.arange(onset.size), counts)
    skipped = np.repeat(np.cumsum(counts) - counts, counts)
    scan = first[event] + np.arange(event.size) - skipped
    since = times[scan] - onset[event]
    after = since - duration[event]
    block = duration[event] > 0
    weight = amplitude[event]
    result = np.empty((times.size, len(basis)))
    for i, one in enumerate(basis):
        effect = np.empty(since.size)
        effect[~block] = one.value(since[~block])
        edges = np.clip([since[block], after[block]], 0.0, one.length)
        effect[block] = one.integral(edges[0]) - one.integral(edges[1])
        result[:, i] = np.bincount(scan, effect * weight, times.size)
    return result


def shares(events: Events, n_scans: int, tr: float) -> np.ndarray:
    """Mean of the stimulus over each scan, 1 for an impulse; (n_scans, 1)."""
    whole = Response(
        "",
        2 * tr,  # an onset at the start of a scan is a whole tr before its end
        lambda t: (np.ceil(t / tr - 1e-6) == 1).astype(np.float64),
        lambda t: np.clip(t / tr, 0.0, 1.0),
    )
    return columns(events, (np.arange(n_scans) + 1) * tr, [whole], tr)


def orthogonalize(columns: np.ndarray) -> np.ndarray:
    """Take from each column what the columns before it explain; lengths stay."""
    result = columns.copy()
    for i in range(1, columns.shape[1]):
        before = result[:, :i]
        result[:, i] -= before @ (np.linalg.pinv(before) @ result[:, i])
    return result
