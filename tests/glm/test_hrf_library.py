import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro import glm

T = 150


def test_library_holds_what_it_says():
    dt, peaks, widths = 0.01, [4.0, 6.5], [1.6, 2.4, 3.0]
    library = glm.hrf_library(
        dt=dt, peaks=peaks, widths=widths, undershoot=0, duration=60
    )
    assert library.shape == (6, 6000)
    times = dt * np.arange(6000)
    assert_allclose(library.sum(1), 1, rtol=1e-12)
    assert_allclose(times[library.argmax(1)], np.repeat(peaks, 3), atol=dt)
    mean = library @ times
    spread = np.sqrt(library @ times**2 - mean**2)
    assert_allclose(spread, np.tile(widths, 2), rtol=1e-3)


def test_library_holds_the_canonical_response():
    width = np.sqrt(6.0)  # a gamma density of shape 6 and scale 1 has its mode at 5
    canonical = glm.hrf_library(dt=0.5, peaks=5.0, widths=width, undershoot=0)
    times = 0.5 * np.arange(64)
    expected = times**5 * np.exp(-times)
    assert_allclose(canonical[0], expected / expected.sum(), rtol=1e-10, atol=1e-15)
    assert glm.hrf_library(dt=0.5).shape == (20, 64)


@pytest.fixture
def task(rng):
    """Designs of two conditions under every response, and slow drifts."""
    library = glm.hrf_library(dt=1.0)
    boxes = np.zeros((T, 2))
    for trial, onset in enumerate(rng.permutation(np.arange(3, T - 12, 6))):
        boxes[onset : onset + 2, trial % 2] = 1
    designs = np.stack(
        [np.stack([np.convolve(b, h)[:T] for b in boxes.T], axis=1) for h in library]
    )
    return designs, np.column_stack([np.ones(T), np.linspace(-1, 1, T)])


def test_equals_fitting_each(rng, task, dtype, tol):
    designs, N = task
    Y = (rng.standard_normal((T, 7)) + 3).astype(dtype)
    found = glm.hrf_search(designs, Y, nuisance=N)
    y = np.asarray(Y, float)
    rest = y - N @ np.linalg.lstsq(N, y)[0]
    coef = np.empty((2, 7))
    r2 = np.empty((len(designs), 7))
    for index, design in enumerate(designs):
        A = np.column_stack([design, N])
        b = np.linalg.lstsq(A, y)[0]
        r2[index] = 1 - ((y - A @ b) ** 2).sum(0) / (rest**2).sum(0)
        coef = np.where(np.asarray(found.index) == index, b[:2], coef)
    assert_allclose(found.r2, r2, **tol)
    assert_array_equal(found.index, r2.argmax(0))
    loose = {"rtol": 5 * tol["rtol"], "atol": 20 * tol["atol"]}
    assert_allclose(found.coef, coef, **loose)


def test_planted_responses_are_found(rng, task, dtype):
    designs, N = task
    planted = rng.integers(0, len(designs), 200)
    beta = 5 + 3 * rng.standard_normal((2, 200))
    signal = np.einsum("vtc,cv->tv", designs[planted], beta)
    noise = 0.02 * signal.std() * rng.standard_normal((T, 200))
    Y = signal + noise + N @ rng.standard_normal((2, 200)) + 50
    found = glm.hrf_search(designs, Y.astype(dtype), nuisance=N)
    hit = np.asarray(found.index) == planted
    assert hit.mean() > 0.9
    # What is missed is a neighbour, which explains nearly as much.
    r2 = np.asarray(found.r2)
    assert (r2.max(0) - r2[planted, np.arange(200)]).max() < 0.01
    assert_allclose(np.asarray(found.coef)[:, hit], beta[:, hit], rtol=0.2, atol=0.5)


def test_dependent_and_undefined(rng, task, dtype):
    designs, N = task
    designs = np.concatenate([designs[:3], np.zeros_like(designs[:1])])
    designs[1, :, 1] = 2 * designs[1, :, 0]
    designs[2, :, 1] = N[:, 1]
    Y = rng.standard_normal((T, 4)).astype(dtype)
    Y[:, 1], Y[3, 2] = 4.0, np.nan
    found = glm.hrf_search(designs, Y, nuisance=N)
    r2 = np.asarray(found.r2)
    assert np.isnan(r2[:, 1:3]).all()
    assert np.isnan(np.asarray(found.coef)[:, 1:3]).all()
    assert_allclose(r2[3, [0, 3]], 0, atol=1e-6)
    y = np.asarray(Y[:, [0, 3]], float)
    rest = y - N @ np.linalg.lstsq(N, y)[0]
    for index in (1, 2):
        A = np.column_stack([designs[index], N])
        left = y - A @ np.linalg.lstsq(A, y)[0]
        expected = 1 - (left**2).sum(0) / (rest**2).sum(0)
        assert_allclose(r2[index, [0, 3]], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: glm.hrf_library(dt=0.0), "dt is 0 but must be positive"),
        (lambda: glm.hrf_library(dt=1, undershoot=1.0), "undershoot is 1 but must be"),
        (lambda: glm.hrf_library(dt=1, peaks=[-1.0]), "must hold positive seconds"),
        (
            lambda: glm.hrf_search(np.ones((2, 9, 1)), np.ones((8, 2))),
            "designs has 9 time points but Y has 8",
        ),
        (
            lambda: glm.hrf_search(np.ones((9, 1)), np.ones((9, 2))),
            r"designs has shape \(9, 1\) but must be three-dimensional",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
