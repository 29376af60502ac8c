import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import dstrf
from jaxneuro.signal import Lags


@pytest.mark.parametrize("quantile", [None, 0.75, 0.9, 1.0])
def test_golden(shared, dtype, stack, quantile):
    with np.load(shared / "golden/dstrf/small_cnn.npz") as file:
        golden = dict(file)
    kernels = [golden[f"jk_w{i}"].astype(dtype).transpose(0, 3, 2, 1) for i in range(3)]
    members = []
    for member in zip(*kernels, strict=True):
        variables = [(jnp.asarray(kernel), None) for kernel in member]
        X = golden["x"][:60].astype(dtype)
        members.append(dstrf.estimate(stack(), variables, X, Lags(0, 12, 1)))
    got = dstrf.consensus(jnp.stack(members), quantile=quantile)
    expected = golden[f"jk_dstrf_q{quantile or 0}"][:, :, ::-1]
    assert_allclose(got, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_formula(rng, dtype, tol):
    members = rng.standard_normal((5, 3, 2, 4, 6)).astype(dtype)
    upper, lower = np.quantile(members, [0.8, 0.2], axis=0)
    expected = np.where((upper > 0) & (lower < 0), 0, members.mean(0))
    assert_allclose(dstrf.consensus(members, quantile=0.8), expected, **tol)


def test_sign_consistency(dtype):
    members = np.array([1, 1, -1, 0], dtype).reshape(4, 1, 1, 1, 1)
    assert_allclose(dstrf.sign_consistency(members), 0.5)


@pytest.mark.parametrize("quantile", [0.5, 1.01, float("nan")])
def test_quantile_outside(dtype, quantile):
    with pytest.raises(ValueError, match="quantile is .* must be"):
        dstrf.consensus(np.ones((2, 1, 1, 1, 1), dtype), quantile=quantile)


def test_no_member(dtype):
    with pytest.raises(ValueError, match="members has no network"):
        dstrf.consensus(np.ones((0, 1, 1, 1, 1), dtype))
