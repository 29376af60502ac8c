"""Compatible and exact maps of two real recordings beside nilearn's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import glm

pytestmark = pytest.mark.slow

pd = pytest.importorskip("pandas")
first_level = pytest.importorskip("nilearn.glm.first_level")
compute_contrast = pytest.importorskip("nilearn.glm.contrasts").compute_contrast


def design_of(n_scans, tr, events, confounds=None):
    return first_level.make_first_level_design_matrix(
        np.arange(n_scans) * tr,
        events,
        hrf_model="spm",
        high_pass=1 / 128,
        add_regs=confounds,
    )


def localizer(shared):
    """Ten conditions, events as impulses, one run."""
    folder = shared / "data" / "fmri_localizer"
    with np.load(folder / "localizer.npz") as stored:
        Y, tr = stored["bold"].astype(np.float64), float(stored["tr"])
    events = pd.read_csv(folder / "events.tsv", sep="\t")
    design = design_of(len(Y), tr, events)
    return design.to_numpy(), Y, np.eye(10, design.shape[1])


def haxby(shared):
    """Eight categories in blocks, motion, the first run."""
    folder = shared / "data" / "fmri_haxby_slice"
    with np.load(folder / "haxby_slice.npz") as stored:
        Y, motion = stored["bold"][0].astype(np.float64), stored["motion"][0]
        tr = float(stored["tr"])
    events = pd.read_csv(folder / "events.tsv", sep="\t")
    events = events[events["run"] == 1][["onset", "duration", "trial_type"]]
    design = design_of(len(Y), tr, events, motion)
    return design.to_numpy(), Y, np.eye(8, design.shape[1])


def clear(Y):
    """Voxels that nilearn can fit."""
    return Y[:, Y.std(axis=0) > 0]


@pytest.mark.parametrize("recording", [localizer, haxby])
@pytest.mark.parametrize("model", ["ols", "ar1"])
def test_compatible_maps_equal_nilearn(shared, recording, model, x64):
    X, Y, weights = recording(shared)
    Y = clear(Y)
    t = glm.t_contrast(glm.fit(X, Y, noise_model=model, compat="nilearn"), weights)
    labels, results = first_level.run_glm(Y, X, noise_model=model)
    for row, got in zip(weights, t.stat, strict=True):
        expected = compute_contrast(labels, results, row, "t").stat()
        assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


# How far rounding to bins and uncorrected residuals move t: median and largest.
MOVED = {localizer: (0.1, 0.68), haxby: (0.173, 1.71)}


@pytest.mark.parametrize("recording", [localizer, haxby])
def test_exact_noise_beside_bins(shared, recording, x64):
    """Every voxel's own AR(1) gives larger coefficients and other t values."""
    X, Y, weights = recording(shared)
    Y = clear(Y)
    exact = glm.fit(X, Y, noise_model="ar1")
    binned = glm.fit(X, Y, noise_model="ar1", compat="nilearn")
    moved = np.abs(
        glm.t_contrast(exact, weights).stat - glm.t_contrast(binned, weights).stat
    )
    median, largest = MOVED[recording]
    assert np.mean(exact.ar > binned.ar) > 0.99
    assert_allclose([np.median(moved), moved.max()], [median, largest], rtol=0.05)
    # The difference is where the residuals' bias is large: at strong correlation.
    gap = (exact.ar - binned.ar)[0]
    assert np.corrcoef(gap, moved.mean(axis=0))[0, 1] > 0.2
