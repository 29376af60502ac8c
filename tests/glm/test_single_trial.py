import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import glm

T, K, V = 80, 9, 5
GROUP = np.array([0, 2, 0, 1, 1, 2, 0, 3, 1])  # condition 3 has one trial


@pytest.fixture
def data(rng, dtype):
    """Trials whose responses overlap, drifts, and data in raw units."""
    kernel = np.exp(-0.5 * ((np.arange(20) - 6) / 2.5) ** 2)
    X = np.zeros((T, K))
    for trial, onset in enumerate(range(2, 65, 7)):
        X[onset : onset + 20, trial] = kernel[: T - onset]
    N = np.column_stack([np.ones(T), np.linspace(-1, 1, T), rng.standard_normal(T)])
    beta = rng.standard_normal((K, V))
    noise = 0.1 * rng.standard_normal((T, V))
    Y = X @ beta + N @ rng.standard_normal((3, V)) + noise
    return X, N, (Y + 100).astype(dtype), beta


def refit(X, N, Y, trial, group):
    """The model of one trial: its own regressor, then the sums of the others."""
    rest = np.arange(K) != trial
    sums = [X[:, rest & (group == g)].sum(1) for g in np.unique(group[rest])]
    A = np.column_stack([X[:, trial], *sums, N])
    return np.linalg.lstsq(A, np.asarray(Y, float))[0][0]


@pytest.fixture
def close():
    """Of units in which the data are 100 and the estimates 1."""
    x64 = jnp.zeros(()).dtype == np.float64
    return {"rtol": 0, "atol": 1e-10 if x64 else 2e-4}


def test_lsa_equals_least_squares(data, close):
    X, N, Y, beta = data
    got = glm.lsa(X, Y, nuisance=N)
    expected = np.linalg.lstsq(np.column_stack([X, N]), np.asarray(Y, float))[0][:K]
    assert_allclose(got, expected, **close)
    assert np.abs(got - beta).max() < 0.5


@pytest.mark.parametrize("group", [None, GROUP])
def test_lss_equals_refitting(data, close, group):
    X, N, Y, _ = data
    got = glm.lss(X, Y, nuisance=N, conditions=group)
    labels = np.zeros(K) if group is None else group
    expected = [refit(X, N, Y, trial, labels) for trial in range(K)]
    assert_allclose(got, np.array(expected), **close)


def test_lss_equals_nilearn_trial_by_trial(data, x64):
    """Its model is fitted again for each trial; in float64, in raw units."""
    run_glm = pytest.importorskip("nilearn.glm.first_level").run_glm
    X, N, Y, _ = data
    Y = Y.astype(np.float64)
    got = glm.lss(X, Y, nuisance=N)
    for trial in range(K):
        A = np.column_stack([X[:, trial], np.delete(X, trial, 1).sum(1), N])
        labels, results = run_glm(Y, A, noise_model="ols")
        theta = np.array([results[label].theta[0] for label in np.unique(labels)])
        assert_allclose(got[trial], theta[0], rtol=1e-10, atol=1e-11)


def test_without_nuisance(data, close):
    X, _, Y, _ = data
    got = glm.lss(X, Y - 100, conditions=GROUP)
    none = np.zeros((T, 0))
    expected = [refit(X, none, Y - 100, trial, GROUP) for trial in range(K)]
    assert_allclose(got, np.array(expected), **close)


def test_lss_is_steadier_where_trials_overlap(rng, dtype):
    """Trials 2 s apart: the joint model loses its footing, single models do not."""
    kernel = np.exp(-0.5 * ((np.arange(30) - 8) / 4) ** 2)
    X = np.zeros((230, 100))
    for trial in range(100):
        X[2 * trial : 2 * trial + 30, trial] = kernel
    beta = 1 + rng.standard_normal((100, 40))
    Y = (X @ beta + 2 * rng.standard_normal((230, 40))).astype(dtype)
    N = np.ones((230, 1))

    def recovery(estimates):
        pairs = zip(np.asarray(estimates).T, beta.T, strict=True)
        return np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs])

    together, alone = recovery(glm.lsa(X, Y, nuisance=N)), glm.lss(X, Y, nuisance=N)
    assert recovery(alone) > together + 0.1
    assert recovery(alone) > 0.3


def test_undetermined_trials_are_nan(data):
    X, N, Y, _ = data
    X = X.copy()
    X[:, 4] = 0  # after the end of the run
    with pytest.warns(UserWarning, match=r"do not determine 1 of 9 trials \(4\)"):
        got = np.asarray(glm.lsa(X, Y, nuisance=N))
    assert np.isnan(got[4]).all()
    assert np.isfinite(np.delete(got, 4, 0)).all()
    with pytest.warns(UserWarning, match=r"do not determine 1 of 9 trials \(4\)"):
        got = np.asarray(glm.lss(X, Y, nuisance=N, conditions=GROUP))
    expected = np.array([refit(X, N, Y, trial, GROUP) for trial in range(K)])
    assert np.isnan(got[4]).all()
    assert_allclose(np.delete(got, 4, 0), np.delete(expected, 4, 0), atol=5e-4)
    X[:, 7] = N[:, 1]  # all of condition 3 is a drift
    with pytest.warns(UserWarning, match=r"2 of 9 trials \(4, 7\)"):
        glm.lss(X, Y, nuisance=N, conditions=GROUP)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Y": np.ones((9, 2))}, "Y has 9 time points but X has 80"),
        ({"X": np.full((T, K), np.nan)}, "X has 720 NaN or infinite values"),
        ({"nuisance": np.ones((4, 1))}, "nuisance has 4 time points but X has 80"),
        ({"conditions": [0, 1]}, r"conditions has shape \(2,\) but X has 9 trials"),
    ],
)
def test_bad_input(data, change, message):
    given = {"X": data[0], "Y": data[2]} | change
    with pytest.raises(ValueError, match=message):
        glm.lss(given.pop("X"), given.pop("Y"), **given)
