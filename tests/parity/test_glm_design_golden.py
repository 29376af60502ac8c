"""Columns of designs against nilearn, the tutorial of neuroboros and SPM."""

import json
import warnings

import numpy as np
import pandas as pd
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


def nilearn_design(events, n_scans, tr, slice_time_ref=0.0, confounds=None, **options):
    first_level = pytest.importorskip("nilearn.glm.first_level")
    times = np.linspace(
        slice_time_ref * tr, (n_scans - 1 + slice_time_ref) * tr, n_scans
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return first_level.make_first_level_design_matrix(
            times, events, add_regs=confounds, **options
        )


@pytest.mark.parametrize("hrf_model", ["spm", "glover + derivative + dispersion"])
@pytest.mark.parametrize("recording", ["haxby", "localizer"])
def test_recordings_as_in_nilearn(shared, recording, hrf_model):
    """Blocks with motion, and 80 impulses of 10 conditions."""
    if recording == "haxby":
        folder = shared / "data" / "fmri_haxby_slice"
        table = pd.read_csv(folder / "events.tsv", sep="\t")
        runs = [table[table.run == r].drop(columns="run") for r in (1, 12)]
        motion = np.load(folder / "haxby_slice.npz")["motion"][[0, 11]]
        columns = [f"move_{i}" for i in range(6)]
        confounds = [pd.DataFrame(one, columns=columns) for one in motion]
        n_scans, tr = 121, 2.5
    else:
        path = shared / "data" / "fmri_localizer" / "events.tsv"
        runs, confounds = [pd.read_csv(path, sep="\t")], [None]
        n_scans, tr = 125, 2.4
    for events, nuisance in zip(runs, confounds, strict=True):
        expected = nilearn_design(
            events, n_scans, tr, 0.5, nuisance, hrf_model=hrf_model
        )
        made = glm.design(
            events,
            n_scans,
            tr,
            hrf_model=hrf_model,
            confounds=nuisance,
            slice_time_ref=0.5,
            compat="nilearn",
        )
        assert list(made.names) == list(expected.columns)
        assert_columns(made.matrix, expected.to_numpy())


@pytest.mark.parametrize("seed", range(5))
def test_any_events_as_in_nilearn(seed):
    """Random runs with overlaps, repeated events, modulation, and all options."""
    rng = np.random.default_rng(seed)
    n_scans, tr = int(rng.integers(20, 90)), float(rng.choice([0.72, 1.1, 2.0, 2.37]))
    events = pd.DataFrame(
        {
            "onset": np.round(rng.uniform(-20, n_scans * tr - 0.1, 30), 2),
            "duration": np.round(rng.exponential(4.0, 30) * (rng.random(30) < 0.7), 1),
            "trial_type": rng.choice(["b", "a", "c"], 30),
            "modulation": rng.standard_normal(30),
        }
    )
    events = pd.concat([events, events.iloc[:2]], ignore_index=True)
    options = {
        "hrf_model": rng.choice(["spm + derivative", "glover", "fir"]),
        "drift_model": rng.choice(["cosine", "polynomial"]),
        "drift_order": int(rng.integers(0, 5)),
        "high_pass": float(rng.choice([0.01, 0.02, 1 / 128])),
        "oversampling": int(rng.choice([1, 16, 50])),
        "fir_delays": [0, 1, 2, 5],
    }
    ref = float(rng.choice([0.0, 0.5, 1.0]))
    expected = nilearn_design(events, n_scans, tr, ref, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of events that come twice
        made = glm.design(
            events, n_scans, tr, slice_time_ref=ref, compat="nilearn", **options
        )
    assert list(made.names) == list(expected.columns)
    size = np.maximum(np.abs(expected.to_numpy()).max(axis=0), 1e-3)
    assert_allclose(made.matrix / size, expected.to_numpy() / size, rtol=0, atol=1e-10)
