"""An auditory neuron of a zebra finch: its firing rate from the songs it heard."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

import jaxneuro as jn
from jaxneuro import signal, trf
from jaxneuro.core import folds

pytestmark = pytest.mark.slow

RATE = 200.0  # bins of 5 ms
LAGS = jn.Lags(0.0, 0.195, RATE)
ALPHAS = np.logspace(1, 5, 9)


@pytest.fixture
def recording(load):
    """Songs, and the mean rate over repeats in spikes/s, raw and smoothed by 10 ms."""
    raw = load("zebrafinch_auditory")
    sfreq, ends = float(raw["fs"]), raw["stim_offsets"]
    wave = raw["waveform"].astype(np.float32) * np.float32(raw["waveform_scale"])
    songs = [wave[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]
    rates = []
    for k, song in enumerate(songs):
        edges = np.arange(np.ceil(song.size * RATE / sfreq) + 1) / RATE
        seconds = raw["spike_ms"][raw["spike_stim"] == k] / 1e3
        count = np.histogram(seconds[seconds < song.size / sfreq], edges)[0]
        rate = count * RATE / int(raw["n_trials"])
        smooth = gaussian_filter1d(rate.astype(float), 0.01 * RATE)
        rates.append(np.stack([rate, smooth], axis=1).astype(np.float32))
    return songs, sfreq, rates


def decibels(spectrograms, span, per_decade):
    """Decibels above `span` below the loudest, so that silence is zero.

    It is what lies beyond the ends of a trial, too.
    """
    loudest = max(float(one.max()) for one in spectrograms)
    floor = 10 ** (-span / per_decade)
    return [
        per_decade * np.log10(np.maximum(np.asarray(one) / loudest, floor)) + span
        for one in spectrograms
    ]


def mel(songs, sfreq):
    power = [
        signal.mel_spectrogram(
            song, sfreq, n_bands=31, fmin=250, fmax=8000, frame_rate=RATE, window=0.01
        )
        for song in songs
    ]
    return decibels(power, 70, 10)


def auditory(songs, sfreq):
    """Amplitude in 24 groups of 4 channels, and a column that says: sound is on."""
    every = signal.auditory_spectrogram(songs, sfreq, frame_rate=RATE)
    grouped = [np.asarray(one).reshape(len(one), 32, 4).mean(2) for one in every]
    grouped = [one[:, 8:] for one in grouped]  # below 450 Hz the songs are silent
    return [
        np.pad(one, ((0, 0), (0, 1)), constant_values=20.0)
        for one in decibels(grouped, 60, 20)
    ]


def held_out(features, rates, **options):
    """Correlation (n_alphas, 2) with the raw and smoothed rate, mean over 5 folds."""
    X, trial_id = signal.concatenate([one.astype(np.float32) for one in features])
    Y, _ = signal.concatenate(rates)
    result = trf.fit_cv(
        X / X.std(),
        Y,
        LAGS,
        ALPHAS,
        folds.by_group(trial_id, 5),
        trial_id=trial_id,
        metric="correlation",
        **options,
    )
    return np.asarray(result.scores).mean(0)


@pytest.mark.parametrize(
    ("spectrogram", "raw", "smooth"),
    # Measured: 0.504 and 0.595; 0.570 and 0.649.
    [(mel, 0.49, 0.58), (auditory, 0.55, 0.63)],
)
def test_rate_from_song(recording, spectrogram, raw, smooth):
    songs, sfreq, rates = recording
    r = held_out(spectrogram(songs, sfreq), rates)
    assert (r.max(0) > [raw, smooth]).all()
    # The best penalty is inside the grid.
    assert (r.argmax(0) > 0).all()
    assert (r.argmax(0) < ALPHAS.size - 1).all()


@pytest.mark.filterwarnings("ignore:X is constant in 1 of 25 columns")
def test_penalty_chosen_without_the_test_songs(recording):
    """Nested: the penalty that the training songs choose does as well."""
    songs, sfreq, rates = recording
    features = auditory(songs, sfreq)
    scale = np.concatenate(features).std()
    features = [one / scale for one in features]
    fold = folds.kfold(20, 5)
    r = []
    for k in range(5):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        model = jn.TRF(
            LAGS.tmin, LAGS.tmax, RATE, alphas=ALPHAS, cv=4, metric="correlation"
        ).fit([features[i] for i in train], [rates[i] for i in train])
        r.append(
            model.score_targets(
                [features[i] for i in test],
                [rates[i] for i in test],
                metric="correlation",
            )
        )
    raw, smooth = np.mean(r, axis=0)
    assert raw > 0.52
    assert smooth > 0.61


def test_excitation_is_followed_by_suppression(recording):
    """The receptive field of an onset: over all bands up within 10 ms, then down."""
    songs, sfreq, rates = recording
    features = mel(songs, sfreq)
    scale = np.concatenate(features).std()
    model = jn.TRF(LAGS.tmin, LAGS.tmax, RATE, alpha=1e3)
    model.fit([one / scale for one in features], [one[:, :1] for one in rates])
    course = model.coef_[0].sum(0)
    up, down = course.argmax(), course.argmin()
    assert model.lags_.times[up] <= 0.01
    assert 0 < model.lags_.times[down] - model.lags_.times[up] <= 0.02
    # Nothing of that size comes later.
    assert np.abs(course[6:]).max() < 0.3 * course[up]


def test_deep_encoder_predicts_better_than_the_linear_one(recording):
    """Songs left out by fifths; the same features for both."""
    songs, sfreq, rates = recording
    features = [one.astype(np.float32) for one in mel(songs, sfreq)]
    fold = folds.kfold(20, 5)
    model = jn.DSTRF(
        RATE,
        hidden=(24, 24, 24),
        dilations=(1, 2, 4),  # a window of 140 ms
        leave_out="one",
        n_seeds=2,
        n_epochs=60,
        batch_size=2,
    ).fit(features, rates, fold_id=fold)
    predicted = model.predict(features, held_out=True)
    r = []
    for k in range(5):
        test = np.flatnonzero(fold == k)
        pair = (np.concatenate([part[i] for i in test]) for part in (predicted, rates))
        columns = zip(*(one.T for one in pair), strict=True)
        r.append([np.corrcoef(a, b)[0, 1] for a, b in columns])
    raw, smooth = np.mean(r, axis=0)
    linear = held_out(features, rates).max(0)
    # Measured: 0.622 and 0.661, linear 0.504 and 0.595.
    assert raw > linear[0] + 0.05
    assert smooth > linear[1] + 0.03
