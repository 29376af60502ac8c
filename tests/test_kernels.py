"""One table of all kernels, and the checks that each of them passes.

A row calls a public function on small arrays that differ on every axis and states
the shapes of the result. Every row is compiled, batched, differentiated and called
in both precisions. A public function that is neither in the table nor among the host
functions fails the suite.
"""

import dataclasses
import inspect
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import signal, trf
from jaxneuro.core import moments as mom
from jaxneuro.core import ridge, score, search
from jaxneuro.signal import Lags

N, P, T = 36, 3, 2  # time points, features, targets
TRIAL = np.repeat([0, 1, 2], [14, 10, 12])
FOLD = np.repeat([0, 1], [24, 12])
LAGS = Lags(-1, 2, 1)
L = LAGS.n_lags
ALPHAS = np.array([0.5, 3.0, 20.0, 90.0, 400.0], np.float32)
A = ALPHAS.size
XY = {"X": (N, P), "Y": (N, T)}


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """A kernel, an example call, and what to expect.

    Attributes
    ----------
    name : str
        Where the function is public.
    call : function of arrays
        Everything else is closed over.
    arrays : dict
        Shape of each array argument.
    shapes : pytree of tuple
        Shape of each array of the result.
    host_loop, jumps, recompiles : str
        Why it cannot be compiled as a whole, has no gradient, or compiles at every
        call; empty where the check holds.
    """

    name: str
    call: Callable
    arrays: dict[str, tuple[int, ...]]
    shapes: object
    host_loop: str = ""
    jumps: str = ""
    recompiles: str = ""

    def make(self, dtype, seed=0):
        rng = np.random.default_rng(seed)
        draws = [rng.standard_normal(shape) + 0.3 for shape in self.arrays.values()]
        return [jnp.asarray(draw, dtype) for draw in draws]


def moments_of(n_features, n_targets=T):
    return {
        "n": (),
        "x_mean": (n_features,),
        "y_mean": (n_targets,),
        "xx": (n_features, n_features),
        "xy": (n_features, n_targets),
        "yy": (n_targets,),
    }


def leading(n, shapes):
    return {name: (n, *shape) for name, shape in shapes.items()}


def trf_fit(alpha=(T,)):
    return {"coef": (L, P, T), "intercept": (T,), "alpha": alpha}


def cv_fit(scores, *, alphas=(A,), alpha=(T,)):
    return {
        "fit": trf_fit(alpha),
        "scores": scores,
        "alphas": alphas,
        "converged": (T,),
    }


def without_static(record):
    """Arrays of a record by the names of their fields."""
    if not dataclasses.is_dataclass(record):
        return record
    data = [f.name for f in dataclasses.fields(record) if not f.metadata.get("static")]
    return {name: without_static(getattr(record, name)) for name in data}


def spectrum_of_products(X):
    penalty = jnp.arange(1, P + 1, dtype=X.dtype)
    s = ridge.spectrum(mom.moments(X, X).xx, penalty)
    # The sign of an eigenvector is free.
    return dataclasses.replace(s, basis=jnp.abs(s.basis))


def shrunk(X, alpha):
    s = ridge.spectrum(mom.moments(X, X).xx)
    return ridge.shrink(s, jnp.abs(alpha)[None] + 1)


def half(X, Y):
    return mom.moments(X[:20], Y[:20]), mom.moments(X[20:], Y[20:])


def folds_of(X, Y):
    # A copy, lest the float64 checks meet what an outer jit has cached for float32.
    return mom.fold_moments(X, Y, FOLD.copy(), n_folds=2)


def fitted(X, Y):
    """A model whose coefficients are data, so that they vary with the arrays."""
    coef = jnp.stack([X[:P, :T], X[3 : 3 + P, :T], Y[:P], Y[5 : 5 + P]])
    return trf.TRFFit(coef=coef, intercept=Y[0], alpha=jnp.ones_like(Y[0]), lags=LAGS)


CHOICE = "the choice of a penalty jumps"
CHOSEN = "only the chosen combinations are solved, which the host must know"
ROWS = [
    Row("core.moments.moments", mom.moments, XY, moments_of(P)),
    Row("core.moments.fold_moments", folds_of, XY, leading(2, moments_of(P))),
    Row("core.moments.merge", lambda X, Y: mom.merge(*half(X, Y)), XY, moments_of(P)),
    Row(
        "core.moments.total",
        lambda X, Y: mom.total(folds_of(X, Y)),
        XY,
        moments_of(P),
    ),
    Row(
        "core.moments.leave_out",
        lambda X, Y: mom.leave_out(folds_of(X, Y), 1),
        XY,
        moments_of(P),
    ),
    Row(
        "core.ridge.spectrum",
        spectrum_of_products,
        {"X": (N, P)},
        {"basis": (P, P), "gain": (P,), "cost": (P,)},
    ),
    Row("core.ridge.shrink", shrunk, {"X": (N, P), "alpha": (T,)}, (P, T)),
    Row(
        "core.ridge.solve",
        lambda X, Y: ridge.solve(mom.moments(X, Y), ALPHAS[:T]),
        XY,
        (P, T),
    ),
    Row(
        "core.ridge.ridge_path",
        lambda X, Y: ridge.ridge_path(mom.moments(X, Y), ALPHAS),
        XY,
        (A, P, T),
    ),
    Row(
        "core.ridge.solve_dual",
        lambda X, Y: ridge.solve_dual(X, Y, 2.0),
        {"X": (4, 9), "Y": (4, T)},
        (9, T),
    ),
    Row(
        "core.ridge.solve_svd",
        lambda X, Y: ridge.solve_svd(X, Y, 2.0),
        XY,
        (P, T),
    ),
    Row(
        "core.search.cv_scores",
        lambda X, Y: search.cv_scores(*half(X, Y), ALPHAS),
        XY,
        (A, T),
    ),
    Row(
        "core.search.gcv_scores",
        lambda X, Y: search.gcv_scores(mom.moments(X, Y), ALPHAS),
        XY,
        (A, T),
    ),
    Row(
        "core.search.score_coef",
        lambda X, Y: search.score_coef(X[:P, :T], *half(X, Y)),
        XY,
        (T,),
    ),
    Row(
        "core.search.choose",
        lambda scores: search.choose(ALPHAS, scores),
        {"scores": (4, A, T)},
        ((T,), (T,)),
        jumps=CHOICE,
    ),
    *(
        Row(f"core.score.{name}", function, {"y_true": (N, T), "y_pred": (N, T)}, (T,))
        for name, function in score.METRICS.items()
    ),
    Row(
        "signal.lagged",
        lambda x: signal.lagged(x, LAGS, trial_id=TRIAL),
        {"x": (N, P)},
        (N, L, P),
    ),
    Row(
        "signal.lagged_sums",
        lambda X, Y: signal.lagged_sums(X, Y, LAGS, trial_id=TRIAL, group_id=FOLD),
        XY,
        {
            "row": (2, L, P, P + T + 1),
            "y_sum": (2, T),
            "yy": (2, T),
            "n": (2,),
            "source": (N, P),
            "edges": (2, 4, 4),
            "frame": {"x_shift": (P,), "fill": (P,), "y_shift": (T,)},
        },
    ),
    Row(
        "signal.products",
        lambda X, Y: signal.products(signal.lagged_sums(X, Y, LAGS, trial_id=TRIAL)),
        XY,
        {
            "n": (),
            "x_sum": (L * P,),
            "y_sum": (T,),
            "xx": (L * P, L * P),
            "xy": (L * P, T),
            "yy": (T,),
            "x_shift": (L * P,),
            "y_shift": (T,),
        },
    ),
    Row(
        "signal.lagged_moments",
        lambda X, Y: signal.lagged_moments(X, Y, LAGS, trial_id=TRIAL, fold_id=FOLD),
        XY,
        leading(2, moments_of(L * P)),
    ),
    Row(
        "signal.zscore",
        lambda x: signal.zscore(x, trial_id=TRIAL),
        {"x": (N, P)},
        (N, P),
    ),
    Row(
        "signal.detrend",
        lambda x: signal.detrend(x, trial_id=TRIAL),
        {"x": (N, P)},
        (N, P),
    ),
    Row(
        "signal.resample",
        lambda x: signal.resample(x, 25),
        {"x": (N, P)},
        (25, P),
    ),
    Row(
        "signal.gaussian_smooth",
        lambda x: signal.gaussian_smooth(x, 1.5, trial_id=TRIAL),
        {"x": (N, P)},
        (N, P),
    ),
    Row(
        "signal.high_pass",
        lambda x: signal.high_pass(x, 0.1, 1.0, trial_id=TRIAL),
        {"x": (N, P)},
        (N, P),
    ),
    Row(
        "signal.mel_spectrogram",
        lambda sound: signal.mel_spectrogram(sound, 1000, n_bands=5),
        {"sound": (170,)},
        (17, 5),
    ),
    Row(
        "signal.auditory_spectrogram",
        lambda sound: signal.auditory_spectrogram(sound, 1000, frame_rate=50),
        {"sound": (170,)},
        (9, 128),
    ),
    Row(
        "trf.fit",
        lambda X, Y: trf.fit(X, Y, LAGS, 2.0, trial_id=TRIAL),
        XY,
        trf_fit(),
    ),
    Row(
        "trf.fit_cv",
        lambda X, Y: trf.fit_cv(X, Y, LAGS, ALPHAS, FOLD, trial_id=TRIAL),
        XY,
        cv_fit((2, A, T)),
        jumps=CHOICE,
    ),
    Row(
        "trf.fit_gcv",
        lambda X, Y: trf.fit_gcv(X, Y, LAGS, ALPHAS, trial_id=TRIAL),
        XY,
        cv_fit((1, A, T)),
        jumps=CHOICE,
    ),
    Row(
        "trf.fit_banded_cv",
        lambda X, Y: trf.fit_banded_cv(
            X, Y, LAGS, ALPHAS[:2], FOLD, bands=[0, 0, 1], trial_id=TRIAL
        ),
        XY,
        cv_fit((2, 4, T), alphas=(4, 2), alpha=(2, T)),
        jumps=CHOICE,
        recompiles=CHOSEN,
        host_loop=CHOSEN,
    ),
    Row(
        "trf.predict",
        lambda X, Y: trf.predict(fitted(X, Y), X, trial_id=TRIAL),
        XY,
        (N, T),
    ),
    Row(
        "trf.patterns",
        lambda X, Y: trf.patterns(fitted(X, Y), X, trial_id=TRIAL),
        XY,
        (L, P, T),
    ),
    Row(
        "trf.permutation_test",
        lambda X, Y: trf.permutation_test(
            X,
            Y,
            LAGS,
            2.0,
            FOLD,
            key=jax.random.key(3),
            n_permutations=7,
            trial_id=TRIAL,
        ),
        XY,
        {"scores": (T,), "null": (7, T), "p_value": (T,), "p_corrected": (T,)},
        jumps="p values count",
    ),
    Row(
        "trf.jackknife",
        lambda X, Y: trf.jackknife(X, Y, LAGS, 2.0, FOLD),
        XY,
        {
            "members": (2, L, P, T),
            "coef": (L, P, T),
            "standard_error": (L, P, T),
        },
    ),
    Row(
        "trf.single_lag",
        lambda X, Y: trf.single_lag(X, Y, LAGS, ALPHAS, FOLD, trial_id=TRIAL),
        XY,
        (L, T),
        jumps=CHOICE,
    ),
    Row(
        "trf.variance_partition",
        lambda X, Y: trf.variance_partition(
            X, Y, LAGS, ALPHAS, FOLD, bands=[0, 0, 1], trial_id=TRIAL
        ),
        XY,
        {"r2": (3, T), "unique": (2, T), "common": (3, T)},
        jumps=CHOICE,
    ),
]

# Public functions that are no kernels, and why.
HOST = {
    "core.ridge.pick_method": "chooses a method from sizes",
    "signal.auditory_frequencies": "a table",
    "signal.mel_frequencies": "a table",
    "signal.concatenate": "takes a list of trials of unequal length",
    "signal.split": "returns a list of trials of unequal length",
}
HOST_MODULES = {
    "core.batch": "reads from disk",
    "core.check": "raises",
    "core.folds": "integers, once per fit",
    "core.progress": "draws on a terminal",
    "core.struct": "makes classes",
}
MODULES = ("core.moments", "core.ridge", "core.search", "core.score", "signal", "trf")


def rows(without=""):
    """All rows, but those that say why a check does not hold."""
    chosen = [row for row in ROWS if not (without and getattr(row, without))]
    return pytest.mark.parametrize(
        "row", [pytest.param(row, id=row.name) for row in chosen]
    )


@cache
def eager(row, dtype, seed=0):
    return row.call(*row.make(dtype, seed))


def kinds(tree):
    return {leaf.dtype.name for leaf in jax.tree.leaves(tree)}


def assert_close(got, expected):
    got, expected = np.asarray(got), np.asarray(expected)
    if got.dtype.kind != "f":
        np.testing.assert_array_equal(got, expected)
        return
    error = 1e-9 if got.dtype == np.float64 else 1e-4
    size = np.abs(expected).max(initial=0.01)
    # Relative to the largest element: compiled code sums in another order.
    assert_allclose(got, expected, rtol=10 * error, atol=error * size)


@rows()
def test_shapes_and_values(row, dtype):
    result = without_static(eager(row, dtype))
    assert jax.tree.map(np.shape, result) == row.shapes
    assert kinds(result) <= {np.dtype(dtype).name, "int32", "int64", "bool"}
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result))


@rows(without="host_loop")
def test_compiled_and_batched_equal_a_loop(row, dtype):
    both = jax.tree.map(
        lambda *pair: jnp.stack(pair), *map(partial(row.make, dtype), [0, 1])
    )
    batched = jax.jit(jax.vmap(row.call))(*both)
    # One is enough where another would compile everything again.
    for seed in (0,) if row.recompiles else (0, 1):
        got = jax.tree.map(lambda leaf, seed=seed: leaf[seed], batched)
        jax.tree.map(assert_close, got, eager(row, dtype, seed))


@rows(without="host_loop")
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_keeps_its_dtype(row, kind, x64):
    result = jax.eval_shape(row.call, *row.make(kind))
    assert kinds(result) <= {kind, "int32", "int64", "bool"}


@rows(without="jumps")
def test_gradient_equals_finite_differences(row, x64):
    def weighed(arrays):
        leaves = jax.tree.leaves(row.call(*arrays))
        # Weights that differ keep what a plain sum would cancel.
        return sum(
            (leaf.ravel() * jnp.cos(jnp.arange(leaf.size, dtype=leaf.dtype))).sum()
            for leaf in leaves
            if jnp.issubdtype(leaf.dtype, jnp.floating)
        )

    # One compilation serves both, where jax.test_util.check_grads needs three.
    value_and_slope = jax.jit(jax.value_and_grad(weighed))
    at, direction = row.make("float64"), row.make("float64", seed=5)

    def along(step):
        return jax.tree.map(lambda a, d: a + step * d, at, direction)

    step = 1e-5
    expected = value_and_slope(along(step))[0] - value_and_slope(along(-step))[0]
    slope = value_and_slope(at)[1]
    got = sum(
        jax.tree.leaves(jax.tree.map(lambda s, d: (s * d).sum(), slope, direction))
    )
    assert_allclose(got, expected / (2 * step), rtol=1e-5, atol=1e-6)


@pytest.fixture
def compilations():
    """Names of everything that JAX traces or compiles while a test runs."""
    names = []

    def listen(name, duration, **kwargs):
        if "trace" in name or "compile" in name:
            names.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    jax.jit(lambda x: x + 1)(0)
    assert names, "JAX reports compilations under another name"
    names.clear()
    yield names
    jax.monitoring.unregister_event_duration_listener(listen)


@rows(without="recompiles")
def test_second_call_compiles_nothing(row, dtype, compilations):
    eager(row, dtype)
    arrays = row.make(dtype, seed=2)
    compilations.clear()
    row.call(*arrays)
    assert compilations == []


def public_functions(name):
    module = import_module(f"jaxneuro.{name}")
    return {
        f"{name}.{item}"
        for item in module.__all__
        if callable(getattr(module, item))
        and not inspect.isclass(getattr(module, item))
    }


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_has_a_row(name):
    table = {row.name for row in ROWS} | HOST.keys()
    listed = {item for item in table if item.rpartition(".")[0] == name}
    assert public_functions(name) == listed


def test_every_module_of_core_is_listed():
    folder = Path(import_module("jaxneuro.core").__file__).parent
    found = {f"core.{path.stem}" for path in folder.glob("[!_]*.py")}
    assert found == {m for m in MODULES if m.startswith("core.")} | HOST_MODULES.keys()


def test_rows_are_unique():
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
    assert not HOST.keys() & set(names)
