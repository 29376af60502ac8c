"""nilearn's and neuroboros' numbers, map by map."""

import importlib.util

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import glm

MODELS = ("ols", "ar1", "ar3")
T_NAMES, F_NAMES = ("t_single", "t_face"), ("F_all", "F_diff")
MAPS = {"effect": "effect", "variance": "variance", "stat": "stat", "p": "p_value"}


@pytest.fixture
def golden(shared):
    folder = shared / "golden" / "glm"
    spec = importlib.util.spec_from_file_location("synth", folder / "synth.py")
    synth = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(synth)
    X, Y, _, _ = synth.glm_data()
    with np.load(folder / "run_glm.npz") as stored:
        return X, Y[:, :400], dict(stored)


def as_nilearn(g, X, Y, model):
    given = {"ar": g["ar3_ar_used"].T} if model == "ar3" else {}
    fit = glm.fit(X, Y, noise_model=model, compat="nilearn", **given)
    t = glm.t_contrast(fit, [g[f"con_{name}"] for name in T_NAMES])
    f = glm.f_contrast(fit, [g[f"con_{name}"] for name in F_NAMES])
    return fit, t, f


def each_map(g, model, t, f):
    """Ours and nilearn's, by name, all tests and kinds."""
    for index, name in enumerate((*T_NAMES, *F_NAMES)):
        test, i = (t, index) if index < 2 else (f, index - 2)
        for theirs, ours in {**MAPS, "z": "z_score"}.items():
            got, expected = getattr(test, ours)[i], g[f"{model}_{name}_{theirs}"]
            if got.ndim == 2:
                got = got[: expected.shape[0]]
            yield name, theirs, got, expected


@pytest.mark.parametrize("model", MODELS)
def test_every_map_in_float64(golden, model, x64):
    X, Y, g = golden
    fit, t, f = as_nilearn(g, X, Y, model)
    size = np.abs(g[f"{model}_theta"]).max()
    assert_allclose(fit.coef, g[f"{model}_theta"], rtol=1e-10, atol=1e-12 * size)
    assert_allclose(fit.variance, g[f"{model}_dispersion"], rtol=1e-10)
    assert fit.dof == g[f"{model}_df"]
    if model != "ols":
        assert_allclose(fit.ar, g[f"{model}_ar_used"].T, atol=1e-14)
    unit = glm.t_contrast(fit, np.eye(X.shape[1])).variance / fit.variance
    assert_allclose(unit, g[f"{model}_covdiag"], rtol=1e-10)
    for name, kind, got, expected in each_map(g, model, t, f):
        if kind == "z":
            assert_allclose(got, expected, atol=1e-8, err_msg=f"{name} {kind}")
        else:
            size = np.abs(expected).max()
            # Effects near zero have the rounding of the coefficients.
            floor = 0 if kind in ("variance", "p") else 1e-12 * size
            assert_allclose(got, expected, rtol=1e-10, atol=floor, err_msg=name)


def of_largest(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("offset", [0, 10_000])
def test_every_map_in_float32(golden, model, offset):
    X, Y, g = golden
    Y = (Y + offset).astype(np.float32)
    if offset:
        # Rounding of the data themselves moves t by more than 5e-6.
        with jax.enable_x64(True):
            _, *expected = as_nilearn(g, X, Y.astype(np.float64), model)
    with jax.enable_x64(False):
        _, t, f = as_nilearn(g, X, Y, model)
    if offset:
        for got, true in zip((t, f), expected, strict=True):
            assert of_largest(got.stat, true.stat) < 5e-6
            assert np.abs(got.z_score - true.z_score)[true.p_value < 0.999].max() < 1e-4
        return
    for name, kind, got, true in each_map(g, model, t, f):
        if kind == "stat":
            assert of_largest(got, true) < 5e-6, name
        if kind == "z":
            # An F of 1e-3 is a difference of coefficients in its last digits.
            clear = g[f"{model}_{name}_p"] < 0.999
            assert np.abs(got - true)[clear].max() < 1e-4, name


@pytest.mark.parametrize("order", [1, 3])
def test_coefficients_that_are_not_rounded(golden, order, x64):
    X, Y, g = golden
    ar = g[f"yw{order}"][:64].T
    options = {"noise_model": f"ar{order}", "compat": "nilearn"}
    fit = glm.fit(X, Y[:, :64], ar=ar, **options)
    theta = g[f"exact_ar{order}_theta"]
    assert_allclose(fit.coef, theta, rtol=1e-10, atol=1e-12 * np.abs(theta).max())
    assert_allclose(fit.variance, g[f"exact_ar{order}_dispersion"], rtol=1e-10)
    if order > 1:
        assert_allclose(glm.fit(X, Y[:, :64], **options).ar, ar, atol=1e-12)


def test_neuroboros_tutorial(shared, x64):
    with np.load(shared / "golden" / "glm" / "neuroboros.npz") as stored:
        g = {name: stored[name] for name in stored.files}
    X, nuisance, Y = g["regressors"], g["confounds"], g["denoised_40"]
    n_all, n_x = X.shape[1] + nuisance.shape[1], X.shape[1]
    close = {"rtol": 1e-10, "atol": 1e-11}
    rows = {"conf_none": np.eye(n_x, n_all), "conf_con": np.eye(2, n_all)}
    rows["conf_con"][:, :n_x] = g["contrasts"]
    for name, weights in rows.items():
        t = glm.t_contrast(glm.fit(np.column_stack([X, nuisance]), Y), weights)
        assert_allclose(t.effect, g[f"{name}_betas"][:, :40], **close)
        assert_allclose(t.stat, g[f"{name}_ts"][:, :40], **close)
        gain = glm.r2(X, Y, nuisance=nuisance, adjusted=True)
        assert_allclose(gain, g[f"{name}_R2s"][:40], **close)
    t = glm.t_contrast(glm.fit(X, Y), np.eye(n_x))
    assert_allclose(t.effect, g["noconf_betas"][:, :40], **close)
    assert_allclose(t.stat, g["noconf_ts"][:, :40], **close)
    assert_allclose(glm.r2(X, Y, adjusted=True), g["noconf_R2s"][:40], **close)
