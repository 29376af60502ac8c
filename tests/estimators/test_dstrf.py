"""Deep encoders over trials, and the dSTRF on which they agree."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import jaxneuro as jn
from jaxneuro import dstrf, signal
from jaxneuro.io import _torch

SMALL = {"hidden": (8, 6), "kernel_size": 3, "dilations": (1, 2), "batch_size": 1}
MEASURES = ("complexity", "gain_change", "temporal_hold", "shape_change")


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(1)
    spec = [rng.random((n, 5)).astype(np.float32) for n in (60, 75, 66)]
    resp = [np.maximum(x[:, :2] - x[:, 2:4], 0) for x in spec]
    return spec, resp


@pytest.fixture(scope="module")
def fitted(trials):
    model = jn.DSTRF(leave_out="one", n_seeds=2, n_epochs=250, **SMALL)
    return model.set_params(learning_rate=0.02, weight_decay=1e-3).fit(*trials)


def place(folder, golden, monkeypatch):
    """Lay the toolbox's five networks on disk as it names them."""
    states = {}
    for k in range(5):
        (folder / f"model-{k:03d}.pt").touch()
        states[f"model-{k:03d}.pt"] = {
            "conv.0.weight": golden["jk_w0"][k],
            "conv.2.weight": golden["jk_w1"][k],
            "conv.4.weight": golden["jk_w2"][k],
            "conv.4.bias": np.zeros(3, np.float32),
        }
    monkeypatch.setattr(_torch, "_opened", lambda path: states[path.name])


class TestToolbox:
    @pytest.fixture
    def model(self, shared, tmp_path, monkeypatch):
        with np.load(shared / "golden/dstrf/small_cnn.npz") as file:
            golden = dict(file)
        place(tmp_path, golden, monkeypatch)
        model = jn.DSTRF(
            hidden=(12, 12), dilations=(1, 2), leave_out="one", folder=tmp_path
        )
        five = [golden["x"]] * 5, [golden["y_noisy"]] * 5
        return model.fit(*five), golden

    def test_its_networks_are_found_and_predict(self, model):
        model, golden = model
        assert model.lags_.n_lags == 13
        got = model.predict(golden["x"])
        assert_allclose(got, golden["jk_infer"], rtol=0, atol=1e-6)
        for average, name in (("prediction", "pred"), ("score", "score")):
            r = model.score_targets(
                golden["x"], golden["y_noisy"], held_out=False, average=average
            )
            assert_allclose(r[0], golden[f"jk_test_{name}"], rtol=0, atol=2e-6)

    @pytest.mark.parametrize("quantile", [None, 0.9])
    def test_they_agree_on_its_dstrf(self, model, quantile):
        model, golden = model
        got = model.estimate(golden["x"][:60], quantile=quantile)
        expected = golden[f"jk_dstrf_q{quantile or 0}"][:, :, ::-1]
        assert_allclose(got, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_learns_a_nonlinear_response(fitted, trials):
    assert fitted.left_out_ == [(0,), (0,), (1,), (1,), (2,), (2,)]
    r = fitted.score_targets(*trials)
    assert r.shape == (3, 2)
    assert r.min() > 0.6
    assert 0 < fitted.score(*trials) < 1
    assert fitted.train_loss_.shape == (6, 250)
    assert clone(fitted).get_params() == fitted.get_params()


def test_only_networks_that_never_saw_a_trial_are_used(fitted, trials):
    spec, _ = trials
    got = fitted.predict(spec, held_out=True)
    d = fitted.estimate(spec, held_out=True)
    for trial in range(3):
        members = [
            jax.tree.map(lambda leaf, k=k: leaf[k], fitted.variables_)
            for k in (2 * trial, 2 * trial + 1)
        ]
        windows = signal.lagged(spec[trial], fitted.lags_)
        expected = [fitted.fit_(one, windows) for one in members]
        assert_allclose(got[trial], np.mean(expected, 0), rtol=0, atol=2e-6)
        each = [
            dstrf.estimate(fitted.fit_, one, spec[trial], fitted.lags_)
            for one in members
        ]
        assert_allclose(d[trial], np.mean(each, 0), rtol=0, atol=2e-6)
    everybody = fitted.predict(spec)
    assert np.abs(everybody[0] - got[0]).max() > 1e-3


def test_identity_holds_but_for_the_constant(fitted, trials):
    x = trials[0][0]
    d = fitted.estimate(x)
    constant = fitted.variables_["params"]["readouts"][0]["bias"].mean(0)
    error = dstrf.reconstruction_error(
        d, jnp.asarray(fitted.predict(x)) - constant[None], x, fitted.lags_
    )
    assert np.max(error) < 1e-5


def test_measures_of_each_trial(fitted, trials):
    spec, _ = trials
    got = fitted.measures(spec, held_out=True, quantile=0.9)
    d = fitted.estimate(spec, held_out=True, quantile=0.9)
    for name in MEASURES:
        assert got[name].shape == (3, 2)
        expected = getattr(dstrf, name)(d[1])
        assert_allclose(got[name][1], expected, rtol=1e-4)


def test_pairs_and_folds(trials):
    model = jn.DSTRF(leave_out="two", n_epochs=1, **SMALL)
    spec, resp = ([part[k] for k in (0, 1, 2, 0)] for part in trials)
    model.fit(spec, resp, fold_id=[5, 7, 7, 9])
    assert model.left_out_ == [(5, 7), (5, 9), (7, 9)]
    chosen = model._choose(spec, True)
    assert [list(k) for k in chosen] == [[0, 1], [0, 2], [0, 2], [1, 2]]


@pytest.fixture(scope="module")
def linear(trials):
    return jn.DSTRF(network="linear", weight_decay=0.01, **SMALL).fit(*trials)


class TestLinear:
    def test_is_the_minimum_of_the_objective(self, linear, trials):
        windows = np.concatenate([signal.lagged(x, linear.lags_) for x in trials[0]])
        y = np.concatenate(trials[1])

        def objective(params):
            guess = linear.fit_({"params": params}, windows)
            decay = 0.5 * 0.01 * (params["kernel"] ** 2).sum()
            return ((guess - y) ** 2).mean() + decay

        params = jax.tree.map(lambda leaf: leaf[0], linear.variables_["params"])
        slope = jax.grad(objective)(params)
        assert max(np.abs(s).max() for s in jax.tree.leaves(slope)) < 1e-5

    def test_dstrf_is_the_kernel_at_every_time(self, linear, trials):
        d = linear.estimate(trials[0][0])
        kernel = linear.variables_["params"]["kernel"][0]
        expected = np.broadcast_to(np.moveaxis(kernel, 2, 0), d.shape)
        assert_allclose(d[6:], expected[6:], rtol=0, atol=1e-6)
        assert_allclose(dstrf.complexity(d[6:]), 1, rtol=1e-5)

    def test_of_the_toolbox(self, linear, rng, trials):
        state = {
            "conv.weight": rng.standard_normal((2, 5, 7)).astype(np.float32),
            "conv.bias": rng.standard_normal(2).astype(np.float32),
        }
        one = jax.tree.map(lambda leaf: leaf[0], linear.variables_)
        variables = jn.io.from_torch(state, one)
        x = np.pad(trials[0][0], ((6, 0), (0, 0)))
        expected = [
            np.einsum("kf,cfk->c", x[t : t + 7], state["conv.weight"])
            + state["conv.bias"]
            for t in range(60)
        ]
        got = linear.fit_.sequence(variables, jnp.asarray(trials[0][0])[None])[0]
        assert_allclose(got, expected, rtol=0, atol=1e-5)


class TestFolder:
    def test_what_exists_is_not_trained_again(self, trials, tmp_path):
        options = SMALL | {"leave_out": "one", "n_epochs": 3, "folder": tmp_path}
        first = jn.DSTRF(**options).fit(*trials)
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ["model-000.npz", "model-001.npz", "model-002.npz"]
        (tmp_path / "model-001.npz").unlink()
        again = jn.DSTRF(**options).fit(*trials)
        assert again.train_loss_.shape == (1, 3)
        third = jn.DSTRF(**options).fit(*trials)
        assert not hasattr(third, "train_loss_")
        for other in (again, third):
            jax.tree.map(assert_array_equal, first.variables_, other.variables_)
        with pytest.raises(ValueError, match="is of another training: data differ"):
            jn.DSTRF(**options).fit(trials[0], [2 * y for y in trials[1]])

    def test_frames_on_disk(self, fitted, trials, tmp_path):
        paths = fitted.save(trials[0], tmp_path, held_out=True, dtype="float32")
        assert [path.name for path in paths] == [f"dstrf-00{k}.npy" for k in range(3)]
        d = fitted.estimate(trials[0], held_out=True)
        assert_array_equal(np.load(paths[2]), d[2])
        paths[1].unlink()
        paths[0].write_bytes(b"mine")
        fitted.save(trials[0], tmp_path, held_out=True)
        assert paths[0].read_bytes() == b"mine"
        assert np.load(paths[1]).dtype == np.float16


class TestErrors:
    def test_trial_shorter_than_the_receptive_field(self, trials):
        with pytest.raises(ValueError, match="trial 0 has 60 samples but the window h"):
            jn.DSTRF().fit(*trials)

    def test_options(self, trials):
        for name, value in (("network", "wide"), ("leave_out", "three")):
            with pytest.raises(ValueError, match=f"{name} is '{value}' but must be"):
                jn.DSTRF(**{name: value}).fit(*trials)
        with pytest.raises(ValueError, match="dilations has 5 entries but hidden has"):
            jn.DSTRF(hidden=(3,)).fit(*trials)
        with pytest.raises(ValueError, match="X has 1 folds but leave_out is 'one'"):
            jn.DSTRF(leave_out="one", **SMALL).fit(*trials, fold_id=[1, 1, 1])
        with pytest.raises(ValueError, match=r"fold_id has shape \(2,\) but must be"):
            jn.DSTRF(**SMALL).fit(*trials, fold_id=[1, 2])

    def test_nan(self, fitted, trials):
        bad = [x.copy() for x in trials[0]]
        bad[1][3, 2] = np.nan
        with pytest.raises(ValueError, match="X has 1 NaN or infinite values in tri"):
            jn.DSTRF(**SMALL).fit(bad, trials[1])
        with pytest.raises(ValueError, match="X has 1 NaN or infinite values in tri"):
            fitted.estimate(bad)

    def test_no_network_left_the_trial_out(self, fitted, trials):
        seen = jn.DSTRF(n_epochs=1, **SMALL).fit(*trials)
        with pytest.raises(ValueError, match="no network has left out trial 0; fit"):
            seen.predict(trials[0], held_out=True)
        with pytest.raises(ValueError, match="X has 2 trials but the fit had 3"):
            fitted.measures(trials[0][:2], held_out=True)

    def test_quantile(self, fitted, trials):
        with pytest.raises(ValueError, match="quantile is 0.5 but must be above 0.5"):
            fitted.estimate(trials[0][0], quantile=0.5)
