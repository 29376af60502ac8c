import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import signal
from jaxneuro.signal import Lags


def design(X, lags, lengths, fill=0.0):
    """Build the lagged design row by row."""
    rows = []
    for trial in np.split(X, np.cumsum(lengths)[:-1]):
        for t in range(len(trial)):
            source = t - lags.samples
            inside = (source >= 0) & (source < len(trial))
            row = np.where(
                inside[:, None], trial[np.clip(source, 0, len(trial) - 1)], fill
            )
            rows.append(row.ravel())
    return np.array(rows)


def oracle(D, Y, rows):
    D, Y = D[rows], Y[rows]
    dm, ym = D.mean(0), Y.mean(0)
    Dc, Yc = D - dm, Y - ym
    return len(D), dm, ym, Dc.T @ Dc, Dc.T @ Yc, (Yc**2).sum(0)


def compare(m, expected, tol, scale=1.0):
    n, dm, ym, xx, xy, yy = expected
    assert_allclose(m.n, n)
    assert_allclose(m.x_mean, dm, **tol)
    assert_allclose(m.y_mean, ym, **tol)
    size = np.abs(xx).max()
    assert_allclose(m.xx / size, xx / size, rtol=0, atol=tol["atol"] * scale)
    size = np.sqrt(size * yy.max())
    assert_allclose(m.xy / size, xy / size, rtol=0, atol=tol["atol"] * scale)
    assert_allclose(m.yy, yy, rtol=tol["rtol"])


LAGS = [
    Lags(0, 2, 1),
    Lags(-1, 1, 1),
    Lags(0, 0, 1),
    Lags(-9, 4, 1),
    Lags(2, 30, 1),
    Lags(-12, -5, 1),
]
LENGTHS = [[40, 75, 33], [300, 31]]


def data(rng, lengths, dtype, offset=0.0):
    n = sum(lengths)
    X = (rng.standard_normal((n, 3)) + offset).astype(dtype)
    Y = (rng.standard_normal((n, 2)) + offset).astype(dtype)
    return X, Y, np.repeat(np.arange(len(lengths)), lengths)


# Every window with every padding on one set of trials or the other; all pairs if slow.
CASES = [
    pytest.param(
        *(lags, lengths, pad),
        marks=[pytest.mark.slow] if (i + j + k) % 2 else [],
        id=f"{pad}-lengths{j}-lags{i}",
    )
    for i, lags in enumerate(LAGS)
    for j, lengths in enumerate(LENGTHS)
    for k, pad in enumerate(["zero", "mean", "drop"])
]


@pytest.mark.parametrize(("lags", "lengths", "pad"), CASES)
def test_equals_explicit_design(rng, dtype, tol, lags, lengths, pad):
    X, Y, trial_id = data(rng, lengths, dtype, offset=2.0)
    fill = X.astype(float).mean(0) if pad == "mean" else 0.0
    D = design(X.astype(float), lags, lengths, fill)
    rows = np.ones(len(X), bool)
    if pad == "drop":
        edge = design(np.ones((len(X), 1)), lags, lengths)
        rows = edge.all(1)
    m = signal.lagged_moments(X, Y, lags, trial_id=trial_id, pad=pad)
    compare(m, oracle(D, Y.astype(float), rows), tol)
    assert_allclose(m.xx, np.asarray(m.xx).T, atol=1e-4)


@pytest.mark.parametrize("lags", LAGS)
def test_folds_within_and_across_trials(rng, dtype, tol, lags):
    lengths = [40, 75, 64]
    X, Y, trial_id = data(rng, lengths, dtype)
    fold_id = np.arange(len(X)) * 4 // len(X)
    folds = signal.lagged_moments(X, Y, lags, trial_id=trial_id, fold_id=fold_id)
    D = design(X.astype(float), lags, lengths)
    for k in range(4):
        m = jax.tree.map(lambda leaf, k=k: leaf[k], folds)
        compare(m, oracle(D, Y.astype(float), fold_id == k), tol)


def test_shuffled_folds(rng, dtype, tol):
    lengths, lags = [90, 75], Lags(-3, 6, 1)
    X, Y, trial_id = data(rng, lengths, dtype)
    fold_id = rng.permutation(np.arange(len(X)) % 3)
    folds = signal.lagged_moments(X, Y, lags, trial_id=trial_id, fold_id=fold_id)
    D = design(X.astype(float), lags, lengths)
    for k in range(3):
        m = jax.tree.map(lambda leaf, k=k: leaf[k], folds)
        compare(m, oracle(D, Y.astype(float), fold_id == k), tol)


def test_mask_with_missing_samples(rng, dtype, tol):
    lengths, lags = [140, 95], Lags(-2, 7, 1)
    X, Y, trial_id = data(rng, lengths, dtype, offset=1.0)
    mask = np.ones(len(X), bool)
    mask[20:33] = mask[150:152] = mask[139] = False
    Y[20:33] = np.nan
    X[150:152, 1] = np.nan  # every window that touches these weighs zero
    D = design(X.astype(float), lags, lengths)
    rows = mask & np.isfinite(D).all(1)
    m = signal.lagged_moments(X, Y, lags, trial_id=trial_id, mask=mask)
    compare(m, oracle(D, Y.astype(float), rows), tol)


def test_missing_samples_without_mask_are_not_hidden(rng, dtype):
    X, Y, _ = data(rng, [50], dtype)
    X[3, 0] = np.nan
    m = signal.lagged_moments(X, Y, Lags(0, 2, 1))
    assert np.isnan(m.xx).any()


@pytest.mark.parametrize("lags", [Lags(-3, 6, 1), Lags(0, 2, 1)])
def test_large_offset_does_not_cancel(rng, dtype, lags):
    lengths = [400, 300]
    X, Y, trial_id = data(rng, lengths, np.float64, offset=1e4)
    X, Y = X.astype(dtype), Y.astype(dtype)
    D = design(X.astype(float), lags, lengths, fill=X.astype(float).mean(0))
    expected = oracle(D, Y.astype(float), slice(None))
    m = signal.lagged_moments(X, Y, lags, trial_id=trial_id, pad="mean")
    scale = np.abs(expected[3]).max()
    assert_allclose(m.xx / scale, expected[3] / scale, atol=2e-5)


@pytest.mark.parametrize(
    "lags", [Lags(-1, 1, 1), pytest.param(Lags(-2, 9, 1), marks=pytest.mark.slow)]
)
def test_differentiates_and_vmaps(rng, dtype, lags):
    X, Y, trial_id = data(rng, [30, 25], dtype)

    def total(x):
        m = signal.lagged_moments(x, Y, lags, trial_id=trial_id)
        return (m.xx**2).sum() + (m.xy**2).sum()

    def explicit(x):
        d = signal.lagged(x, lags, trial_id=trial_id).reshape(len(X), -1)
        d = d - d.mean(0, keepdims=True)
        y = Y - Y.mean(0, keepdims=True)
        mul = lambda a, b: jnp.matmul(a, b, precision="highest")  # noqa: E731
        return (mul(d.T, d) ** 2).sum() + (mul(d.T, y) ** 2).sum()

    got, expected = (jax.jit(jax.grad(f))(jnp.asarray(X)) for f in (total, explicit))
    assert_allclose(got, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    stack = jnp.stack([jnp.asarray(X), 2 * jnp.asarray(X)])
    both, one = jax.jit(jax.vmap(total))(stack), jax.jit(total)
    assert_allclose(both, [one(stack[0]), one(stack[1])], rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Y": np.zeros((7, 1))}, "Y has 7 time points but X has 50"),
        ({"X": np.zeros(50)}, r"X has shape \(50,\) but must be two-dimensional"),
        ({"X": np.array([["a"]] * 50)}, "X has dtype <U1 but must hold real numbers"),
        ({"pad": "wrap"}, "pad is 'wrap' but must be one of 'zero', 'mean', 'drop'"),
        ({"mask": np.ones(50)}, "mask has shape .* must be a boolean array"),
        ({"mask": np.zeros(50, bool)}, "fold 0 has no sample left"),
        ({"fold_id": -np.ones(50, int)}, "fold_id has shape .* 50 numbers from 0"),
        ({"trial_id": np.arange(50) % 2}, "trial 0 in 25 separate pieces"),
        ({"trial_id": np.zeros(4, int)}, "trial_id has 4 entries but the data have 50"),
        ({"trial_id": np.zeros(50)}, "must be a one-dimensional array of integers"),
    ],
)
def test_bad_input(change, message):
    arguments = {"X": np.ones((50, 1)), "Y": np.ones((50, 1)), "lags": Lags(0, 1, 1)}
    with pytest.raises((ValueError, TypeError), match=message):
        signal.lagged_moments(**(arguments | change))


def test_traced_trials_are_refused():
    with pytest.raises(TypeError, match="trial_id is traced .* must be concrete"):
        jax.jit(
            lambda t: signal.lagged_moments(
                jnp.ones((5, 1)), jnp.ones((5, 1)), Lags(0, 1, 1), trial_id=t
            )
        )(np.zeros(5, int))
