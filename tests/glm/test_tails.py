"""p and z against SciPy, and beyond where SciPy ends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, special, stats

from jaxneuro import glm


@pytest.mark.parametrize("dof", [7.3, 144, 1e10])
def test_t_against_scipy(dof, x64):
    t = np.concatenate([np.linspace(-8, 8, 401), [1e-9, 0.0]])
    got = glm.tails(t, dof=dof)
    p = stats.t.sf(t, dof)
    assert_allclose(got.p_value, p, rtol=1e-10)
    # By symmetry: near 1, p itself has lost the digits.
    z = np.copysign(stats.norm.isf(stats.t.sf(np.abs(t), dof)), t)
    assert_allclose(got.z_score, z, atol=1e-8)
    # Below zero p is near 1, and its log has few digits.
    assert_allclose(got.neg_log10_p, -np.log10(p), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("dof_num", [1, 2, 6, 30])
def test_f_against_scipy(dof_num, x64):
    f = np.geomspace(1e-3, 60, 401)
    got = glm.tails(f, dof=144, dof_num=dof_num)
    p, below = stats.f.sf(f, dof_num, 144), stats.f.cdf(f, dof_num, 144)
    assert_allclose(got.p_value, p, rtol=1e-10)
    z = np.where(p < 0.5, stats.norm.isf(p), stats.norm.ppf(below))
    assert_allclose(got.z_score, z, atol=1e-8)


@pytest.mark.parametrize(("t", "dof"), [(60.0, 270), (300, 270), (5000, 144)])
def test_far_tail(t, dof, x64):
    """The density integrated in units of its value at t."""

    def density(x):
        return np.exp((dof + 1) / 2 * (np.log1p(t**2 / dof) - np.log1p(x**2 / dof)))

    share = integrate.quad(lambda u: density(t + t * u) * t, 0, 50, epsrel=1e-12)[0]
    log_p = (
        np.log(share)
        - (dof + 1) / 2 * np.log1p(t**2 / dof)
        - special.betaln(dof / 2, 0.5)
        - np.log(dof) / 2
    )
    got = glm.tails(t, dof=dof)
    assert_allclose(got.neg_log10_p, -log_p / np.log(10), rtol=1e-10)
    assert_allclose(special.log_ndtr(-float(got.z_score)), log_p, rtol=1e-9)
    same = glm.tails(t**2, dof=dof, dof_num=1)
    assert_allclose(same.neg_log10_p, got.neg_log10_p - np.log10(2), rtol=1e-10)


def test_float32_stays_finite():
    t = np.float32([40, 1e4, 1e9, -1e9])
    got = glm.tails(t, dof=250)
    assert np.isfinite(got.neg_log10_p).all()
    assert np.isfinite(got.z_score).all()
    assert (np.diff(got.neg_log10_p[:3]) > 0).all()
    assert got.p_value[3] == 1


@pytest.mark.parametrize("dof_num", [None, 1, 6])
def test_borders_of_cells_and_between(dof_num, dtype):
    powers = np.exp2(np.arange(-12.0, 6.0))
    steps = (powers[:, None] * (1 + np.arange(0, 32) / 32)).ravel()
    middles = (steps[1:] + steps[:-1]) / 2
    every = [steps, np.nextafter(steps.astype(dtype), dtype(0)), middles, [0, 1e-40]]
    stat = np.sort(np.concatenate(every)).astype(dtype)
    got = glm.tails(stat, dof=80, dof_num=dof_num)
    exact = stat.astype(np.float64)
    p = stats.t.sf(exact, 80) if dof_num is None else stats.f.sf(exact, dof_num, 80)
    eps = 64 * np.finfo(dtype).eps if dtype == np.float32 else 1e-10
    assert_allclose(got.neg_log10_p, -np.log10(p), rtol=eps, atol=eps)
    assert_allclose(got.p_value, p, rtol=50 * eps, atol=1e-37)  # floats end there
    assert (np.diff(got.z_score) >= -eps * np.abs(got.z_score[1:])).all()
    if dof_num is None:
        assert got.z_score[0] == 0


@pytest.mark.parametrize("dof_num", [None, 3])
def test_slopes(dof_num, x64):
    stat = jnp.array([1e-3, 0.3, 1.0, 2.5, 40.0])
    found = glm.tails(stat, dof=50, dof_num=dof_num)

    def slope(name, at):
        one = jax.grad(lambda s: getattr(glm.tails(s, dof=50, dof_num=dof_num), name))
        return jax.vmap(one)(at)

    tested = stats.t(50) if dof_num is None else stats.f(dof_num, 50)
    density = tested.pdf(stat)
    assert_allclose(slope("p_value", stat), -density, rtol=1e-6)
    expected = density / found.p_value / np.log(10)
    assert_allclose(slope("neg_log10_p", stat), expected, rtol=1e-6)
    expected = density / stats.norm.pdf(found.z_score)
    assert_allclose(slope("z_score", stat), expected, rtol=1e-6)
    assert np.isfinite(slope("z_score", jnp.zeros(1)))


def test_beyond_the_last_cell(dtype):
    ends, beyond = [2.0**34, 2.0**67], np.array([1e21, 1e37], dtype)
    for dof_num, end in zip((None, 3), ends, strict=True):
        got = glm.tails(beyond, dof=20, dof_num=dof_num).neg_log10_p
        near = glm.tails(np.array([end], dtype), dof=20, dof_num=dof_num).neg_log10_p
        assert_allclose(got, np.full(2, near[0]))


def test_undefined_and_infinite(dtype):
    got = glm.tails(np.array([np.nan, np.inf], dtype), dof=20)
    assert np.isnan([got.p_value[0], got.z_score[0], got.neg_log10_p[0]]).all()
    assert got.p_value[1] == 0
    assert got.z_score[1] == got.neg_log10_p[1] == np.inf


def test_limit_of_nilearn(x64):
    got = glm.tails(np.array([1e4, -1e4]), dof=500, compat="nilearn").z_score
    assert_allclose(got, np.array([1, -1]) * -stats.norm.ppf(1e-300))


def test_errors():
    with pytest.raises(ValueError, match="dof is 0 but must be positive"):
        glm.tails(1.0, dof=0)
    with pytest.raises(ValueError, match="dof_num is -1 but must be positive"):
        glm.tails(1.0, dof=10, dof_num=-1)
