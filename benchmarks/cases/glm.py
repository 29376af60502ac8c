"""fMRI linear models: every voxel of a run, ten t and one F contrast."""

import numpy as np

from cases import Arrays, Case, Data, Peer

SIZES = {"small": (80, 8, 600), "full": (300, 30, 200_000)}
N_T, N_F = 10, 6


def make(size, dtype) -> Data:
    """Smooth regressors, drifts and a constant; AR noise in raw units."""
    n_times, n_regressors, n_targets = SIZES[size]
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_times, n_regressors))
    kernel = np.exp(-0.5 * ((np.arange(12) - 4) / 1.7) ** 2)
    for column in X.T[: n_regressors // 2]:
        column[:] = np.convolve(column, kernel)[:n_times]
    t = (np.arange(n_times) + 0.5) / n_times
    for k in range(n_regressors // 4):
        X[:, -2 - k] = np.cos(np.pi * t * (k + 1))
    X[:, -1] = 1
    Y = rng.standard_normal((n_times, n_targets), dtype=np.float32)
    Y[1:] += 0.3 * Y[:-1]
    Y += 100
    t_rows = rng.standard_normal((N_T, n_regressors))
    f_rows = np.eye(N_F, n_regressors)
    return {"X": X, "Y": Y.astype(dtype), "t": t_rows, "F": f_rows}


def ours(model):
    """Fit, contrasts, p and z of jaxneuro, exact for every voxel."""

    def run(data, **options) -> Arrays:
        from jaxneuro import glm

        _, t, f = glm.fit_contrasts(
            data["X"],
            data["Y"],
            t=data["t"],
            F=data["F"],
            noise_model=model,
            **options,
        )
        return {
            "t": t.stat,
            "t_z": t.z_score,
            "t_p": t.p_value,
            "F": f.stat,
            "F_z": f.z_score,
            "F_p": f.p_value,
        }

    return run


def nilearn(model):
    """Do the same in nilearn; its coefficients go along, for the comparison."""

    def run(data) -> Arrays:
        from nilearn.glm.contrasts import compute_contrast
        from nilearn.glm.first_level import run_glm

        labels, results = run_glm(
            data["Y"], data["X"], noise_model=model, random_state=0
        )
        found: dict[str, list] = {"t": [], "t_z": [], "F": [], "F_z": []}
        for name, rows in (("t", data["t"]), ("F", data["F"][None])):
            for row in rows:
                contrast = compute_contrast(labels, results, row, name)
                found[f"{name}_z"].append(contrast.z_score())
                found[name].append(contrast.stat_)
        arrays = {name: np.stack(maps) for name, maps in found.items()}
        if model != "ols":
            rho = np.zeros((int(model[2:]), labels.size))
            for label, result in results.items():
                rho[:, labels == label] = result.model.rho[:, None]
            arrays["ar"] = rho
        return arrays

    return run


def error(model):
    """Largest difference of t and F where both use the coefficients of nilearn."""

    def measure(data, _, theirs) -> float:
        given = {} if model == "ols" else {"ar": theirs["ar"]}
        same = ours(model)(data, compat="nilearn", **given)
        return max(
            float(np.abs(same[name] - theirs[name]).max() / np.abs(theirs[name]).max())
            for name in ("t", "F")
        )

    return measure


CASES = tuple(
    Case(
        name=f"glm_{model}",
        title=f"fMRI GLM, {noise}, 10 t and 1 F contrast with p and z",
        module="jaxneuro.glm",
        make=make,
        ours=ours(model),
        peers=(
            Peer(
                name="nilearn",
                package="nilearn",
                module="nilearn.glm.first_level",
                run=nilearn(model),
                error=error(model),
                measure="t and F at equal AR coefficients, of the largest",
                tolerance={"float32": 5e-6, "float64": 1e-10},
            ),
        ),
    )
    for model, noise in (
        ("ols", "independent noise"),
        ("ar1", "AR(1), exact for every voxel"),
        ("ar3", "AR(3), exact for every voxel"),
    )
)
