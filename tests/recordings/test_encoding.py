"""Encoding models of recorded voxels, penalties chosen without the test."""

import numpy as np
import pytest

from jaxneuro import linear, signal

pytestmark = pytest.mark.slow

ALPHAS = np.logspace(0, 5, 11)


def held_out(fit, X, Y):
    """Correlation of each target with its prediction."""
    P = np.asarray(linear.predict(fit, X), float)
    P, Y = P - P.mean(0), Y - Y.mean(0, dtype=float)
    return (P * Y).sum(0) / np.sqrt((P**2).sum(0) * (Y**2).sum(0))


def cleaned(Y, confounds=None, *, tr):
    """Scores of what is left after slow drifts, a constant and confounds."""
    n = len(Y)
    order = int(2 * n * tr / 128)
    drift = np.cos(np.pi / n * (np.arange(n)[:, None] + 0.5) * np.arange(order + 1))
    if confounds is not None:
        drift = np.concatenate([drift, confounds - confounds.mean(0)], axis=1)
    left = Y - drift @ np.linalg.lstsq(drift, Y, rcond=None)[0]
    spread = left.std(0)
    return (left / np.where(spread > 0, spread, 1)).astype(np.float32)


def test_story_listening(shared):
    """Word rate and sound power, first half of all listeners against the second."""
    with np.load(shared / "data" / "fmri_alice" / "alice.npz") as stored:
        bold, motion = stored["bold_10mm"], stored["motion"]
        rate, power, tr = stored["word_rate"], stored["sound_power"], stored["tr"]
    n, half = bold.shape[1], bold.shape[1] // 2
    X, Y = [], []
    for y, m, p in zip(bold, motion, power, strict=True):
        X.append(cleaned(np.stack([rate, p], axis=1), m, tr=tr))
        Y.append(cleaned(y, m, tr=tr))
    X, Y = np.stack(X), np.stack(Y)
    listener = np.repeat(np.arange(len(X)), half)
    found = linear.ridge_cv(
        X[:, :half].reshape(-1, 2), Y[:, :half].reshape(-1, 6), ALPHAS, listener % 9
    )
    r = [held_out(found.fit, X[i, half:], Y[i, half:]) for i in range(len(X))]
    expected = [0.08, 0.05, 0.11, 0.13, 0.13, 0.06]
    assert n == 362
    np.testing.assert_allclose(np.mean(r, axis=0), expected, atol=0.03)


def test_delays_of_events(shared):
    """Ten kinds of events with free responses of ten scans, half against half."""
    pd = pytest.importorskip("pandas")
    folder = shared / "data" / "fmri_localizer"
    with np.load(folder / "localizer.npz") as stored:
        bold, tr = stored["bold"].astype(float), float(stored["tr"])
    events = pd.read_csv(folder / "events.tsv", sep="\t")
    X = np.zeros((len(bold), 10))
    kinds = np.unique(events["trial_type"])
    scan = np.round(events["onset"] / tr).astype(int)
    X[scan, np.searchsorted(kinds, events["trial_type"])] = 1
    wide, _ = linear.delay_bands(X, np.zeros(10, int), signal.Lags(0, 9, 1))
    X, half = cleaned(np.asarray(wide), tr=tr), len(bold) // 2
    Y = cleaned(bold, tr=tr)
    folds = np.arange(half) * 5 // half
    found = linear.ridge_cv(X[:half], Y[:half], ALPHAS, folds)
    r = held_out(found.fit, X[half:], Y[half:])
    assert np.nanmedian(r) > 0.1
    assert np.nanpercentile(r, 95) > 0.35


def test_blocks_of_object_viewing(shared):
    """Eight categories with the usual response, every run left out once."""
    pd = pytest.importorskip("pandas")
    from jaxneuro import glm

    folder = shared / "data" / "fmri_haxby_slice"
    with np.load(folder / "haxby_slice.npz") as stored:
        bold, tr = stored["bold"].astype(float), float(stored["tr"])
    events = pd.read_csv(folder / "events.tsv", sep="\t")
    X, Y = [], []
    for run, y in enumerate(bold):
        mine = events[events["run"] == run + 1].drop(columns="run")
        design = glm.design(mine, len(y), tr, drift_model=None)
        X.append(cleaned(np.asarray(design.matrix)[:, :8], tr=tr))
        Y.append(cleaned(y, tr=tr))
    run_id = np.repeat(np.arange(12), len(bold[0]))
    X, Y = np.concatenate(X), np.concatenate(Y)
    r = []
    for run in range(12):
        train = run_id != run
        inner = np.unique(run_id[train], return_inverse=True)[1]
        found = linear.ridge_cv(X[train], Y[train], ALPHAS, inner)
        r.append(held_out(found.fit, X[~train], Y[~train]))
    r = np.nanmean(r, axis=0)
    # The folder's note: 0.079 and 0.45 at one penalty for all voxels.
    assert r.mean() > 0.079
    assert r.max() > 0.45
