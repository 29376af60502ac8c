import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import glm
from jaxneuro.glm import _permute

N, V, P = 14, 23, 60


def t_of_last(X, Y):
    """t of the last column, by least squares."""
    coef, sse, *_ = np.linalg.lstsq(X, Y)
    variance = np.linalg.inv(X.T @ X)[-1, -1] * sse / (len(X) - X.shape[1])
    return coef[-1] / np.sqrt(variance)


def oracle(Y, x, Z, resamplings, *, flip, two_sided):
    """Freedman and Lane's scheme, every model fitted again."""
    X = np.column_stack([Z, x])
    residual = Y - Z @ np.linalg.lstsq(Z, Y)[0] if Z.size else Y
    moved = [X * s[:, None] if flip else X[s] for s in resamplings]
    t = np.array([t_of_last(M, residual) for M in [X, *moved]])
    t = np.abs(t) if two_sided else t
    p_value = (t[1:] >= t[0] - 1e-9).sum(0)
    p_corrected = (t[1:].max(1)[:, None] >= t[0] - 1e-9).sum(0)
    return (
        t_of_last(X, Y),
        (1 + p_value) / (1 + len(moved)),
        (1 + p_corrected) / (1 + len(moved)),
        t[1:].max(1),
    )


def signs(rng, n_permutations=P):
    return rng.integers(0, 2, (n_permutations, N)) * 2 - 1


def orders(rng, n_permutations=P):
    return rng.permuted(np.tile(np.arange(N), (n_permutations, 1)), axis=1)


@pytest.fixture
def maps(rng):
    return rng.standard_normal((N, V)) + np.linspace(0, 1, V)


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("n_confounds", [0, 1, 3])
@pytest.mark.parametrize("flip", [True, False])
def test_equals_refitting(rng, maps, dtype, tol, flip, n_confounds, two_sided):
    C = rng.standard_normal((N, n_confounds)) if n_confounds else None
    x = np.ones(N) if flip else rng.standard_normal(N)
    resamplings = signs(rng) if flip else orders(rng)
    Y = maps.astype(dtype)
    result = glm.permutation_test(
        Y, x, confounds=C, permutations=resamplings, two_sided=two_sided
    )
    Z = np.ones((N, 0)) if flip else np.ones((N, 1))
    Z = Z if C is None else np.column_stack([Z, C])
    expected = oracle(
        np.asarray(Y, float), x, Z, resamplings, flip=flip, two_sided=two_sided
    )
    stat, p_value, p_corrected, null = expected
    assert_allclose(result.stat[0], stat, **tol)
    assert_allclose(result.null[0], null, **tol)
    assert_allclose(result.p_value[0], p_value, rtol=1e-6)
    assert_allclose(result.p_corrected[0], p_corrected, rtol=1e-6)
    assert result.dof == N - Z.shape[1] - 1


def test_tiles_and_blocks_change_nothing(rng, maps, dtype, monkeypatch):
    Y, x, given = maps.astype(dtype), rng.standard_normal(N), orders(rng)
    whole = glm.permutation_test(Y, x, permutations=given)
    monkeypatch.setattr(_permute, "_TILE", 7)
    monkeypatch.setattr(_permute, "_ROWS", 51)
    jax.clear_caches()
    cut = glm.permutation_test(Y, x, permutations=given)
    jax.clear_caches()
    for name in ("null", "p_value", "p_corrected"):
        assert_allclose(getattr(cut, name), getattr(whole, name), rtol=1e-5)


def test_several_variates_are_tested_alone(rng, maps, dtype):
    x, given = rng.standard_normal((N, 2)), orders(rng)
    both = glm.permutation_test(maps.astype(dtype), x, permutations=given)
    assert both.stat.shape == both.p_value.shape == (2, V)
    assert both.null.shape == (2, P)
    second = glm.permutation_test(maps.astype(dtype), x[:, 1], permutations=given)
    assert_allclose(both.stat[1], second.stat[0], rtol=1e-5)
    assert_allclose(both.p_corrected[1], second.p_corrected[0], rtol=1e-6)


def test_few_samples_take_all_signs(rng, dtype):
    Y = rng.standard_normal((5, 4)).astype(dtype)
    Y[:, 2] = 1 + np.arange(5) / 50  # only the identity and its mirror reach it
    result = glm.permutation_test(Y, np.ones(5), key=jax.random.key(0))
    assert result.null.shape == (1, 31)
    assert_allclose(result.p_value[0, 2], 2 / 32, rtol=1e-6)
    one = glm.permutation_test(Y, np.ones(5), key=jax.random.key(0), two_sided=False)
    assert_allclose(one.p_value[0, 2], 1 / 32, rtol=1e-6)


@pytest.mark.parametrize("flip", [True, False])
def test_drawn_resamplings(rng, maps, dtype, flip):
    x = np.ones(N) if flip else rng.standard_normal(N)
    options = {"n_permutations": 2500, "confounds": rng.standard_normal(N)}
    Y = maps.astype(dtype)
    first = glm.permutation_test(Y, x, key=jax.random.key(1), **options)
    again = glm.permutation_test(Y, x, key=jax.random.key(1), **options)
    other = glm.permutation_test(Y, x, key=jax.random.key(2), **options)
    assert first.null.shape == (1, 2500)
    assert_allclose(first.null, again.null, rtol=0)
    # 2^14 signs are 2^13 different sizes of t, of which 2500 draws hit about 2150.
    assert len(np.unique(first.null)) > 2000
    # Other draws of the same distribution: quantiles agree within their noise.
    quantiles = np.linspace(0.1, 0.9, 5)
    a, b = np.quantile(first.null, quantiles), np.quantile(other.null, quantiles)
    assert_allclose(a, b, rtol=0.05)


@pytest.mark.parametrize("flip", [True, False])
def test_family_wise_error_is_nominal(rng, dtype, flip):
    n_sets, hits = 300, 0
    for index in range(n_sets):
        # Targets share noise, and their errors are far from normal.
        Y = rng.laplace(size=(12, 20)) + rng.standard_normal((12, 1))
        x = np.ones(12) if flip else rng.standard_normal(12)
        result = glm.permutation_test(
            Y.astype(dtype), x, key=jax.random.key(index), n_permutations=199
        )
        hits += bool((np.asarray(result.p_corrected) <= 0.05).any())
    # Four standard errors of a binomial share of 0.05.
    assert abs(hits / n_sets - 0.05) < 4 * np.sqrt(0.05 * 0.95 / n_sets)


def test_finds_what_was_planted(rng, dtype):
    Y = rng.standard_normal((24, 300))
    x = rng.standard_normal(24)
    age = x + rng.standard_normal(24)
    Y += 5 * age[:, None] + 1000
    Y[:, :10] += 3 * x[:, None]
    result = glm.permutation_test(
        Y.astype(dtype), x, confounds=age, key=jax.random.key(0), n_permutations=999
    )
    found = np.asarray(result.p_corrected[0]) < 0.05
    assert found[:10].all()
    assert found[10:].sum() <= 1


def test_undefined_targets_are_left_out(rng, maps, dtype):
    Y, given = maps.astype(dtype), orders(rng)
    x = rng.standard_normal(N)
    clean = glm.permutation_test(Y[:, 2:], x, permutations=given)
    Y[3, 0], Y[:, 1] = np.nan, 7.0
    with pytest.warns(UserWarning, match=f"2 of {V} targets are NaN or have no var"):
        result = glm.permutation_test(Y, x, permutations=given)
    assert np.isnan(result.stat[0, :2]).all()
    assert np.isnan(result.p_corrected[0, :2]).all()
    assert np.isnan(result.p_value[0, :2]).all()
    assert_allclose(result.null, clean.null, rtol=1e-5)
    assert_allclose(result.p_corrected[0, 2:], clean.p_corrected[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps": np.ones(N)}, r"maps has shape \(14,\) but must be two-dimensional"),
        ({"tested": np.ones(9)}, "tested has 9 rows but maps has 14"),
        ({"tested": np.full(N, np.nan)}, "tested has 14 NaN or infinite values"),
        ({"confounds": np.ones((N, 1)) * np.inf}, "confounds has 14 NaN or infinite"),
        ({"confounds": np.ones((9, 1))}, "confounds has 9 rows but tested has 14"),
        ({"confounds": np.arange(N)}, "tested column 0 is a mixture of the confounds"),
        ({"confounds": np.eye(N)[:, :12]}, "maps has 14 rows but the model has 14 col"),
        ({"key": None}, "key is None but a random key or permutations are needed"),
        ({"n_permutations": 0}, "n_permutations is 0 but must be at least 1"),
        ({"permutations": np.zeros((3, 9))}, r"permutations has shape \(3, 9\) but"),
        ({"permutations": np.zeros((3, N), int)}, "must hold an order of 0 to 13 in"),
        (
            {"permutations": np.zeros((3, N), int), "sign_flip": True},
            "permutations must hold 1 and -1 where signs are flipped",
        ),
    ],
)
def test_bad_input(maps, change, message):
    given = {"maps": maps, "tested": np.arange(N), "key": jax.random.key(0)} | change
    with pytest.raises(ValueError, match=message):
        glm.permutation_test(given.pop("maps"), given.pop("tested"), **given)
