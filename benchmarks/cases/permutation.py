"""Permutation inference over many voxels, and the enhancement of one map."""

import warnings

import numpy as np

from cases import Arrays, Case, Data, Peer, relative

SEED = 7


def stream(n_samples, n_permutations, *, flip):
    """Draw as one of nilearn's jobs does, each resampling on top of the last."""
    seed = np.random.RandomState(SEED).randint(1, np.iinfo(np.int32).max - 1)
    draws = np.random.RandomState(seed)
    current = np.ones(n_samples, int) if flip else np.arange(n_samples)
    found = np.empty((n_permutations, n_samples), int)
    for row in found:
        if flip:
            current = current * (draws.randint(2, size=(n_samples, 1)) * 2 - 1)[:, 0]
        else:
            current = current[draws.permutation(n_samples)]
        row[:] = current
    return found


def make(size, dtype, *, flip) -> Data:
    """Thirty subjects and 20 000 voxels, or a small part."""
    n_samples, n_targets, n_permutations = (
        (12, 300, 200) if size == "small" else (30, 20_000, 10_000)
    )
    rng = np.random.default_rng(0)
    variate = rng.standard_normal((n_samples, 1))
    return {
        "maps": (rng.standard_normal((n_samples, n_targets)) + 0.1).astype(dtype),
        "tested": np.ones((n_samples, 1)) if flip else variate,
        "confounds": None if flip else rng.standard_normal((n_samples, 2)),
        "permutations": stream(n_samples, n_permutations, flip=flip),
    }


def make_flips(size, dtype) -> Data:
    """Test the mean."""
    return make(size, dtype, flip=True)


def make_shuffles(size, dtype) -> Data:
    """Test a variate beside an intercept and two confounds."""
    return make(size, dtype, flip=False)


def permute(data) -> Arrays:
    """Corrected and uncorrected p, and the null of the maximum."""
    from jaxneuro import glm

    result = glm.permutation_test(
        data["maps"],
        data["tested"],
        confounds=data["confounds"],
        permutations=data["permutations"],
    )
    return {
        "null": np.asarray(result.null),
        "p": np.asarray(result.p_corrected),
        "p_value": np.asarray(result.p_value),
    }


def nilearn_maps(data) -> Arrays:
    """Use the same resamplings in one job; it gives no uncorrected p."""
    from nilearn.mass_univariate import permuted_ols

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = permuted_ols(
            data["tested"],
            data["maps"],
            data["confounds"],
            n_perm=len(data["permutations"]),
            random_state=SEED,
            output_type="dict",
        )
    return {"null": result["h0_max_t"], "p": 10.0 ** -result["logp_max_t"]}


def null_error(_, ours, theirs) -> float:
    """Largest difference of the null, or of p in units of its resolution."""
    p = np.abs(ours["p"] - theirs["p"]).max()
    # One resampling more or less may lie within the rounding of float32.
    return max(relative(ours["null"], theirs["null"]), float(p > 0.01))


def make_map(size, dtype) -> Data:
    """Simulate a smooth map in an ellipsoid, as a brain lies in its box."""
    import scipy.ndimage

    shape = (16, 18, 15) if size == "small" else (60, 72, 60)
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    mask = sum(axis**2 for axis in grid) < 0.9
    noise = np.random.default_rng(0).standard_normal(shape)
    smooth = scipy.ndimage.gaussian_filter(noise, 1.0)
    volume = np.where(mask, smooth / smooth.std(), 0)
    return {"mask": mask, "volume": volume.astype(dtype)}


def enhance(data) -> Arrays:
    """Sum a hundred steps from one tree of clusters."""
    from jaxneuro import glm

    edges = glm.volume_edges(data["mask"])
    return {"score": glm.tfce(data["volume"][data["mask"]], edges, n_steps=100)}


def nilearn_enhance(data) -> Arrays:
    """Clusters labelled at every step."""
    from nilearn.mass_univariate._utils import calculate_tfce
    from scipy.ndimage import generate_binary_structure

    volume = data["volume"].astype(np.float64)[..., None]
    score = calculate_tfce(volume, generate_binary_structure(3, 1))
    return {"score": score[data["mask"], 0]}


def nilearn(run, error, measure, tolerance) -> tuple[Peer]:
    """Give the one peer of these cases."""
    return (
        Peer(
            name="nilearn",
            package="nilearn",
            module="nilearn.mass_univariate",
            run=run,
            error=error,
            measure=measure,
            tolerance=tolerance,
        ),
    )


NULL = (null_error, "null of the largest t", {"float32": 1e-5, "float64": 1e-12})
CASES = (
    Case(
        name="sign_flips",
        title="10 000 sign flips of 30 maps of 20 000 voxels",
        module="jaxneuro.glm",
        make=make_flips,
        ours=permute,
        peers=nilearn(nilearn_maps, *NULL),
    ),
    Case(
        name="shuffles",
        title="10 000 shuffles of 30 maps of 20 000 voxels, two confounds",
        module="jaxneuro.glm",
        make=make_shuffles,
        ours=permute,
        peers=nilearn(nilearn_maps, *NULL),
    ),
    Case(
        name="tfce",
        title="threshold-free cluster enhancement of a map of 110 000 voxels",
        module="jaxneuro.glm",
        make=make_map,
        ours=enhance,
        peers=nilearn(
            nilearn_enhance,
            lambda _, ours, theirs: relative(ours["score"], theirs["score"]),
            "scores, of the largest",
            {"float64": 1e-10},
        ),
        dtypes=("float64",),
    ),
)
