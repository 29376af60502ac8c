import types

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro import io

ONSETS = np.array([0.0, 1.0, 2.0, 3.5, 5.0, 6.0, 7.25])
SHOWN = np.array([3, 1, 3, 1, 1, 2, 3])


@pytest.fixture
def table(rng):
    """Spikes of three of four units, one of them silent while a stimulus is shown."""
    times = np.sort(rng.uniform(-1, 9, 120))
    units = rng.choice([12, 5, 30], 120)
    return times, units


def count(table, unit, start, stop):
    times, units = table
    return np.count_nonzero((units == unit) & (times >= start) & (times < stop))


@pytest.mark.parametrize("bin_size", [None, 0.2])
def test_counts_equal_a_loop(table, bin_size):
    found = io.responses_from_spikes(
        *table,
        ONSETS,
        SHOWN,
        window=(-0.1, 0.5),
        bin_size=bin_size,
        targets=[30, 7, 5, 12],
    )
    edges = np.linspace(-0.1, 0.5, 4) if bin_size else np.array([-0.1, 0.5])
    assert_allclose(found.edges, edges)
    assert_array_equal(found.stimuli, [1, 2, 3])
    assert_array_equal(found.targets, [30, 7, 5, 12])
    assert_array_equal(found.presentation, [[1, 5, 0], [3, -1, 2], [4, -1, 6]])
    expected = np.full((3, 3, 4, edges.size - 1), np.nan)
    for (repeat, stimulus), row in np.ndenumerate(found.presentation):
        for t, unit in enumerate([30, 7, 5, 12]):
            for b in range(edges.size - 1) if row >= 0 else ():
                borders = ONSETS[row] + edges[b : b + 2]
                expected[repeat, stimulus, t, b] = count(table, unit, *borders)
    expected = expected if bin_size else expected[..., 0]
    assert found.responses.dtype == np.float32
    assert_array_equal(found.responses, expected)
    assert (found.responses[0, 0, 1] == 0).all()  # a unit without a spike


def test_tables_come_in_many_forms(table):
    options = {"window": (0.0, 0.5)}
    expected = io.responses_from_spikes(*table, ONSETS, SHOWN, **options)
    assert_array_equal(expected.targets, [5, 12, 30])
    order = np.random.default_rng(1).permutation(table[0].size)
    frame = pd.DataFrame({"t": table[0], "unit": table[1]}).iloc[order]
    shown = pd.DataFrame({"start": ONSETS, "image": SHOWN}).iloc[::-1]
    mapping = {unit: table[0][table[1] == unit] for unit in (30, 5, 12)}
    for found in (
        io.responses_from_spikes(
            frame["t"], frame["unit"], shown["start"], shown["image"], **options
        ),
        io.responses_from_spikes(mapping, None, ONSETS, SHOWN, **options),
    ):
        assert_array_equal(found.responses, expected.responses)
        assert_array_equal(found.targets, expected.targets)


def test_blank_screens_are_left_out(table):
    numbers = np.where(SHOWN == 2, np.nan, SHOWN)
    names = [None if n == 2 else f"image {n}" for n in SHOWN]
    for shown in (numbers, np.array(names, dtype=object)):
        found = io.responses_from_spikes(*table, ONSETS, shown)
        assert found.responses.shape == (3, 2, 3)
    assert_array_equal(found.stimuli, ["image 1", "image 3"])


def test_long_tables_get_their_zeros_back(table):
    """Grouping spikes loses the presentations without any."""
    cube = io.responses_from_spikes(*table, ONSETS, SHOWN, window=(0.0, 0.5))
    rows = []
    for row, start in enumerate(ONSETS):
        inside = (table[0] >= start) & (table[0] < start + 0.5)
        rows += [(900 + row, unit) for unit in table[1][inside]]
    frame = pd.DataFrame(rows, columns=["presentation", "unit"])
    grouped = frame.groupby(["presentation", "unit"]).size().reset_index(name="count")
    assert len(grouped) < ONSETS.size * 3
    found = io.responses_from_counts(
        grouped["count"],
        grouped["presentation"],
        grouped["unit"],
        SHOWN,
        presentation_ids=900 + np.arange(ONSETS.size),
        targets=[5, 12, 30],
    )
    assert_array_equal(found.responses, cube.responses)


@pytest.mark.parametrize("bin_size", [None, 0.25])
def test_traces_equal_a_loop(rng, bin_size):
    times = np.arange(0.0, 7.6, 0.03)
    traces = rng.standard_normal((times.size, 2)).astype(np.float32)
    found = io.responses_from_traces(
        traces, times, ONSETS, SHOWN, window=(0.0, 0.5), bin_size=bin_size
    )
    edges = found.edges
    for (repeat, stimulus), row in np.ndenumerate(found.presentation):
        for b in range(edges.size - 1):
            inside = np.zeros(times.size, bool)
            if row >= 0:
                inside = (times >= ONSETS[row] + edges[b]) & (
                    times < ONSETS[row] + edges[b + 1]
                )
            mean = traces[inside].mean(0) if inside.any() else [np.nan] * 2
            got = found.responses[repeat, stimulus]
            assert_allclose(
                got if bin_size is None else got[:, b], mean, rtol=1e-5, atol=1e-6
            )
    assert found.responses.dtype == np.float32


def test_windows_beyond_the_recording_are_nan(rng):
    found = io.responses_from_traces(
        rng.random((10, 1)), np.arange(10.0), [2.0, 40.0], [0, 1]
    )
    assert_array_equal(np.isnan(found.responses[0, :, 0]), [False, True])


def session(table):
    """What the AllenSDK's sessions offer."""
    areas = {12: "VISam", 5: "VISp", 30: "VISam", 7: "VISam"}
    shown = pd.DataFrame(
        {"start_time": ONSETS, "stop_time": ONSETS + 0.25, "frame": SHOWN.astype(float)}
    )
    return types.SimpleNamespace(
        units=pd.DataFrame({"ecephys_structure_acronym": areas}),
        spike_times={u: np.sort(table[0][table[1] == u]) for u in areas},
        get_stimulus_table=lambda name: (
            shown if name == "natural_scenes" else shown[:0]
        ),
    )


def test_allen_sessions(table):
    found = io.from_allen(session(table), structure="VISam")
    assert_array_equal(found.targets, [12, 30, 7])
    expected = io.responses_from_spikes(
        *table, ONSETS, SHOWN, window=(0.0, 0.25), targets=[12, 30, 7]
    )
    assert_array_equal(found.responses, expected.responses)
    with pytest.raises(
        ValueError, match="structure names LGd but the units are in VIS"
    ):
        io.from_allen(session(table), structure=["VISam", "LGd"])
    with pytest.raises(ValueError, match="stimulus_name is 'flashes' but nothing"):
        io.from_allen(session(table), "flashes")
    with pytest.raises(ValueError, match="label is 'image' but the table has the col"):
        io.from_allen(session(table), label="image")
    with pytest.raises(TypeError, match="session is of type dict but must be an Eceph"):
        io.from_allen({})


def test_errors(table):
    times, units = table
    read = io.responses_from_spikes
    with pytest.raises(ValueError, match=r"units has shape \(3,\) but spike_times"):
        read(times, units[:3], ONSETS, SHOWN)
    with pytest.raises(ValueError, match="units is missing; name the unit"):
        read(times, None, ONSETS, SHOWN)
    with pytest.raises(ValueError, match="targets names 4 but spike_times has it not"):
        read({3: times}, None, ONSETS, SHOWN, targets=[4])
    with pytest.raises(ValueError, match="targets has 2 entries, 1 of them different"):
        read(times, units, ONSETS, SHOWN, targets=[4, 4])
    with pytest.raises(
        ValueError, match="onsets has shape .* and 1 values that are not"
    ):
        read(times, units, np.where(SHOWN == 2, np.nan, ONSETS), SHOWN)
    with pytest.raises(ValueError, match=r"stimuli has shape \(2,\) but onsets"):
        read(times, units, ONSETS, [1, 2])
    with pytest.raises(ValueError, match="stimuli names nothing"):
        read(times, units, [1.0], [np.nan])
    with pytest.raises(ValueError, match="window is from 1 to 1 s but must end after"):
        read(times, units, ONSETS, SHOWN, window=(1, 1))
    with pytest.raises(ValueError, match="bin_size is 0.2 s but must fill the window"):
        read(times, units, ONSETS, SHOWN, window=(0, 0.5), bin_size=0.2)
    with pytest.raises(ValueError, match="presentations holds 9 but presentation_ids"):
        io.responses_from_counts([1], [9], [5], SHOWN)
    with pytest.raises(
        ValueError, match="presentation_ids has 1 different entries but"
    ):
        io.responses_from_counts([1], [1], [5], [3, 3], presentation_ids=[1, 1])
    with pytest.raises(ValueError, match="must be columns of one table"):
        io.responses_from_counts([1, 2], [1], [5], SHOWN)
    with pytest.raises(
        ValueError, match="times has 2 entries but traces has 3 samples"
    ):
        io.responses_from_traces(np.ones((3, 1)), [0.0, 1.0], ONSETS, SHOWN)
    with pytest.raises(ValueError, match="targets has 2 entries but traces has 1 col"):
        io.responses_from_traces(np.ones((2, 1)), [0, 1], [0], [0], targets=[1, 2])
    with pytest.raises(ValueError, match=r"traces has shape \(3,\)"):
        io.responses_from_traces(np.ones(3), [0, 1, 2], [0], [0])


@pytest.mark.slow
def test_millions_of_spikes(rng):
    """A whole session: 5 million spikes of 700 units, 5950 presentations."""
    import time

    times = rng.uniform(0, 3000, 5_000_000)
    units = rng.integers(0, 700, times.size)
    onsets = 100 + 0.25 * np.arange(5950)
    begin = time.perf_counter()
    found = io.responses_from_spikes(times, units, onsets, np.arange(5950) % 119)
    assert time.perf_counter() - begin < 30
    assert found.responses.shape == (50, 119, 700)
    inside = (times >= 100) & (times < onsets[-1] + 0.25)
    assert abs(found.responses.sum() - np.count_nonzero(inside)) < 50
