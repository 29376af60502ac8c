"""Moment equations of autoregressive noise."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro.glm import _yule
from jaxneuro.glm._noise import stretches

N = 200


@pytest.mark.parametrize("ar", [[0.3, 0.1, 0.05], [0.5, -0.2], [-0.6, 0.2, 0.1]])
def test_expected_lag_products_give_the_coefficients(ar, x64, rng):
    """Without sampling error the moment equations are solved, not approached."""
    order = len(ar)
    q = np.linalg.qr(rng.standard_normal((N, 20)))[0]
    one = np.zeros(N, int)
    (part,) = stretches(one, one == 0, order, stationary=False)
    m = _yule.moments(q, part, pooled=False)
    gamma = _yule.autocovariance(np.array(ar), N)
    cov = gamma[np.abs(np.arange(N)[:, None] - np.arange(N))]
    projector = np.eye(N) - q @ q.T
    left = projector @ cov @ projector
    sums = [np.trace(left, k) for k in range(order + 1)]
    found = np.asarray(_yule.estimate(jnp.asarray(sums)[:, None], m))[:, 0]
    # What takes the bias of samples off is linear.
    inside = np.linalg.solve(m.unbias[:, :-1], found - m.unbias[:, -1])
    assert_allclose(inside, ar, atol=1e-7)
