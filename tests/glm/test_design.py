import re
import warnings

import jax
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro import glm, io
from jaxneuro.glm._hrf import responses

EVENTS = {
    "onset": [11.3, 4.02, 30.0, 41.7, 33.31, 20.5, -3.0],
    "duration": [8.0, 3.5, 0.0, 6.4, 20.0, 0.0, 9.0],
    "trial_type": ["house", "face", "tone", "face", "house", "tone", "face"],
    "modulation": [1.0, 2.0, -0.5, 1.0, 0.7, 1.5, 1.0],
}
TR = 1.7


def brute_force(condition, model, times, step=0.001):
    """Sum over a fine grid of stimulus times, midpoint by midpoint."""
    table = pd.DataFrame(EVENTS)
    columns = np.zeros((times.size, len(responses(model, tr=TR))))
    for row in table[table.trial_type == condition].itertuples():
        n, height = round(row.duration / step), 1.0
        stimulus = row.onset + (np.arange(n) + 0.5) * step
        if n == 0:  # an impulse has unit area
            stimulus, height = np.array([row.onset]), 1 / step
        since = times[:, None] - stimulus
        for i, one in enumerate(responses(model, tr=TR)):
            inside = (since >= 0) & (since <= one.length)
            effect = np.where(inside, one.value(np.clip(since, 0, None)), 0.0)
            columns[:, i] += row.modulation * height * step * effect.sum(axis=1)
    return columns


def orthogonal(columns):
    for i in range(1, columns.shape[1]):
        before = columns[:, :i]
        fit = np.linalg.lstsq(before, columns[:, i], rcond=None)[0]
        columns[:, i] -= before @ fit
    return columns


@pytest.mark.parametrize("model", ["spm", "glover + derivative + dispersion"])
@pytest.mark.parametrize("ref", [None, 0.0, 1.0])
def test_columns_are_convolutions(model, ref):
    made = glm.design(
        EVENTS, 40, TR, hrf_model=model, drift_model=None, slice_time_ref=ref
    )
    times = (np.arange(40) + (0.5 if ref is None else ref)) * TR
    assert_allclose(made.times, times)
    assert made.matrix.dtype == np.float64
    expected = [
        orthogonal(brute_force(condition, model, times))
        for condition in ("face", "house", "tone")
    ]
    # A derivative has a jump, which the sum lacks, where the response is cut at 32 s.
    error = 2e-6 if model == "spm" else 2e-5
    assert_allclose(made.matrix[:, :-1], np.concatenate(expected, axis=1), atol=error)
    assert_array_equal(made.matrix[:, -1], 1.0)


@pytest.mark.parametrize("shift", [0.1, 1.0])
def test_onsets_are_not_rounded(shift):
    """Later events are the same as earlier scans."""
    early, late = ({**EVENTS, "onset": np.add(EVENTS["onset"], s)} for s in (0, shift))
    one = glm.design(early, 40, TR, slice_time_ref=0.0)
    two = glm.design(late, 40, TR, slice_time_ref=shift / TR)
    assert_allclose(one.matrix, two.matrix, rtol=0, atol=1e-12)


def test_a_long_block_reaches_its_modulation():
    events = {"onset": [0], "duration": [80], "trial_type": ["on"], "modulation": [3]}
    made = glm.design(events, 40, 2.0)
    assert_allclose(made.matrix[20:, 0], 3.0, rtol=1e-9)


def test_oversampling_changes_nothing():
    one, two = (glm.design(EVENTS, 40, TR, oversampling=n).matrix for n in (1, 50))
    assert_array_equal(one, two)


@pytest.mark.parametrize("kind", ["array", "function", "list"])
def test_own_response(kind):
    """A sampled response comes close to its closed form."""
    (spm,) = responses("spm", tr=TR)
    weights = glm.hrf("spm", dt=TR / 50)
    model = {"array": weights, "function": spm.value, "list": [spm.value]}[kind]
    made = glm.design(EVENTS, 40, TR, hrf_model=model, oversampling=50)
    expected = glm.design(EVENTS, 40, TR)
    assert made.names == expected.names
    assert_allclose(made.matrix, expected.matrix, atol=2e-4)


def test_own_basis():
    def early(t):
        return np.exp(-t)

    def late(t):
        return np.exp(-t / 3)

    made = glm.design(EVENTS, 40, TR, hrf_model=[early, late], drift_model=None)
    assert made.names[:3] == ("face_early", "face_late", "house_early")
    both = np.stack([early(np.arange(300) * 0.1), late(np.arange(300) * 0.1)], axis=1)
    made = glm.design(EVENTS, 40, TR, hrf_model=both, drift_model=None)
    assert made.names[:2] == ("face_basis_0", "face_basis_1")
    assert made.conditions == ("face",) * 2 + ("house",) * 2 + ("tone",) * 2


def test_fir_of_impulses():
    """Delay d answers in the scans whose time is d to d + 1 scans after the event."""
    onset = np.array([0.0, 10.0, 19.0, 30.6])
    events = {"onset": onset, "duration": np.zeros(4), "trial_type": ["a"] * 4}
    for ref in (0.0, 0.5):
        made = glm.design(
            events,
            30,
            2.0,
            hrf_model="fir",
            fir_delays=[0, 1, 4],
            drift_model=None,
            slice_time_ref=ref,
        )
        since = (np.arange(30) + ref)[:, None] * 2.0 - onset
        scans = np.floor(since / 2.0)
        expected = np.stack([(scans == d).sum(axis=1) for d in (0, 1, 4)], axis=1)
        assert_array_equal(made.matrix[:, :3], expected)
        assert made.names[:3] == ("a_delay_0", "a_delay_1", "a_delay_4")


@pytest.mark.parametrize("tr", [0.1, 0.7, 0.72, 1.1, 2.2])
def test_fir_on_the_grid_survives_rounding(tr):
    events = {
        "onset": np.arange(0, 200, 7) * tr,
        "duration": np.zeros(29),
        "trial_type": ["a"] * 29,
    }
    options = {"drift_model": None, "slice_time_ref": 0.0}
    made = glm.design(events, 200, tr, hrf_model="fir", fir_delays=range(7), **options)
    assert_array_equal(made.matrix[:, :7], np.tile(np.eye(7), (29, 1))[:200])
    plain = glm.design(events, 200, tr, hrf_model=None, **options)
    assert_array_equal(plain.matrix[:, 0], made.matrix[:, 0])


def test_fir_covers_twenty_seconds_by_default():
    made = glm.design(EVENTS, 80, TR, hrf_model="fir")
    assert len(made.columns("face")) == 12


def test_no_response():
    """The mean of the stimulus over each scan."""
    events = {"onset": [3.0, 11], "duration": [4.5, 0], "trial_type": ["a", "b"]}
    made = glm.design(events, 8, 2.0, hrf_model=None, drift_model=None)
    assert_allclose(made.matrix[:, 0], [0, 0.5, 1, 0.75, 0, 0, 0, 0])
    assert_allclose(made.matrix[:, 1], [0, 0, 0, 0, 0, 1, 0, 0])


def test_tables_of_all_kinds(tmp_path):
    frame = pd.DataFrame(EVENTS)
    frame.assign(response=np.nan).to_csv(
        tmp_path / "events.tsv", sep="\t", na_rep="n/a"
    )
    frame.to_csv(tmp_path / "events.csv", index=False)
    expected = glm.design(EVENTS, 40, TR)
    for events in (frame, tmp_path / "events.tsv", str(tmp_path / "events.csv")):
        made = glm.design(events, 40, TR)
        assert made.names == expected.names
        assert_allclose(made.matrix, expected.matrix, rtol=1e-12, atol=1e-15)


def test_numbered_conditions_are_sorted_by_size():
    events = {"onset": [0, 5, 9], "duration": [1] * 3, "trial_type": [10, 2.0, 2]}
    made = glm.design(events, 20, 2.0)
    assert made.conditions == ("2", "10")


def test_several_runs(rng):
    first, second = rng.standard_normal((30, 2)), rng.standard_normal(25)
    house = {"onset": [6.0], "duration": [4.0], "trial_type": ["house"]}
    confounds = [pd.DataFrame(first, columns=["x", "y"]), {"z": second}]
    made = glm.design([EVENTS, house], [30, 25], TR, confounds=confounds)
    ones = [
        glm.design(EVENTS, 30, TR, confounds=confounds[0]),
        glm.design(house, 25, TR, confounds=confounds[1]),
    ]
    assert made.conditions == ("face", "house", "tone")
    assert made.names == (
        *made.conditions,
        *("run1_x", "run1_y", "run1_drift_1", "run1_constant"),
        *("run2_z", "run2_constant"),
    )
    assert_array_equal(made.run_id, np.repeat([0, 1], [30, 25]))
    assert_allclose(made.times, np.concatenate([one.times for one in ones]))
    assert_allclose(made.matrix[:30, :7], ones[0].matrix)
    assert_allclose(made.matrix[30:, 1], ones[1].matrix[:, 0])
    assert not made.matrix[30:, [0, 2]].any()  # conditions that the run lacks
    assert not made.matrix[30:, 3:7].any()
    assert not made.matrix[:30, 7:].any()
    assert_allclose(made.matrix[30:, 7:], ones[1].matrix[:, 1:])


def test_a_list_of_one_run():
    confounds = np.arange(40.0)
    one = glm.design([EVENTS], [40], TR, confounds=[confounds])
    two = glm.design(EVENTS, 40, TR, confounds=confounds)
    assert one.names == two.names
    assert "confound_1" in one.names
    assert_array_equal(one.matrix, two.matrix)


def test_runs_share_their_length_and_may_lack_confounds():
    made = glm.design([EVENTS] * 3, 40, TR, confounds=[None, np.ones(40), None])
    assert made.matrix.shape[0] == 120
    assert [name for name in made.names if "confound" in name] == ["run2_confound_1"]


def test_first_row_of_derivatives(rng):
    table = pd.DataFrame(rng.standard_normal((40, 3)), columns=["x", "dx", "fd"])
    table.loc[0, ["dx", "fd"]] = np.nan
    with pytest.warns(UserWarning, match=r"first row of 2 columns \(dx, fd\); each is"):
        made = glm.design(EVENTS, 40, TR, confounds=table)
    columns = made.matrix[:, [made.names.index(name) for name in ("x", "dx", "fd")]]
    assert_allclose(columns[1:], table.to_numpy()[1:])
    assert_allclose(columns[0, 1:], table[["dx", "fd"]].mean())
    assert np.isnan(table.loc[0, "dx"])  # the caller's table stays


def test_saved_and_loaded(tmp_path):
    made = glm.design(EVENTS, 40, TR)
    io.save(tmp_path / "design.npz", made)
    again = io.load(tmp_path / "design.npz")
    assert again.names == made.names
    assert again.conditions == made.conditions
    assert_array_equal(np.asarray(again.matrix), made.matrix)


def test_travels_through_jax():
    made = glm.design(EVENTS, 40, TR)
    total = jax.jit(lambda design: design.matrix.sum())(made)
    assert_allclose(total, made.matrix.sum(), rtol=1e-5)
    leaves, structure = jax.tree.flatten(made)
    assert len(leaves) == 3
    assert jax.tree.unflatten(structure, leaves).names == made.names


def test_nilearn_takes_its_own_functions():
    """There a function is given the TR and the oversampling."""

    def box(t_r, oversampling):
        return np.ones(oversampling) / oversampling

    made = glm.design(EVENTS, 40, TR, hrf_model=box, compat="nilearn")
    assert made.names[:2] == ("face_box", "house_box")
    delay = glm.design(EVENTS, 40, TR, hrf_model=box(TR, 50), compat="nilearn")
    assert_allclose(made.matrix, delay.matrix)


def broken(**columns):
    return {**EVENTS, **columns}


def without(name):
    return {key: column for key, column in EVENTS.items() if key != name}


SEVEN = [1.0] * 6
BAD_EVENTS = [
    (without("duration"), "events lacks the column 'duration' but has 'onset', 'tri"),
    (without("trial_type"), "events lacks the column 'trial_type'"),
    (
        {},
        "events lacks the column 'onset' and 'duration' and 'trial_type' but has none",
    ),
    (broken(duration=[*SEVEN, -2]), "1 negative durations, the first -2 in row 6"),
    (broken(onset=[*SEVEN, np.nan]), "1 NaN or infinite values in column 'onset'.*6"),
    (broken(duration=[*SEVEN, None]), "NaN or infinite values in column 'duration'"),
    (broken(onset=[*SEVEN, "12 s"]), "events has '12 s' in column 'onset' but must"),
    (broken(modulation=[*SEVEN, "n/a"]), "events has 'n/a' in column 'modulation'"),
    (broken(onset=[1.0] * 5), r"columns of \[5, 7\] rows but all must be equally long"),
    (broken(trial_type="face"), r"column 'trial_type' of shape \(\) but each"),
    (broken(onset=3.0), "column 'onset' of shape .* but each column must be a list"),
    (broken(onset=[*SEVEN, 68.0]), "1 onsets after the end of the run, the first 68 s"),
    (broken(onset=[*SEVEN, 30000]), "in milliseconds, divide them by 1000"),
    (broken(trial_type=["a"] * 6 + [None]), "1 events without trial_type, .* row 6"),
    (pd.DataFrame(EVENTS).iloc[:0], "events is empty but a design needs at least one"),
    ([], "events is an empty list but must hold a table per run"),
]


@pytest.mark.parametrize(("events", "message"), BAD_EVENTS)
def test_bad_events(events, message):
    with pytest.raises(ValueError, match=message):
        glm.design(events, 40, TR)


def test_bad_event_in_a_run():
    with pytest.raises(ValueError, match="events of run 2 lacks the column 'onset'"):
        glm.design([EVENTS, {"duration": [1], "trial_type": ["a"]}], 40, TR)


@pytest.mark.parametrize("events", [3, None, [1, 2]])
def test_no_table(events):
    with pytest.raises(
        TypeError, match="events.* of type .* must be a DataFrame, a dic"
    ):
        glm.design(events, 40, TR)


NANS = np.where(np.arange(40)[:, None] == [0, 3], np.nan, 1.0)
BAD_OPTIONS = [
    ({"tr": 0}, "tr is 0 but must be positive"),
    ({"tr": -2.0}, "tr is -2 but must be positive"),
    ({"n_scans": 1}, "n_scans is 1 but must be a whole number, 2 or more"),
    ({"n_scans": 40.5}, "n_scans is 40.5 but must be a whole number"),
    ({"n_scans": [40, 40]}, "n_scans has 2 entries but events has 1 runs"),
    ({"confounds": np.ones((39, 2))}, "confounds has 39 rows but the run has 40 scans"),
    ({"confounds": np.ones((40, 2, 1))}, "confounds has shape .* two-dimensional"),
    ({"confounds": [["a"] * 2] * 40}, "confounds must hold numbers but holds text"),
    (
        {"confounds": {"x": ["a"] * 40}},
        "confounds 'x' must hold numbers but holds text",
    ),
    ({"confounds": {"x": [1], "y": [1, 2]}}, r"columns of \[1, 2\] rows"),
    ({"confounds": NANS}, "2 NaN or infinite values, such as row 3 of 'confound_2'"),
    ({"confounds": np.full(40, np.inf)}, "40 NaN or infinite values"),
    ({"confounds": {"face": np.ones(40)}}, "several columns named face; rename"),
    ({"hrf_model": "hrf"}, "hrf_model is 'hrf' but must be one of 'spm'"),
    ({"compat": "spm"}, "compat is 'spm' but must be one of 'nilearn'"),
    ({"slice_time_ref": 1.5}, "slice_time_ref is 1.5 but must be between 0 and 1"),
    ({"oversampling": 0}, "oversampling is 0 but must be a whole number, 1 or more"),
    ({"hrf_model": None, "compat": "neuroboros"}, "hrf_model is None but compat="),
    ({"hrf_model": "fir", "compat": "neuroboros"}, "hrf_model is 'fir' but compat="),
    ({"hrf_model": "fir", "fir_delays": [-1]}, "fir_delays is .* must list whole"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_bad_options(options, message):
    arguments = {"n_scans": 40, "tr": TR, **options}
    with pytest.raises(ValueError, match=message):
        glm.design(EVENTS, **arguments)


def test_confounds_per_run():
    with pytest.raises(
        ValueError, match="confounds has 1 entries but events has 2 runs"
    ):
        glm.design([EVENTS, EVENTS], 40, TR, confounds=np.ones(40))
    with pytest.raises(TypeError, match="confounds is the path 'c.tsv' but must be"):
        glm.design(EVENTS, 40, TR, confounds="c.tsv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tr": 1700}, "tr is 1700 s, which must be milliseconds; 1.7 s is used"),
        (
            {"onset": -60.0},
            "1 events that end more than 32 s before the first scan, the first at -6",
        ),
        (
            {"confounds": np.eye(40)},
            "the design has 45 columns for 40 scans; no degrees",
        ),
        ({"twice": True}, "events has 1 events twice"),
        ({"mixed": True}, "mixes durations of 0 with longer ones in face"),
        ({"idle": True}, "1 conditions have no effect on any scan: tone"),
    ],
)
def test_warnings(options, message):
    events = pd.DataFrame(EVENTS)
    arguments = {"n_scans": 40, "tr": options.get("tr", TR)}
    if "onset" in options:
        events.loc[6, "onset"] = options["onset"]
    if "twice" in options:
        events = pd.concat([events, events.iloc[:1]])
    if "mixed" in options:
        events.loc[1, "duration"] = 0.0
    if "idle" in options:
        events.loc[events.trial_type == "tone", "modulation"] = 0.0
    if "confounds" in options:
        arguments["confounds"] = options["confounds"]
    with pytest.warns(UserWarning, match=message):
        made = glm.design(events, **arguments)
    assert_allclose(made.times[0], TR / 2)


def test_a_good_design_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        glm.design(EVENTS, 40, TR, confounds=np.ones((40, 2)))


def test_columns_of_a_condition():
    made = glm.design(EVENTS, 40, TR, hrf_model="spm + derivative")
    assert made.n_conditions == 6
    assert_array_equal(made.columns("house"), [2, 3])
    assert_array_equal(made.columns("house_derivative"), [3])
    known = "face, house, tone, face_derivative"
    with pytest.raises(
        ValueError, match=re.escape(f"'cat' is not in the design; it has {known}")
    ):
        made.columns("cat")
