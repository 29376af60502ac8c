import pickle
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

import jaxneuro as jn
from jaxneuro import glm

TR, N_SCANS = 2.0, (90, 76)


def events(*conditions, n=8):
    return pd.DataFrame(
        {
            "onset": 4.0 + 17.0 * np.arange(n),
            "duration": 6.0,
            "trial_type": (list(conditions) * n)[:n],
        }
    )


@pytest.fixture
def one(rng):
    """One run: data in raw units, a table of events, confounds."""
    Y = 500 + rng.standard_normal((90, 6)).cumsum(0)
    return Y, events("a", "b"), rng.standard_normal((90, 2))


@pytest.fixture
def two(rng):
    """Two runs of unequal length; the second lacks c and has d."""
    Y = [100 + rng.standard_normal((n, 6)) for n in N_SCANS]
    return Y, [events("a", "b", "c"), events("a", "b", "d")]


def make(**options):
    return jn.GLM(TR, **{"dtype": "float64", "noise_model": "ols", **options})


def test_equals_the_kernels(one, x64):
    Y, table, confounds = one
    options = {"hrf_model": "glover", "high_pass": 0.02, "slice_time_ref": 0.0}
    model = make(noise_model="ar1", **options).fit(Y, table, confounds)
    design = glm.design(table, 90, TR, confounds=confounds, **options)
    fit = glm.fit(design.matrix, Y, noise_model="ar1")
    assert_allclose(model.design_.matrix, design.matrix)
    assert_allclose(model.coef_, fit.coef[:2].T)
    assert (model.names_, model.dof_) == (("a", "b"), fit.dof)
    peer = glm.t_contrast(fit, design.contrast(["a - b", "b"]))
    found = model.contrast(["a - b", "b"], output="all")
    names = ("z_score", "stat", "effect", "variance", "p_value", "neg_log10_p")
    for values, name in zip(found.values(), names, strict=True):
        assert_allclose(values, getattr(peer, name))
    assert_allclose(model.contrast("a - b"), peer.z_score[0])
    assert_allclose(model.contrast({"b": 1}, output="stat"), peer.stat[1])
    f_peer = glm.f_contrast(fit, design.contrast(["a", "b"]))
    assert_allclose(model.contrast(["a", "b"], stat="F"), f_peer.z_score[0])
    rows = model.contrast(["a", "b"], stat="F", output="effect")
    assert_allclose(rows, f_peer.effect[0])


@pytest.mark.parametrize(
    "noise_model",
    [
        "global_ar2",
        pytest.param("arma11", marks=pytest.mark.slow),
        pytest.param("tukey9", marks=pytest.mark.slow),
    ],
)
def test_every_noise_model(two, noise_model, x64):
    """Of two runs: fixed effects of what the kernels give for each."""
    Y, tables = two
    keep = [np.arange(len(y)) % 11 != 5 for y in Y]
    model = make(noise_model=noise_model).fit(Y, tables, keep=keep)
    runs = []
    for y, table, mask in zip(Y, tables, keep, strict=True):
        design = glm.design(table, len(y), TR)
        fit = glm.fit(design.matrix, y, noise_model=noise_model, keep=mask)
        runs.append(glm.t_contrast(fit, design.contrast("a - b")))
    peer, found = glm.fixed_effects(runs), model.contrast("a - b", output="all")
    assert_allclose(found["stat"], peer.stat[0], rtol=1e-7)
    assert_allclose(found["z"], peer.z_score[0], rtol=1e-7)
    f = model.contrast(["a", "b"], stat="F", output="p")
    assert ((f > 0) & (f < 1)).all()


def test_a_condition_in_f_stands_for_all_its_columns(one, x64):
    Y, table, _ = one
    model = make(hrf_model="fir", fir_delays=[0, 1, 2, 3]).fit(Y, table)
    assert model.coef_.shape == (6, 8)
    found = model.contrast("a - b", stat="F", output="stat")
    X = np.asarray(model.design_.matrix)
    equal = np.column_stack([X[:, :4] + X[:, 4:8], X[:, 8:]])
    full, less = (((y_of(Y, Z) - Y) ** 2).sum(0) for Z in (X, equal))
    expected = (less - full) / 4 / (full / (90 - X.shape[1]))
    assert_allclose(found, expected, rtol=1e-7)


def y_of(Y, X):
    return X @ np.linalg.lstsq(X, Y, rcond=None)[0]


def test_runs_are_fitted_each_and_combined(two, x64):
    """Conditions that a run lacks leave it out of the contrasts that need them."""
    Y, tables = two
    model = make().fit(Y, tables)
    assert model.names_ == ("a", "b", "c", "d")
    alone = [make().fit(y, table) for y, table in zip(Y, tables, strict=True)]
    parts = [one.contrast("a - b", output="all") for one in alone]
    effect = (parts[0]["effect"] + parts[1]["effect"]) / 2
    variance = (parts[0]["variance"] + parts[1]["variance"]) / 4
    found = model.contrast("a - b", output="all")
    assert_allclose(found["effect"], effect, rtol=1e-9)
    assert_allclose(found["variance"], variance, rtol=1e-9)
    assert_allclose(found["stat"], effect / np.sqrt(variance), rtol=1e-9)
    assert_allclose(model.dof_, sum(one.dof_ for one in alone))
    # c is in the first run alone, d in the second.
    assert_allclose(model.contrast("a - c"), alone[0].contrast("a - c"), rtol=1e-9)
    together = model.contrast(["d", "a - b", "a - c"], output="stat")
    assert_allclose(together[0], alone[1].contrast("d", output="stat"), rtol=1e-9)
    assert_allclose(together[1], found["stat"], rtol=1e-9)
    assert_allclose(together[2], model.contrast("a - c", output="stat"), rtol=1e-9)
    only = model.contrast(["a", "c"], stat="F")
    assert_allclose(only, alone[0].contrast(["a", "c"], stat="F"), rtol=1e-9)
    mean = [(alone[0].coef_[:, i] + alone[1].coef_[:, i]) / 2 for i in (0, 1)]
    single = [alone[0].coef_[:, 2], alone[1].coef_[:, 2]]
    assert_allclose(model.coef_, np.column_stack(mean + single), rtol=1e-9)
    with pytest.raises(ValueError, match=r"no run has all conditions .*\(c, d\)"):
        model.contrast("c - d")


def test_precision_weighted(two, x64):
    Y, tables = two
    Y = [Y[0], 20 * Y[1]]
    model = make(precision_weighted=True).fit(Y, tables)
    parts = [
        make().fit(y, t).contrast("a", output="all")
        for y, t in zip(Y, tables, strict=True)
    ]
    weights = [1 / part["variance"] for part in parts]
    effect = sum(w * p["effect"] for w, p in zip(weights, parts, strict=True))
    assert_allclose(
        model.contrast("a", output="effect"), effect / sum(weights), rtol=1e-9
    )


def test_prediction_residuals_and_score(two, x64):
    Y, tables = two
    model = make().fit(Y, tables)
    fitted, left = model.predict(), model.residuals(Y)
    true, guess = [], []
    for run, (y, table) in enumerate(zip(Y, tables, strict=True)):
        design = glm.design(table, len(y), TR)
        X, N = np.asarray(design.matrix), np.asarray(design.matrix)[:, 3:]
        assert_allclose(fitted[run], y_of(y, X), rtol=1e-9)
        assert_allclose(left[run], y - y_of(y, X), atol=1e-9)
        rows = [model.names_.index(name) for name in design.names[:3]]
        mean = X[:, :3] @ model.coef_[:, rows].T
        again = model.predict(table, n_scans=len(y))
        assert_allclose(again, mean, rtol=1e-9)
        true.append(y - y_of(y, N))
        guess.append(mean - y_of(mean, N))
    true, guess = np.concatenate(true), np.concatenate(guess)
    r2 = 1 - ((true - guess) ** 2).sum(0) / ((true - true.mean(0)) ** 2).sum(0)
    assert_allclose(model.score_targets(Y, tables), r2, rtol=1e-8, atol=1e-12)
    assert_allclose(model.score(Y, tables), r2.mean(), rtol=1e-8, atol=1e-12)
    both = model.predict(tables, n_scans=[90, 76])
    assert [run.shape for run in both] == [(90, 6), (76, 6)]


def test_held_out_runs_are_predicted(rng):
    """Leave one run out: what noise allows is explained, and no drift counts."""
    tables = [events("a", "b") for _ in range(4)]
    design = glm.design(tables[0], 90, TR)
    truth = jn.simulate.bold_truth(jax.random.key(0), design, 40, active=1.0)
    Y = []
    for _ in range(4):
        signal = np.asarray(design.matrix)[:, :2] @ np.asarray(truth.coef)[:2]
        drift = np.linspace(0, rng.normal() * 20, 90)[:, None]
        noise = rng.standard_normal((90, 40))
        Y.append((100 + drift + 2 * signal + noise).astype(np.float32))
    scores = cross_val_score(jn.GLM(TR), Y, tables, cv=LeaveOneOut())
    share = (2 * signal).var(0) / ((2 * signal).var(0) + 1)
    assert_allclose(scores, share.mean(), atol=0.06)


def test_planted_coefficients_are_found():
    design = glm.design(events("a", "b", "c", n=24), 210, TR)
    key = jax.random.key(1)
    truth = jn.simulate.bold_truth(key, design, 300)
    Y = np.asarray(jn.simulate.bold(key, design, 300))
    model = jn.GLM(TR).fit(Y, design)
    found = model.contrast("a", output="all")
    error = (found["effect"] - np.asarray(truth.coef)[0]) / np.sqrt(found["variance"])
    # Standardised errors are standard normal: their spread over 300 is within 0.15.
    assert_allclose(error.std(), 1.0, atol=0.15)
    assert abs(error.mean()) < 0.2
    assert model.coef_.dtype == np.float32


def test_censored_scans(one, x64):
    Y, table, _ = one
    keep = np.ones(90, bool)
    keep[[20, 21, 50]] = False
    broken = Y.copy()
    broken[~keep] = 1e4
    model = make(noise_model="ar1").fit(broken, table, keep=keep)
    design = glm.design(table, 90, TR)
    fit = glm.fit(design.matrix, Y, noise_model="ar1", keep=keep)
    assert_allclose(model.coef_, fit.coef[:2].T, rtol=1e-8)
    with pytest.raises(ValueError, match="keep has 2 runs but Y has 1"):
        make().fit(Y, table, keep=[keep, keep])


def test_data_on_disk_are_read_by_blocks(one, tmp_path):
    Y, table, _ = one
    np.save(tmp_path / "y.npy", Y)
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
    for dtype in ("float32", "float64"):
        on_disk = make(dtype=dtype).fit(mapped, table)
        assert on_disk.coef_.dtype == dtype
        assert_allclose(on_disk.coef_, make(dtype=dtype).fit(Y, table).coef_)
    counts = np.round(Y).astype(np.int16)
    assert_allclose(
        make().fit(counts, table).coef_, make().fit(counts.astype(float), table).coef_
    )


def test_kind_of_array_comes_back(one):
    Y, table, _ = one
    model = jn.GLM(TR).fit(jnp.asarray(Y, jnp.float32), table)
    assert isinstance(model.contrast("a"), jax.Array)
    assert isinstance(model.predict(), jax.Array)
    model = jn.GLM(TR).fit(Y.astype(np.float32), table)
    assert isinstance(model.contrast("a"), np.ndarray)
    assert isinstance(model.predict(), np.ndarray)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.contrast("a - b"), model.contrast("a - b"))


def test_designs_made_beforehand(one, x64):
    Y, table, confounds = one
    design = glm.design(table, 90, TR, confounds=confounds)
    by_design = make().fit(Y, design)
    assert_allclose(by_design.coef_, make().fit(Y, table, confounds).coef_)
    by_array = make().fit(Y, np.asarray(design.matrix))
    assert by_array.names_[:2] == ("x0", "x1")
    assert_allclose(by_array.contrast("x0 - x1"), by_design.contrast("a - b"))
    with pytest.raises(ValueError, match="confounds is given beside a design"):
        make().fit(Y, design, confounds)
    with pytest.raises(ValueError, match=r"the design has \[90\] scans in its"):
        make().fit(Y[:-1], design)


def test_cloned_and_described():
    model = clone(jn.GLM(2.5, hrf_model="fir", fir_delays=[0, 1], noise_model="ar3"))
    assert model.get_params()["noise_model"] == "ar3"
    assert repr(model).startswith("GLM(fir_delays=[0, 1], hrf_model='fir'")


# The data are the first argument here and events the second, the names are the field's,
# what is predicted is a run, and undefined voxels are NaN with a warning.
EXPECTED = {
    "check_fit_score_takes_y": "the arguments are called Y and events",
    **dict.fromkeys(
        [
            "check_n_features_in_after_fitting",
            "check_estimators_dtypes",
            "check_estimators_pickle",
            "check_f_contiguous_array_estimator",
            "check_methods_sample_order_invariance",
            "check_methods_subset_invariance",
            "check_dict_unchanged",
            "check_fit_idempotent",
            "check_fit2d_predict1d",
        ],
        "predict takes events, not the data",
    ),
    "check_estimators_nan_inf": "voxels that are not finite are NaN, with a warning",
    "check_complex_data": "the message is the package's own",
    "check_dtype_object": "numbers must not be objects",
    "check_estimators_empty_data_messages": "the message is the package's own",
    "check_fit2d_1sample": "the message counts degrees of freedom",
}


def test_scikit_learn_checks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(make(), expected_failed_checks=EXPECTED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Y": []}, "Y is an empty list"),
        ({"Y": np.ones(9)}, r"Y has shape \(9,\) but must be two-dimensional"),
        ({"Y": np.ones((90, 0))}, r"Y has shape \(90, 0\) but must hold at least one"),
        ({"Y": np.ones((90, 2), complex)}, "Y has dtype complex128 but must hold real"),
        ({"Y": [np.ones((90, 2))] * 2}, "events has 1 runs but Y has 2"),
        ({"events": None}, "the target y is None: give events"),
        ({"events": np.full(90, "a")}, "events has dtype <U1 but a design must hold"),
        ({"events": np.full(90, np.nan)}, "events has 90 NaN or infinite values"),
        ({"dtype": "float16"}, "dtype is 'float16' but must be one of"),
        ({"noise_model": "arma"}, "noise_model is 'arma' but must be"),
        ({"hrf_model": "box"}, "hrf_model is 'box'"),
        ({"tr": -1.0}, "tr is -1 but must be positive"),
    ],
)
def test_bad_input(one, change, message):
    Y, table, _ = one
    data = change.pop("Y", Y)
    table = change.pop("events", table)
    with pytest.raises((ValueError, TypeError), match=message):
        jn.GLM(**{"tr": TR, **change}).fit(data, table)


def test_bad_questions(one):
    Y, table, _ = one
    model = make().fit(Y, table)
    with pytest.raises(ValueError, match="'c'"):
        model.contrast("a - c")
    with pytest.raises(ValueError, match="stat is 'z' but must be one of 't', 'F'"):
        model.contrast("a", stat="z")
    with pytest.raises(ValueError, match="output is 'map' but must be one of 'z'"):
        model.contrast("a", output="map")
    with pytest.raises(ValueError, match="n_scans is None but events of another run"):
        model.predict(table)
    with pytest.raises(ValueError, match="the events have 'c' but the model was"):
        model.predict(events("c"), n_scans=90)
    with pytest.raises(ValueError, match="Y has 5 targets but the model was fitted"):
        model.score(Y[:, :5], table)
    with pytest.raises(ValueError, match="give the data of the fit"):
        model.residuals(Y[:-1])
