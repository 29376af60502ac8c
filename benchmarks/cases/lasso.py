"""Sparse receptive fields of random binary images, one model per voxel."""

import numpy as np

from cases import Arrays, Case, Data, Peer, relative

N_FOLDS = 5
# Samples, side of the images and voxels as in the recording.
SIZES = {"small": (600, 6, 20), "full": (2860, 10, 5438)}
# A hundred penalties take scikit-learn minutes: it gets every tenth voxel.
TENTH = slice(None, None, 10)


def make(size, dtype) -> Data:
    """Black and white pixels; voxels sum a few of them in noise."""
    n_samples, side, n_voxels = SIZES[size]
    rng = np.random.default_rng(2008)
    images = rng.random((n_samples, side**2)) < 0.5
    center = rng.uniform(0, side - 1, (2, n_voxels))
    place = np.stack(np.divmod(np.arange(side**2), side))[:, :, None]
    far = ((place - center[:, None]) ** 2).sum(0)
    fields = np.exp(-far / (2 * rng.uniform(0.5, 1.2, n_voxels) ** 2))
    fields[fields < 0.05] = 0
    bold = images @ fields + 3 * rng.standard_normal((n_samples, n_voxels))
    bold = (bold - bold.mean(0)) / bold.std(0)
    return {"X": images.astype(dtype), "Y": bold.astype(dtype)}


def fold_id(data):
    """Consecutive folds, as scikit-learn makes them."""
    from jaxneuro.core import folds

    return folds.kfold(len(data["X"]), N_FOLDS)


def arrays(result) -> Arrays:
    """Coefficients, constants and penalties."""
    names = ("coef", "intercept", "alpha")
    return {name: np.asarray(getattr(result.fit, name)) for name in names}


def ours_lars(data) -> Arrays:
    """All voxels, ten steps."""
    from jaxneuro import linear

    return arrays(
        linear.lasso_lars_cv(data["X"], data["Y"], fold_id(data), max_iter=10)
    )


def ours_cv(data) -> Arrays:
    """All voxels, a hundred penalties each."""
    from jaxneuro import linear

    return arrays(linear.lasso_cv(data["X"], data["Y"], fold_id(data)))


def one_by_one(data, model) -> Arrays:
    """Fit voxel by voxel."""
    models = [model().fit(data["X"], y) for y in data["Y"].T]
    return {
        "coef": np.stack([m.coef_ for m in models], axis=1),
        "intercept": np.array([m.intercept_ for m in models]),
        "alpha": np.array([m.alpha_ for m in models]),
    }


def theirs_lars(data) -> Arrays:
    """Fit all voxels, ten steps."""
    from sklearn.linear_model import LassoLarsCV

    return one_by_one(data, lambda: LassoLarsCV(max_iter=10, cv=N_FOLDS))


def theirs_cv(data) -> Arrays:
    """Fit a tenth of the voxels, a hundred penalties each."""
    from sklearn.linear_model import LassoCV

    tenth = data | {"Y": data["Y"][:, TENTH]}
    return one_by_one(tenth, lambda: LassoCV(cv=N_FOLDS))


def coef_error(data, ours, theirs) -> float:
    """Compare the coefficients of voxels whose penalty is the same.

    In single precision a few of thousands find two candidates equally good.
    """
    same = np.abs(ours["alpha"] / theirs["alpha"] - 1) < 1e-4
    if same.mean() < 0.99:
        return float("inf")
    return relative(ours["coef"][:, same], theirs["coef"][:, same])


def objective_error(data, ours, theirs) -> float:
    """How much worse our objective is at the penalty that the peer chose."""
    from jaxneuro import linear

    X, Y = data["X"], data["Y"][:, TENTH]
    fit = linear.lasso(X, Y, theirs["alpha"].astype(X.dtype))
    X, Y = X.astype(np.float64), Y.astype(np.float64)

    def objective(coef, intercept):
        coef = np.asarray(coef, np.float64)
        error = ((Y - X @ coef - np.asarray(intercept, np.float64)) ** 2).mean(0) / 2
        return error + theirs["alpha"] * np.abs(coef).sum(0)

    least = objective(theirs["coef"], theirs["intercept"])
    return float((objective(fit.coef, fit.intercept) / least - 1).max())


CASES = (
    Case(
        name="lasso_lars_cv",
        title="lasso path of 10 steps, 100 pixels -> 5438 voxels, 5 folds",
        module="jaxneuro.linear",
        make=make,
        ours=ours_lars,
        peers=(
            Peer(
                name="scikit-learn LassoLarsCV",
                package="scikit-learn",
                module="sklearn.linear_model",
                run=theirs_lars,
                error=coef_error,
                measure="coefficients at equal alpha",
                tolerance={"float32": 2e-5, "float64": 1e-9},
            ),
        ),
    ),
    Case(
        name="lasso_cv",
        title="lasso of 100 penalties, 100 pixels -> 5438 voxels, 5 folds",
        module="jaxneuro.linear",
        make=make,
        ours=ours_cv,
        peers=(
            Peer(
                name="scikit-learn LassoCV, a tenth of the voxels x 10",
                package="scikit-learn",
                module="sklearn.linear_model",
                run=theirs_cv,
                error=objective_error,
                measure="objective at equal alpha, relative excess",
                tolerance={"float32": 2e-6, "float64": 1e-12},
                share=0.1,
            ),
        ),
    ),
)
