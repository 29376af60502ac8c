"""Single trials, a library of responses, and ridge by fraction."""

import numpy as np

from cases import Arrays, Case, Data, Peer, relative

TR = 1.0


def make(size, dtype) -> Data:
    """Overlapping trials, cosines as drifts, and data in raw units."""
    n_times, n_trials, n_targets = (90, 12, 40) if size == "small" else (300, 200, 5000)
    rng = np.random.default_rng(0)
    times = np.arange(30.0)
    kernel = times**5 * np.exp(-times) / 120
    X = np.zeros((n_times, n_trials))
    onsets = np.sort(rng.uniform(0, n_times - 12, n_trials))
    for trial, onset in enumerate(onsets):
        first = int(onset)
        shifted = np.interp(times - (onset - first), times, kernel)
        length = min(30, n_times - first)
        X[first : first + length, trial] = shifted[:length]
    cosines = np.cos(np.pi * np.outer(np.arange(n_times) + 0.5, np.arange(6)) / n_times)
    Y = X @ (10 + 5 * rng.standard_normal((n_trials, n_targets)))
    Y += cosines @ rng.standard_normal((6, n_targets)) + 1000
    Y += 3 * rng.standard_normal(Y.shape)
    return {"X": X, "nuisance": cosines, "Y": Y.astype(dtype)}


def lss(data) -> Arrays:
    """All trials as one product."""
    from jaxneuro import glm

    coef = glm.lss(data["X"], data["Y"], nuisance=data["nuisance"])
    return {"coef": np.asarray(coef)}


def designs(data):
    """Yield the model of each trial."""
    total = data["X"].sum(1)
    for x in data["X"].T:
        yield np.column_stack([x, total - x, data["nuisance"]])


def numpy_lss(data) -> Arrays:
    """One least squares fit per trial."""
    coef = [
        np.linalg.lstsq(A.astype(data["Y"].dtype), data["Y"])[0][0]
        for A in designs(data)
    ]
    return {"coef": np.stack(coef)}


def nilearn_lss(data) -> Arrays:
    """One GLM per trial, as nilearn's example does."""
    from nilearn.glm.first_level import run_glm

    coef = []
    for A in designs(data):
        labels, results = run_glm(data["Y"], A, noise_model="ols")
        coef.append(results[labels[0]].theta[0])
    return {"coef": np.stack(coef)}


def make_search(size, dtype) -> Data:
    """Three conditions under each response of the library."""
    from jaxneuro import glm

    n_times, n_targets = (90, 40) if size == "small" else (300, 20_000)
    rng = np.random.default_rng(0)
    library = glm.hrf_library(dt=TR)
    sticks = (rng.uniform(size=(n_times, 3)) < 0.1).astype(float)
    stack = [
        np.stack([np.convolve(s, h)[:n_times] for s in sticks.T], axis=1)
        for h in library
    ]
    cosines = np.cos(np.pi * np.outer(np.arange(n_times) + 0.5, np.arange(6)) / n_times)
    pick = rng.integers(0, len(stack), n_targets)
    beta = 3 + rng.standard_normal((3, n_targets))
    Y = np.einsum("vtc,cv->tv", np.stack(stack)[pick], beta)
    Y += 0.3 * rng.standard_normal(Y.shape) + 100
    return {"designs": np.stack(stack), "nuisance": cosines, "Y": Y.astype(dtype)}


def search(data) -> Arrays:
    """One stacked product."""
    from jaxneuro import glm

    found = glm.hrf_search(data["designs"], data["Y"], nuisance=data["nuisance"])
    return {"r2": np.asarray(found.r2), "coef": np.asarray(found.coef)}


def numpy_search(data) -> Arrays:
    """One least squares fit per response."""
    Y, N = data["Y"], data["nuisance"].astype(data["Y"].dtype)
    total = np.linalg.lstsq(N, Y)[1]
    r2, coef = [], []
    for design in data["designs"]:
        b, left = np.linalg.lstsq(np.column_stack([design.astype(Y.dtype), N]), Y)[:2]
        r2.append(1 - left / total)
        coef.append(b[:3])
    best = np.argmax(r2, axis=0)
    return {
        "r2": np.stack(r2),
        "coef": np.stack(coef)[best, :, np.arange(Y.shape[1])].T,
    }


def make_fraction(size, dtype) -> Data:
    """Correlated predictors, a third of the length to be kept."""
    n_times, n_features, n_targets = (
        (60, 8, 40) if size == "small" else (300, 200, 5000)
    )
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_times, n_features))
    X[:, 1:] += 0.5 * X[:, :-1]
    Y = X @ rng.standard_normal((n_features, n_targets))
    Y += 10 * rng.standard_normal(Y.shape)
    return {"X": X, "Y": Y.astype(dtype)}


def fraction(data) -> Arrays:
    """Penalties solved for."""
    from jaxneuro import glm

    fit = glm.fractional_ridge(data["X"], data["Y"], 0.3)
    return {"coef": np.asarray(fit.coef)}


def fracridge(data) -> Arrays:
    """Penalties interpolated on a grid."""
    from fracridge import fracridge as solve

    X = data["X"].astype(data["Y"].dtype)
    return {"coef": solve(X, data["Y"], np.array([0.3]))[0].squeeze()}


def coef_error(_, ours, theirs) -> float:
    """Largest difference of the estimates."""
    return relative(ours["coef"], theirs["coef"])


def loop(name, package, module, run, tolerance) -> Peer:
    """Give a peer whose estimates are compared."""
    return Peer(
        name=name,
        package=package,
        module=module,
        run=run,
        error=coef_error,
        measure="estimates, of the largest",
        tolerance=tolerance,
    )


# In float32 it is the peers that lose digits to the data's mean of 1000.
CLOSE = {"float32": 1e-2, "float64": 1e-10}
CASES = (
    Case(
        name="lss",
        title="LSS of 200 trials, 300 scans, 5000 voxels",
        module="jaxneuro.glm",
        make=make,
        ours=lss,
        peers=(
            loop("NumPy, a fit per trial", "numpy", "numpy", numpy_lss, CLOSE),
            loop(
                "nilearn, a GLM per trial",
                "nilearn",
                "nilearn.glm.first_level",
                nilearn_lss,
                CLOSE,
            ),
        ),
    ),
    Case(
        name="hrf_search",
        title="20 responses, 3 conditions, 300 scans, 20 000 voxels",
        module="jaxneuro.glm",
        make=make_search,
        ours=search,
        peers=(
            loop("NumPy, a fit per response", "numpy", "numpy", numpy_search, CLOSE),
        ),
    ),
    Case(
        name="fractional_ridge",
        title="ridge to 0.3 of the length, 200 predictors, 5000 voxels",
        module="jaxneuro.glm",
        make=make_fraction,
        ours=fraction,
        # Its interpolation is off by about a hundredth.
        peers=(
            loop(
                "fracridge",
                "fracridge",
                "fracridge",
                fracridge,
                {"float32": 3e-2, "float64": 3e-2},
            ),
        ),
    ),
)
