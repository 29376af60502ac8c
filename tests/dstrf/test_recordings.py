"""Deep encoders beside linear ones, on recorded sounds."""

import jax
import numpy as np
import pytest

import jaxneuro as jn
from jaxneuro import datasets, dstrf, signal, simulate

pytestmark = pytest.mark.slow
DEPTH = {"hidden": (24, 24, 24), "dilations": (1, 2, 4), "leave_out": "one"}


def held_out(model, sounds, responses, n_folds):
    """Correlation of each response with the prediction by those that left it out."""
    fold = jn.core.folds.kfold(len(sounds), n_folds)
    guess = model.fit(sounds, responses, fold_id=fold).predict(sounds, held_out=True)
    guess, measured = np.concatenate(guess), np.concatenate(responses)
    pairs = zip(guess.T, measured.T, strict=True)
    return np.array([np.corrcoef(one, other)[0, 1] for one, other in pairs])


def best_line(rate, decays, *recording):
    """Of the linear encoder with the best of several penalties."""
    lines = [
        jn.DSTRF(rate, **DEPTH, network="linear", weight_decay=decay)
        for decay in decays
    ]
    return max((held_out(line, *recording) for line in lines), key=np.mean)


def test_zebra_finch_neuron(shared):
    """An auditory neuron in bins of 5 ms; a linear field reaches 0.44."""
    folder = shared / "data/zebrafinch_auditory"
    with np.load(folder / "zebrafinch_auditory.npz") as file:
        raw = dict(file)
    sfreq, ends, rate = float(raw["fs"]), raw["stim_offsets"], 200.0
    wave = raw["waveform"].astype(np.float32) * np.float32(raw["waveform_scale"])
    options = {"n_bands": 31, "fmin": 250, "frame_rate": rate, "window": 0.01}
    songs, rates = [], []
    for k, (first, last) in enumerate(zip(ends[:-1], ends[1:], strict=True)):
        song = dstrf.spectrogram(wave[first:last], sfreq, **options)
        songs.append(np.asarray(song, np.float32))
        edges = np.arange(len(song) + 1) / rate
        seconds = raw["spike_ms"][raw["spike_stim"] == k] / 1e3
        seconds = seconds[seconds < (last - first) / sfreq]
        count = np.histogram(seconds, edges)[0] * rate / int(raw["n_trials"])
        rates.append(count.astype(np.float32)[:, None])
    (line,) = best_line(rate, np.logspace(-6, -3, 4), songs, rates, 5)
    network = jn.DSTRF(rate, **DEPTH, n_epochs=40, batch_size=2)
    (deep,) = held_out(network, songs, rates, 5)
    assert line > 0.44
    assert deep > line


@pytest.mark.network
def test_simulated_neurons_that_hear_speech():
    """Speech of naplib's tutorial; planted neurons, whose responses are simulated."""
    pytest.importorskip("h5py")
    data = datasets.load_naplib_tutorial()
    rate, lags = data.sfreq, jn.Lags(0.0, 0.2, data.sfreq)
    speech = [np.asarray(x).reshape(len(x), 16, -1).mean(2) for x in data.spectrogram]
    speech = [(x**0.3 / max(y.max() for y in speech) ** 0.3) for x in speech]
    # Pieces of 6 s, the first half of them from other trials than the second.
    speech = [part for x in speech for part in np.split(x[:3000], 5)]
    speech = [x.astype(np.float32) for x in speech]
    truth = simulate.nonlinear_truth(jax.random.key(1), n_bands=16, n_targets=8)
    clean = [
        np.asarray(simulate.nonlinear_response(truth, signal.lagged(x, lags)))
        for x in speech
    ]
    everything, rng = np.concatenate(clean), np.random.default_rng(0)
    responses = [
        (x - everything.mean(0)) / everything.std(0)
        + rng.standard_normal(x.shape).astype(np.float32) / 3
        for x in clean
    ]
    line = best_line(rate, (1e-5, 1e-3), speech, responses, 2)
    pace = {"n_epochs": 150, "learning_rate": 0.005, "weight_decay": 1e-4}
    network = jn.DSTRF(rate, **DEPTH, **pace, batch_size=2)
    deep = held_out(network, speech, responses, 2)
    assert deep.mean() > line.mean()
    # Those that hold a sound are what a line cannot describe.
    assert (deep[[2, 6]] > line[[2, 6]] + 0.005).all()
