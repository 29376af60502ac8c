"""Columns of designs against nilearn, the tutorial of neuroboros and SPM."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import glm
from jaxneuro.glm._compat import nilearn_columns, nilearn_grid, nilearn_stimulus

HRFS = {
    "spm": "spm",
    "spm_derivative": "spm + derivative",
    "spm_derivative_dispersion": "spm + derivative + dispersion",
    "glover": "glover",
    "glover_derivative": "glover + derivative",
    "glover_derivative_dispersion": "glover + derivative + dispersion",
    "fir": "fir",
    "None": None,
}
DRIFTS = {
    "cosine": {"drift_model": "cosine"},
    "cosine_high_pass0.0078125": {"drift_model": "cosine", "high_pass": 1 / 128},
    "polynomial_drift_order3": {"drift_model": "polynomial", "drift_order": 3},
    "None": {"drift_model": None},
}
# The localizer of StudyForrest, run 1.
ONSETS = "11.995 35.988 59.996 83.989 107.997 131.989 155.998 179.990 203.999 227.991"
CATEGORIES = ["face", "scene", "body", "house", "object", "scramble"]
EVENTS = {
    "onset": [*map(float, ONSETS.split()), 252.0, 275.992],
    "duration": [16.0] * 12,
    "trial_type": [*CATEGORIES, "scramble", "body", "object", "face", "house", "scene"],
}


def assert_columns(got, expected, error=1e-10):
    """Relative to the largest element of each column."""
    assert got.shape == expected.shape
    size = np.abs(expected).max(axis=0)
    assert_allclose(got / size, expected / size, rtol=0, atol=error)


@pytest.fixture
def golden(shared):
    return shared / "golden" / "glm"


@pytest.mark.parametrize("setting", range(4))
@pytest.mark.parametrize("key", HRFS)
def test_nilearn_kernels_and_regressors(golden, setting, key):
    """Overlapping, signed, zero-length, early and late events on four grids."""
    numbers = np.load(golden / "hrf.npz")

    def stored(name):
        return numbers[f"s{setting}_{name}"]

    tr, _, oversampling, min_onset, _ = stored("settings")
    oversampling, times = int(oversampling), stored("frame_times")
    grid = nilearn_grid(times, oversampling, min_onset)
    assert_allclose(grid, stored("hr_times"), rtol=0, atol=1e-12)
    events = tuple(numbers["cond"])
    stimulus = nilearn_stimulus(events, grid)
    assert_allclose(stimulus, stored("hr_regressor"), rtol=0, atol=1e-12)
    columns = nilearn_columns(
        events,
        HRFS[key],
        times,
        oversampling=oversampling,
        fir_delays=numbers["fir_delays"].tolist(),
        min_onset=min_onset,
    )
    assert_columns(columns, stored(f"{key}_reg"))
    if key == "None":
        return
    weights = glm.hrf(
        HRFS[key],
        dt=tr / oversampling,
        tr=tr,
        fir_delays=numbers["fir_delays"],
        compat="nilearn",
    )
    weights = weights[:, None] if weights.ndim == 1 else weights
    for i, column in enumerate(weights.T):
        kernel = stored(f"{key}_kernel{i}")
        assert_columns(column[: kernel.size, None], kernel[:, None])
        assert not column[kernel.size :].any()


@pytest.mark.parametrize("hrf", HRFS)
@pytest.mark.parametrize("drift", DRIFTS)
def test_nilearn_designs(golden, hrf, drift):
    names = json.loads((golden / "design_columns.json").read_text(encoding="utf-8"))
    delays = range(6) if hrf == "fir" else None
    made = glm.design(
        EVENTS,
        156,
        2.0,
        hrf_model=HRFS[hrf],
        fir_delays=delays,
        compat="nilearn",
        **DRIFTS[drift],
    )
    key = f"{hrf}__{drift}"
    assert list(made.names) == names[key]
    assert_columns(made.matrix, np.load(golden / "design.npz")[key])


def test_nilearn_slices_and_confounds(golden):
    numbers = np.load(golden / "design.npz")["slice_ref_half_confounds"]
    names = json.loads((golden / "design_columns.json").read_text(encoding="utf-8"))
    made = glm.design(
        EVENTS,
        156,
        2.0,
        hrf_model="spm + derivative",
        confounds={f"c{i}": numbers[:, 12 + i] for i in range(6)},
        slice_time_ref=0.5,
        compat="nilearn",
    )
    assert list(made.names) == names["slice_ref_half_confounds"]
    assert_columns(made.matrix, numbers)


def test_tutorial(golden):
    numbers = np.load(golden / "neuroboros.npz")
    weights = glm.hrf("spm", dt=2.0 / 256, duration=30.0)
    assert_columns(weights[::64, None], numbers["kernel_every64"][:, None])
    made = glm.design(EVENTS, 156, 2.0, drift_model=None, compat="neuroboros")
    assert made.names[:6] == tuple(CATEGORIES)
    assert_columns(made.matrix[:, :6], numbers["regressors"])


SPM_ONSETS = [30, 50, 70, 10, 30, 80, 30, 40, 60]


def spm_events(duration, late=0.0):
    return {
        "onset": np.asarray(SPM_ONSETS) - late,
        "duration": [duration] * 9,
        "trial_type": np.repeat(["c0", "c1", "c2"], 3),
    }


def share(got, expected):
    """Squared error as a part of the squared norm."""
    return ((got - expected) ** 2).sum() / (expected**2).sum()


@pytest.mark.parametrize(
    ("duration", "stored", "error"), [(0.0, "arr_0", 1e-5), (10.0, "arr_1", 1e-4)]
)
def test_spm_columns(shared, duration, stored, error):
    """The whole matrix, as nilearn's own test compares it (there below 0.1)."""
    spm = np.load(shared / "data/ref_spm_design/spm_dmtx.npz")[stored]
    made = glm.design(
        spm_events(duration), 100, 1.0, drift_model=None, slice_time_ref=0.0
    )
    assert share(made.matrix, spm) < error
    assert share(made.matrix[:, :3], spm[:, :3]) < 5e-4


@pytest.mark.parametrize(
    ("duration", "longer", "late", "stored"),
    [(0.0, 0.0, 1 / 16, "arr_0"), (10.0, 1 / 16, 1.5 / 16, "arr_1")],
)
def test_spm_columns_in_its_own_bins(shared, duration, longer, late, stored):
    """SPM reads one bin of 1/16 scan late, and its blocks last a bin too long."""
    spm = np.load(shared / "data/ref_spm_design/spm_dmtx.npz")[stored]
    made = glm.design(
        spm_events(duration + longer, late),
        100,
        1.0,
        drift_model=None,
        slice_time_ref=0.0,
    )
    assert share(made.matrix, spm) < 1e-10
    assert_allclose(made.matrix, spm, rtol=0, atol=2e-5)


def test_spm_drifts(shared):
    stored = np.load(shared / "data/ref_spm_design/spm_dmtx.npz")
    spm = stored["cosbf_dt_1_nt_20_hcut_0p1"]
    events = {"onset": [2.0], "duration": [1.0], "trial_type": ["a"]}
    made = glm.design(events, 20, 1.0, high_pass=0.1)
    assert_allclose(made.matrix[:, 1:4], spm[:, 1:4], rtol=0, atol=1e-6)
