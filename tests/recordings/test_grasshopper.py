"""Auditory receptor of a grasshopper: spikes from sound, and sound from spikes."""

import numpy as np
import pytest

import jaxneuro as jn
from jaxneuro import datasets
from jaxneuro.core import folds

pytest.importorskip("nitime")

# Correlations of a ridge with penalty 1 as the loader's documentation gives them.
FORWARD, BACKWARD = (0.34, 0.35), (0.52, 0.36)


@pytest.fixture(scope="module")
def recording():
    return datasets.load_grasshopper()


def held_out(X, Y, window, alphas, n_folds=5):
    """Correlation in each consecutive fold of models whose penalty is searched.

    The search sees the other folds alone: they are its trials.
    """
    fold_id = folds.kfold(len(X), n_folds)
    pieces = [(X[fold_id == k], Y[fold_id == k]) for k in range(n_folds)]
    scores = []
    for k, (x, y) in enumerate(pieces):
        rest = pieces[:k] + pieces[k + 1 :]
        model = jn.TRF(*window, 1000.0, alphas=alphas, metric="correlation")
        model.fit([a for a, _ in rest], [b for _, b in rest])
        scores.append(model.score_targets(x, y, metric="correlation")[0])
    return np.array(scores)


def signals(recording, stimulus):
    envelope = recording.envelope[stimulus]
    scaled = (envelope - envelope.mean(0)) / envelope.std(0)
    return scaled.astype(np.float32), recording.resp[stimulus].astype(np.float32)


def test_receptor_follows_the_sound(recording):
    """A quick look: one held-out second, one stimulus, both ways."""
    assert recording.simulated is False
    envelope, resp = signals(recording, 0)
    train, test = slice(0, 4000), slice(4000, 5000)
    forward = jn.TRF(0.0, 0.02, 1000.0, alpha=10.0).fit(envelope[train], resp[train])
    backward = jn.TRF(-0.02, 0.0, 1000.0, alpha=10.0).fit(resp[train], envelope[train])
    r = forward.score_targets(envelope[test], resp[test], metric="correlation")
    assert r > 0.2
    r = backward.score_targets(resp[test], envelope[test], metric="correlation")
    assert r > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("stimulus", [0, 1])
def test_spikes_from_sound(recording, stimulus):
    envelope, resp = signals(recording, stimulus)
    r = held_out(envelope, resp, (0.0, 0.02), np.logspace(-1, 5, 7))
    assert r.mean() > FORWARD[stimulus] - 0.02
    assert r.min() > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("stimulus", [0, 1])
def test_sound_from_spikes(recording, stimulus):
    envelope, resp = signals(recording, stimulus)
    r = held_out(resp, envelope, (-0.02, 0.0), np.logspace(-1, 5, 7))
    assert r.mean() > BACKWARD[stimulus] - 0.02
    assert r.min() > 0.2
