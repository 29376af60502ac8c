"""Networks against ridge on Gabor energy, over splits of recordings of visual cortex.

Settings were chosen on other splits, those of seeds 0 to 5, whose test parts share
images with those here. Stricter than the published baseline is ridge on the network's
own maps, which :func:`compare_v4` scores as well.
"""

import io
import zipfile

import jax
import numpy as np
import optax
import pytest
import scipy.stats

from jaxneuro import linear, nn, reliability
from jaxneuro.core import folds, score
from jaxneuro.signal import gabor_energy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

N_SPLITS, FIRST_SEED = 5, 10


def splits(n, n_splits=N_SPLITS):
    """Training and test rows, four to one."""
    for seed in range(FIRST_SEED, FIRST_SEED + n_splits):
        order = np.random.default_rng(seed).permutation(n)
        yield order[n // 5 :], order[: n // 5]


def read_v4(shared, session):
    """Images in colour, averaged 2 x 2, and mean responses."""
    image = pytest.importorskip("PIL.Image")
    folder = shared / "data" / "v4_natural_images"
    with zipfile.ZipFile(folder / f"images_{session}.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        pixels = [
            np.asarray(image.open(io.BytesIO(archive.read(name))).convert("RGB"))
            for name in names
        ]
    images = np.stack(pixels).astype(np.float32) / 255
    images = images.reshape(len(images), 56, 2, 56, 2, 3).mean((2, 4))
    with np.load(folder / f"v4_{session}.npz") as file:
        return images, dict(file)


def gray_energy_and_color(images):
    """The features of the published figures: energy of gray, and colour on a grid."""
    energy = np.asarray(gabor_energy(images.mean(3)))
    color = images.reshape(len(images), 7, 8, 7, 8, 3).mean((2, 4))
    return np.concatenate([energy, color.reshape(len(images), -1)], axis=1)


def standard(x, train):
    """Columns in standard deviations of the training rows."""
    x = x.reshape(len(x), -1)
    return (x - x[train].mean(0)) / np.maximum(x[train].std(0), 1e-6)


def ridge(features, Y, train, test):
    """Held-out correlation; penalties by five folds inside the training rows."""
    X = standard(features, train)
    found = linear.ridge_cv(
        X[train],
        Y[train],
        X.shape[1] * np.logspace(-3, 2, 16),
        folds.kfold(train.size, 5),
        metric="correlation",
    )
    return correlation(Y[test], linear.predict(found.fit, X[test]))


def correlation(y, guess):
    return np.asarray(score.correlation(y, np.asarray(guess, y.dtype)))


def network(front, maps, Y, train, *, seed, n_members, hidden, rate, batch_size):
    """Predict all rows: one hidden layer on the maps, members averaged."""
    mean, scale = Y[train].mean(0), Y[train].std(0)

    def build(rngs):
        return front.encoder(Y.shape[1], hidden=hidden, rngs=rngs)

    fit = nn.train_ensemble(
        build,
        maps[train],
        (Y[train] - mean) / scale,
        np.arange(train.size) % max(n_members, 5),
        keys=jax.random.split(jax.random.key(seed), n_members),
        validation="left_out",
        stop_on="correlation",
        loss="gaussian",
        optimizer=optax.adam(rate),
        batch_size=batch_size,
        n_epochs=60,
        patience=5,
    )
    guess = jax.lax.map(lambda v: fit.apply(v, maps), fit.variables).mean(0)
    return np.asarray(guess) * scale + mean


def interval(difference, share=0.25):
    """Mean and 95 % interval over splits that share data (Nadeau and Bengio, 2003)."""
    n = len(difference)
    error = np.std(difference, ddof=1) * np.sqrt(1 / n + share)
    half = scipy.stats.t.ppf(0.975, n - 1) * error
    mean = np.mean(difference)
    return mean, mean - half, mean + half


def compare_v4(shared, n_splits=N_SPLITS):
    """Mean correlations (n_splits, 3): network, ridge, ridge on the same maps."""
    images, file = read_v4(shared, "201025")
    Y = file["responses"]
    front = nn.GaborFront(images.shape[1:], n_scales=5, wavelength=3.0)
    maps, gray = np.asarray(front(images)), gray_energy_and_color(images)
    options = {"n_members": 8, "hidden": 128, "rate": 3e-4, "batch_size": 32}
    rows = []
    for seed, (train, test) in enumerate(splits(len(Y), n_splits), 1):
        guess = network(front, maps, Y, train, seed=seed, **options)
        row = [correlation(Y[test], guess[test]).mean()]
        row += [ridge(x, Y, train, test).mean() for x in (gray, maps)]
        rows.append(row)
    return np.array(rows)


def compare_v1(shared, n_splits=3):
    """Correlations (n_splits, 2, 2): network and ridge, of both neurons."""
    with np.load(shared / "data" / "v1_patterns" / "v1_patterns.npz") as file:
        bits, Y = np.unpackbits(file["patterns_packed"], axis=2), file["responses"]
    inner = bits[:, 60:100, 60:100].reshape(len(Y), 20, 2, 20, 2).mean((2, 4))
    images = (1 - inner).astype(np.float32)[..., None]
    front = nn.GaborFront((20, 20, 1), n_scales=3, wavelength=3.0)
    maps = np.asarray(front(images))
    energy = np.asarray(gabor_energy(images, n_scales=3, grid=(5, 5)))
    options = {"n_members": 2, "hidden": 128, "rate": 3e-4, "batch_size": 64}
    rows = []
    for seed, (train, test) in enumerate(splits(len(Y), n_splits), 1):
        guess = network(front, maps, Y, train, seed=seed, **options)
        row = [correlation(Y[test], guess[test]), ridge(energy, Y, train, test)]
        rows.append(row)
    return np.array(rows)


def test_v4_beats_ridge(shared):
    """The network is above ridge on Gabor energy and colour, whatever the split."""
    found = compare_v4(shared)
    mean, low, _ = interval(found[:, 0] - found[:, 1])
    assert low > 0
    assert mean > 0.015
    assert found[:, 0].mean() > 0.5
    assert 0.48 < found[:, 1].mean() < 0.52  # the baseline is as strong as it was


def test_v1_beats_ridge(shared):
    """Both neurons."""
    found = compare_v1(shared)
    for neuron, published in enumerate([0.69, 0.64]):
        mine, ridges = found[:, :, neuron].T
        _, low, _ = interval(mine - ridges)
        assert low > 0
        assert mine.mean() > published


def compare_oracle(shared):
    """Cross-validated prediction of every image: FEVE, and shares of the oracle."""
    images, file = read_v4(shared, "210325")
    counts = np.where(file["counts"] < 0, np.nan, file["counts"].astype(np.float32))
    Y = file["responses"]
    front = nn.GaborFront(images.shape[1:], n_scales=5, wavelength=3.0)
    maps = np.asarray(front(images))
    options = {"n_members": 2, "hidden": 128, "rate": 3e-4, "batch_size": 32}
    guess = np.empty_like(Y)
    fold = np.random.default_rng(1).permutation(len(Y)) % N_SPLITS
    for held in range(N_SPLITS):
        train, test = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        guess[test] = network(front, maps, Y, train, seed=held, **options)[test]
    oracle = np.asarray(reliability.oracle_correlation(counts))
    single = np.asarray(reliability.trial_correlation(counts, guess))
    feve = np.asarray(reliability.feve(counts, guess))
    kept = np.asarray(reliability.fev(counts)) >= 0.15
    average = np.asarray(reliability.average_correlation(counts, guess))
    ceiling = np.asarray(reliability.noise_ceiling(counts))
    return oracle, single, feve[kept], average, ceiling


def test_v4_share_of_the_oracle(shared):
    """Single repeats are predicted nearly as well as the other repeats do."""
    oracle, single, feve, average, ceiling = compare_oracle(shared)
    assert abs(np.median(oracle) - 0.47) < 0.006
    assert np.median(single / oracle) > 0.6
    assert np.median(feve) > 0.25
    assert np.median(average / ceiling) > 0.55
