"""Training: the same as a plain loop, stopping, faults, and resuming after a kill."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro import nn
from jaxneuro.nn._data import Samples
from jaxneuro.signal import Lags, lagged


def linear(variables, x):
    """A network written by hand."""
    return x.reshape(x.shape[0], -1) @ variables["weight"] + variables["bias"][None]


def start(n_features, n_targets, dtype):
    return {
        "weight": jnp.zeros((n_features, n_targets), dtype),
        "bias": jnp.zeros(n_targets, dtype),
    }


@pytest.fixture
def data(rng, dtype):
    X = rng.standard_normal((120, 5)).astype(dtype)
    weight = rng.standard_normal((5, 3))
    Y = X @ weight + 0.1 * rng.standard_normal((120, 3))
    return X, Y.astype(dtype)


SGD = optax.sgd(0.1)
GAUSSIAN = {"loss": "gaussian", "optimizer": SGD}


def test_full_batch_is_gradient_descent(data, dtype, tol):
    X, Y = data
    key = jax.random.key(0)
    fit = nn.train(
        linear,
        start(5, 3, dtype),
        X,
        Y,
        key=key,
        n_epochs=7,
        batch_size=120,
        **GAUSSIAN,
    )
    weight, bias, losses = np.zeros((5, 3)), np.zeros(3), []
    for _ in range(7):
        error = X @ weight + bias - Y
        losses.append((error**2).mean())
        weight = weight - 0.1 * 2 * X.T @ error / error.size
        bias = bias - 0.1 * 2 * error.sum(0) / error.size
    assert_allclose(fit.variables["weight"], weight, **tol)
    assert_allclose(fit.variables["bias"], bias, **tol)
    assert_allclose(fit.train_loss, losses, **tol)
    assert np.isnan(fit.validation_loss).all()
    assert (int(fit.best_epoch), int(fit.failed_epoch)) == (-1, -1)


def test_weights_and_missing_responses(data, dtype, tol):
    """A weight of 0, a missing response and a sample left out are the same."""
    X, Y = data
    options = GAUSSIAN | {"key": jax.random.key(0), "n_epochs": 5}
    first = start(5, 3, dtype)
    fit = nn.train(linear, first, X[:80], Y[:80], batch_size=80, **options)
    weight = (np.arange(120) < 80).astype(dtype)
    other = nn.train(
        linear, first, X, Y, batch_size=120, sample_weight=weight, **options
    )
    assert_allclose(other.variables["weight"], fit.variables["weight"], **tol)
    holes = np.where(weight[:, None] > 0, Y, np.nan)
    other = nn.train(linear, first, X, holes, batch_size=120, **options)
    assert_allclose(other.variables["weight"], fit.variables["weight"], **tol)


def test_penalty_and_own_loss(data, dtype, tol):
    X, Y = data

    def ridge(variables):
        return 0.5 * (variables["weight"] ** 2).sum()

    def squared(prediction, target, weight):
        return ((prediction - target) ** 2 * weight).sum() / weight.sum()

    options = {"key": jax.random.key(0), "n_epochs": 400, "batch_size": 120}
    fit = nn.train(
        linear,
        start(5, 3, dtype),
        X,
        Y,
        loss=squared,
        optimizer=SGD,
        penalty=ridge,
        **options,
    )
    alpha = 0.5 * Y.size
    x, y = X - X.mean(0), Y - Y.mean(0)
    expected = np.linalg.solve(x.T @ x + alpha * np.eye(5), x.T @ y)
    assert_allclose(fit.variables["weight"], expected, rtol=1e-3, atol=1e-4)


def test_same_key_same_result(data, dtype):
    X, Y = data
    options = GAUSSIAN | {"n_epochs": 3, "batch_size": 16}
    fits = [
        nn.train(linear, start(5, 3, dtype), X, Y, key=jax.random.key(seed), **options)
        for seed in (4, 4, 5)
    ]
    weights = [np.asarray(fit.variables["weight"]) for fit in fits]
    assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_stops_and_restores_the_best(data, dtype):
    """With responses of noise, every epoch makes the held-out loss worse in the end."""
    X, _ = data
    noise = np.random.default_rng(0).standard_normal((120, 3)).astype(dtype)
    held = np.arange(120) >= 90
    options = {"key": jax.random.key(1), "n_epochs": 60, "batch_size": 30}
    options |= {"loss": "gaussian", "optimizer": optax.sgd(0.3), "patience": 4}
    fit = nn.train(linear, start(5, 3, dtype), X, noise, validation=held, **options)
    best = int(fit.best_epoch)
    n_run = np.isfinite(fit.train_loss).sum()
    assert n_run == best + 5 < 60
    assert fit.validation_loss[best] == np.nanmin(fit.validation_loss)
    guess = linear(fit.variables, X[held])
    assert_allclose(
        ((guess - noise[held]) ** 2).mean(), fit.validation_loss[best], rtol=1e-4
    )
    decayed = nn.train(
        linear, start(5, 3, dtype), X, noise, validation=held, n_decays=2, **options
    )
    assert np.isfinite(decayed.train_loss).sum() > n_run
    pair = (X[held], noise[held])
    same = nn.train(
        linear, start(5, 3, dtype), X[~held], noise[~held], validation=pair, **options
    )
    assert_allclose(same.validation_loss, fit.validation_loss, rtol=1e-4)


def test_stops_on_correlation(data, dtype):
    X, Y = data
    options = GAUSSIAN | {"n_epochs": 6, "batch_size": 24, "key": jax.random.key(0)}
    fit = nn.train(
        linear,
        start(5, 3, dtype),
        X,
        Y,
        validation=0.25,
        stop_on="correlation",
        patience=3,
        **options,
    )
    assert int(fit.best_epoch) >= 0


def test_windows_are_those_of_lagged(rng, dtype, tol):
    X = rng.standard_normal((40, 2)).astype(dtype)
    Y = rng.standard_normal((40, 3)).astype(dtype)
    trial_id, lags = np.repeat([0, 1], [15, 25]), Lags(-1, 2, 1)
    samples = Samples(X, Y, lags=lags, trial_id=trial_id, dtype=dtype)
    x, y, weight = samples.fetch(np.array([[3, 0, 39, 15, 14, -1]]))
    expected = lagged(X, lags, trial_id=trial_id)
    assert_array_equal(x[0, :5], np.asarray(expected)[[3, 0, 39, 15, 14]])
    assert_array_equal(y[0, :5], Y[[3, 0, 39, 15, 14]])
    assert weight[0, :, 0].tolist() == [1, 1, 1, 1, 1, 0]


def test_trials_of_unequal_length(rng, dtype, tol):
    """Whole trials and windows of the same samples give the same gradient."""
    X = rng.standard_normal((50, 4)).astype(dtype)
    Y = rng.standard_normal((50, 2)).astype(dtype)
    trial_id, lags = np.repeat([0, 1, 2], [11, 24, 15]), Lags(0, 8, 1)
    core = nn.CausalCore((3, 3), kernel_size=3)
    net = nn.Encoder(
        core=core, readout=nn.DenseReadout(2), shape=(9, 4), output="identity", rngs=0
    )
    apply, variables = nn.functional(net)
    options = GAUSSIAN | {"key": jax.random.key(0), "n_epochs": 3, "trial_id": trial_id}
    whole = nn.train(apply, variables, X, Y, batch_size=3, **options)
    cut = nn.train(apply, variables, X, Y, batch_size=50, lags=lags, **options)
    assert_allclose(whole.train_loss, cut.train_loss, rtol=1e-4)
    for a, b in zip(
        *map(jax.tree.leaves, (whole.variables, cut.variables)), strict=True
    ):
        assert_allclose(a, b, rtol=1e-3, atol=10 * tol["atol"])


def test_reads_bytes_from_disk(tmp_path, dtype):
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 5, 1), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    stored = np.load(tmp_path / "images.npy", mmap_mode="r")
    Y = images.reshape(30, -1)[:, :2] / 255
    options = GAUSSIAN | {"key": jax.random.key(0), "n_epochs": 2, "batch_size": 10}
    fits = [
        nn.train(linear, start(20, 2, dtype), x, Y, **options)
        for x in (stored, (images / 255).astype(dtype))
    ]
    weights = [fit.variables["weight"] for fit in fits]
    assert_allclose(weights[0], weights[1], rtol=1e-4, atol=1e-6)


def test_bfloat16_keeps_parameters(data):
    X, Y = data
    fit = nn.train(
        linear,
        start(5, 3, np.float32),
        X.astype(np.float32),
        Y.astype(np.float32),
        key=jax.random.key(0),
        dtype="bfloat16",
        n_epochs=20,
        **GAUSSIAN,
    )
    assert fit.variables["weight"].dtype == jnp.float32
    assert fit.train_loss[-1] < 0.5 * fit.train_loss[0]


@pytest.mark.parametrize("batching", ["map", "vmap"])
def test_ensemble_equals_single_trainings(data, dtype, tol, batching):
    X, Y = data
    keys, fold_id = jax.random.split(jax.random.key(2), 4), np.arange(120) % 2

    def build(rngs):
        return linear, start(5, 1, dtype)

    options = GAUSSIAN | {"n_epochs": 3, "batch_size": 16}
    targets = np.array([[0], [1], [2], [0]])
    many = nn.train_ensemble(
        build, X, Y, fold_id, keys=keys, targets=targets, batching=batching, **options
    )
    for member in range(4):
        rows = fold_id != member % 2
        one = nn.train(
            linear,
            start(5, 1, dtype),
            X[rows],
            Y[rows][:, targets[member]],
            key=keys[member],
            **options,
        )
        # Orders are drawn over the same number of samples, so they agree.
        assert_allclose(many.train_loss[member], one.train_loss, rtol=1e-4)
        got = many.variables["weight"][member]
        assert_allclose(got, one.variables["weight"], **tol)


def test_ensemble_leaves_out_and_starts_warm(data, dtype):
    """What a member leaves out does not change it, and it starts from what is given."""
    X, Y = data
    fold_id = np.repeat([0, 1, 2], 40)
    warm = {"weight": jnp.ones((5, 3), dtype), "bias": jnp.zeros(3, dtype)}

    def run(Y, **options):
        return nn.train_ensemble(
            lambda rngs: (linear, warm),
            X,
            Y,
            fold_id,
            keys=jax.random.split(jax.random.key(0), 3),
            n_epochs=2,
            **GAUSSIAN,
            **options,
        )

    plain = run(Y)
    changed = run(np.where(fold_id[:, None] == 1, 100 + 50 * Y, Y))
    same = [
        np.array_equal(plain.variables["weight"][m], changed.variables["weight"][m])
        for m in range(3)
    ]
    assert same == [False, True, False]
    double = run(Y, leave_out=[[0, 1], [0, 2], [1, 2]])
    assert not np.array_equal(double.variables["weight"], plain.variables["weight"])
    away = {"weight": jnp.full((5, 3), 50, dtype), "bias": jnp.zeros(3, dtype)}
    assert np.asarray(run(Y, start=away).variables["weight"]).mean() > 10


def test_stopped_members_keep_their_state(data, dtype):
    X, Y = data
    easy = np.stack([Y[:, 0], np.random.default_rng(1).standard_normal(120)], axis=1)
    fit = nn.train_ensemble(
        lambda rngs: (linear, start(5, 1, dtype)),
        X,
        easy.astype(dtype),
        np.arange(120) % 3,
        keys=jax.random.split(jax.random.key(0), 2),
        targets=[[0], [1]],
        validation="left_out",
        patience=3,
        n_epochs=40,
        **GAUSSIAN,
    )
    n_run = np.isfinite(fit.train_loss).sum(1)
    assert n_run[1] < n_run[0]
    assert n_run[1] == fit.best_epoch[1] + 4


def test_loss_that_is_not_finite(data, dtype):
    X, Y = data
    bad = X.copy()
    bad[7] = np.inf
    with pytest.warns(RuntimeWarning, match="not finite in epoch 0 for member 1;"):
        fit = nn.train_ensemble(
            lambda rngs: (linear, start(5, 3, dtype)),
            bad,
            Y,
            np.arange(120) % 2,
            keys=jax.random.split(jax.random.key(0), 2),
            leave_out=[[1], [0]],
            n_epochs=3,
            **GAUSSIAN,
        )
    assert fit.failed_epoch.tolist() == [-1, 0]
    assert np.isfinite(fit.variables["weight"]).all()
    assert np.isfinite(fit.train_loss[0]).all()


def test_silent_targets_are_counted(data, dtype):
    X, Y = data
    quiet = Y.copy()
    quiet[:, 1] = 2
    with pytest.warns(UserWarning, match=r"missing in 1 of 3 targets .first: .1..;"):
        nn.train(
            linear,
            start(5, 3, dtype),
            X,
            quiet,
            key=jax.random.key(0),
            n_epochs=1,
            **GAUSSIAN,
        )


BAD = [
    ({"Y": np.ones((120, 2))}, ValueError, "Y has 2 targets but the network gives"),
    ({"Y": np.ones((99, 3))}, ValueError, "Y has 99 samples but X has 120"),
    ({"Y": np.ones(120)}, ValueError, "must be two-dimensional"),
    ({"loss": "hinge"}, ValueError, "loss is 'hinge'"),
    ({"dtype": "int8"}, ValueError, "dtype is 'int8'"),
    ({"stop_on": "r2"}, ValueError, "stop_on is 'r2'"),
    ({"n_epochs": 0}, ValueError, "n_epochs is 0"),
    ({"validation": 1.5}, ValueError, "validation is 1.5"),
    ({"validation": np.ones(120)}, ValueError, "must be bool"),
    ({"validation": np.ones(120, bool)}, ValueError, "leaves no sample"),
    ({"trial_id": np.zeros(120, int)}, TypeError, "give lags to train on windows"),
    ({"variables": {"w": jnp.zeros(2, int)}}, TypeError, "must all be float32"),
    (
        {"X": np.array([np.ones((2, 2)), np.ones((3, 3))] * 60, dtype=object)},
        TypeError,
        "images of mixed sizes",
    ),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD)
def test_bad_input(data, dtype, change, error, message):
    X, Y = data
    given = {"variables": start(5, 3, dtype), "X": X, "Y": Y} | GAUSSIAN | change
    with pytest.raises(error, match=message):
        nn.train(linear, key=jax.random.key(0), **given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": [[0]]}, "targets has shape"),
        ({"leave_out": [[0]]}, "leave_out has 1 entries"),
        ({"leave_out": [[0, 1], [0]]}, "member 0 leaves out every fold"),
        ({"validation": "rest"}, "validation is 'rest'"),
        ({"batching": "loop"}, "batching is 'loop'"),
    ],
)
def test_bad_ensembles(data, dtype, change, message):
    X, Y = data
    keys = jax.random.split(jax.random.key(0), 2)
    options = GAUSSIAN | {"n_epochs": 1} | change
    with pytest.raises(ValueError, match=message):
        nn.train_ensemble(
            lambda rngs: (linear, start(5, 3, dtype)),
            X,
            Y,
            np.arange(120) % 2,
            keys=keys,
            **options,
        )


SCRIPT = """
import sys, time
import jax, numpy as np, optax
from jaxneuro import nn
rng = np.random.default_rng(0)
X = rng.standard_normal((64, 6, 7, 1)).astype(np.float32)
Y = np.exp(X[:, 2:4, 2, 0])
net = nn.Encoder(core=nn.ConvCore((3,), kernel_sizes=3), readout=nn.GaussianReadout(2),
                 shape=(6, 7, 1), rngs=0)
apply, variables = nn.functional(net)
class Slow:
    def __init__(self, x): self.x, self.shape, self.dtype = x, x.shape, x.dtype
    chunks = True
    def __getitem__(self, key):
        time.sleep(float(sys.argv[3]))
        return self.x[key]
fit = nn.train(apply, variables, Slow(X), Y, key=jax.random.key(1), n_epochs=6,
               batch_size=16, validation=0.25, patience=3, checkpoint_every=0.0,
               checkpoint=sys.argv[1] or None)
assert ("orbax" in sys.modules) == bool(sys.argv[1])
np.savez(sys.argv[2], fit.train_loss, fit.validation_loss,
         *[np.asarray(leaf) for leaf in jax.tree.leaves(fit.variables)])
"""


class Disk:
    """Stimuli that are read as from a disk, which fails when it was read enough."""

    chunks = True

    def __init__(self, x, n_reads=10**9):
        self.x, self.shape, self.dtype = x, x.shape, x.dtype
        self.n_done, self.n_reads = 0, n_reads

    def __getitem__(self, key):
        self.n_done += 1
        if self.n_done > self.n_reads:
            raise OSError("the disk is gone")
        return self.x[key]


def test_broken_training_ends_with_the_same_parameters(data, dtype, tmp_path):
    X, Y = data
    options = {"loss": "gaussian", "optimizer": optax.adam(0.1), "n_epochs": 6}
    options |= {"key": jax.random.key(1), "validation": 0.25, "patience": 3}
    train = partial(nn.train, linear, start(5, 3, dtype), batch_size=16, **options)
    disk, state = Disk(X), tmp_path / "state"
    whole = train(disk, Y)
    kept = {"checkpoint": state, "checkpoint_every": 0.0}
    with pytest.raises(OSError, match="the disk is gone"):
        train(Disk(X, 2 * disk.n_done // 3), Y, **kept)
    assert any(state.glob("state_*"))
    rest = Disk(X)
    resumed = train(rest, Y, **kept)
    assert rest.n_done < disk.n_done
    for name in ("variables", "train_loss", "validation_loss", "best_epoch"):
        jax.tree.map(assert_array_equal, getattr(resumed, name), getattr(whole, name))


@pytest.mark.slow
def test_killed_training_ends_with_the_same_parameters(tmp_path):
    def command(name, pause=0, checkpoint=""):
        result = str(tmp_path / f"{name}.npz")
        return [sys.executable, "-c", SCRIPT, str(checkpoint), result, str(pause)]

    compiled = {  # once for the three of them
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    run = partial(subprocess.run, check=True, env=os.environ | compiled)
    run(command("whole"))
    state = tmp_path / "state"
    child = subprocess.Popen(command("killed", 0.1, state), env=os.environ | compiled)
    deadline = time.monotonic() + 200
    while not any(state.glob("state_?")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.7)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert any(state.glob("state_*"))
    run(command("killed", 0, state))
    whole, killed = (dict(np.load(tmp_path / f"{k}.npz")) for k in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    for name in whole:
        assert_array_equal(whole[name], killed[name])


def test_checkpoint_of_another_training(data, dtype, tmp_path):
    X, Y = data
    options = GAUSSIAN | {"n_epochs": 1, "checkpoint": tmp_path / "state"}
    first = nn.train(linear, start(5, 3, dtype), X, Y, key=jax.random.key(0), **options)
    again = nn.train(linear, start(5, 3, dtype), X, Y, key=jax.random.key(0), **options)
    assert_array_equal(first.variables["weight"], again.variables["weight"])
    with pytest.raises(ValueError, match="is of another training: keys differ"):
        nn.train(linear, start(5, 3, dtype), X, Y, key=jax.random.key(1), **options)
    options["optimizer"] = optax.adam(0.1)
    with pytest.raises(ValueError, match="is of another training: arrays differ"):
        nn.train(linear, start(5, 3, dtype), X, Y, key=jax.random.key(0), **options)


def test_radam_as_pytorch(rng, x64):
    """Forty steps of RAdam with L2 in the gradient and an exponential decay."""
    rate, decay, gamma, b1, b2, eps = 0.01, 0.03, 0.97, 0.9, 0.999, 1e-8
    A = rng.standard_normal((6, 4))
    optimizer = optax.chain(
        optax.add_decayed_weights(decay),
        optax.radam(optax.exponential_decay(rate, 1, gamma)),
    )
    ours = jnp.asarray(rng.standard_normal(4))
    w, m, v = np.asarray(ours), np.zeros(4), np.zeros(4)
    state = optimizer.init(ours)
    for step in range(1, 41):
        with jax.numpy_dtype_promotion("standard"):
            slope = jnp.asarray(A.T @ np.tanh(A @ np.asarray(ours)))
            updates, state = optimizer.update(slope, state, ours)
        ours = optax.apply_updates(ours, updates)
        g = A.T @ np.tanh(A @ w) + decay * w
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        at_most = 2 / (1 - b2) - 1
        rho = at_most - 2 * step * b2**step / (1 - b2**step)
        moved = m / (1 - b1**step)
        if rho > 5:
            r = (rho - 4) * (rho - 2) * at_most
            r = np.sqrt(r / ((at_most - 4) * (at_most - 2) * rho))
            moved = moved * r * np.sqrt(1 - b2**step) / (np.sqrt(v) + eps)
        w = w - rate * gamma ** (step - 1) * moved
    assert_allclose(ours, w, rtol=1e-4)
