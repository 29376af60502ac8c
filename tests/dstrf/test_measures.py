import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose

from jaxneuro import dstrf

MEASURES = ["complexity", "gain_change", "temporal_hold", "shape_change"]


@pytest.fixture
def golden(shared):
    with np.load(shared / "golden/dstrf/measures_A.npz") as file:
        return dict(file)


def field(rng, n_lags=21, n_features=5):
    """A smooth field in the middle of the lags."""
    lags = np.arange(n_lags)[:, None]
    return np.exp(-((lags - 10) ** 2) / 2) * (1 + rng.random(n_features))


def held_for(n, rng, n_times=300):
    """Frames that follow a piece of the stimulus for `n` samples, then another."""
    frames = []
    while len(frames) < n_times:
        start = np.roll(field(rng) * rng.standard_normal(5), rng.integers(-6, 3), 0)
        frames += [np.roll(start, k, 0) for k in range(n + 1)]
    return np.stack(frames[:n_times]) + 0.01 * rng.standard_normal((n_times, 21, 5))


def oracle_similarity(frames, step, max_hold):
    """Plain and moved correlation of each frame with the one `step` later."""
    wide = np.pad(frames, ((0, 0), (0, max_hold), (0, 0)))
    plain, moved = [], []
    for t in range(len(frames) - max_hold):
        now, later = wide[t], wide[t + step]
        plain.append(np.corrcoef(now.ravel(), later.ravel())[0, 1])
        now = np.roll(now, step, 0)
        moved.append(np.corrcoef(now.ravel(), later.ravel())[0, 1])
    return np.array(plain), np.array(moved)


class TestGolden:
    @pytest.mark.parametrize("name", MEASURES)
    def test_measures(self, golden, dtype, name):
        d = golden["dstrf"][:, :, ::-1].astype(dtype)
        got = np.asarray(getattr(dstrf, name)(d))
        assert_allclose(got, golden[name], rtol=5e-7 if name != "gain_change" else 1e-5)

    def test_spans(self, golden, dtype):
        d = golden["dstrf"][:, :, ::-1].astype(dtype)
        hold = dstrf.temporal_hold(d, max_hold=5)
        assert_allclose(hold, golden["temporal_hold_la5"])
        shape = dstrf.shape_change(d, max_shift=4)
        assert_allclose(shape, golden["shape_change_span4"], rtol=5e-7)


class TestComplexity:
    def test_is_the_sum_of_singular_values(self, rng, dtype):
        d = rng.standard_normal((13, 3, 4, 5)).astype(dtype)
        for frames in (d, np.tile(d, (3, 1, 1, 1))):
            expected = [
                (s := np.linalg.svd(frames[:, c].reshape(len(frames), -1))[1]).sum()
                / s.max()
                for c in range(3)
            ]
            assert_allclose(dstrf.complexity(frames), expected, rtol=1e-5)

    def test_linear_model_has_one(self, rng, dtype):
        d = np.broadcast_to(rng.standard_normal((1, 2, 6, 4)), (40, 2, 6, 4))
        assert_allclose(dstrf.complexity(d.astype(dtype)), 1, rtol=1e-6)


class TestGainChange:
    def test_formula(self, rng, dtype, tol):
        d = rng.standard_normal((30, 3, 4, 5)).astype(dtype)
        expected = np.linalg.norm(d.reshape(30, 3, -1), axis=2).std(0, ddof=1)
        assert_allclose(dstrf.gain_change(d), expected, **tol)


class TestTemporalHold:
    @pytest.mark.parametrize("n", [2, 4])
    def test_finds_a_planted_hold(self, rng, dtype, n):
        d = held_for(n, rng)[:, None].astype(dtype)
        assert 1 <= dstrf.temporal_hold(d)[0] <= n

    def test_longer_holds_rank_higher(self, rng, dtype):
        d = np.stack([held_for(n, rng) for n in (0, 2, 6)], 1).astype(dtype)
        none, short, long = dstrf.temporal_hold(d)
        assert none == 0 < short < long

    def test_agrees_with_explicit_correlations(self, rng, dtype):
        frames = held_for(3, rng, n_times=120).astype(dtype)
        expected = 0
        for step in range(1, 6):
            plain, moved = oracle_similarity(frames.astype(float), step, 5)
            p = scipy.stats.wilcoxon(plain, moved, alternative="less").pvalue
            if p >= 1e-3:
                break
            expected = step
        got = dstrf.temporal_hold(frames[:, None], max_hold=5)
        assert got[0] == expected > 0

    def test_too_short(self, dtype):
        with pytest.raises(ValueError, match="dstrf has 11 time points but a hold"):
            dstrf.temporal_hold(np.ones((11, 2, 21, 3), dtype))
        with pytest.raises(ValueError, match="max_hold is 0 but must be 1 or more"):
            dstrf.temporal_hold(np.ones((11, 2, 21, 3), dtype), max_hold=0)


class TestShapeChange:
    def test_movement_is_no_change_of_shape(self, rng, dtype):
        shape = field(rng)
        shifts = rng.integers(-6, 7, 80)
        moving = np.stack([np.roll(shape, k, 0) for k in shifts])[:, None]
        assert dstrf.complexity(moving)[0] > 2
        assert_allclose(dstrf.shape_change(moving.astype(dtype)), 1, rtol=1e-3)

    def test_sees_shapes_that_alternate(self, rng, dtype):
        first, second = field(rng), field(rng)[:, ::-1] * [1, -1, 1, -1, 1]
        d = np.stack([first, second] * 40)[:, None].astype(dtype)
        assert dstrf.shape_change(d)[0] > 1.3

    def test_near_ties_go_to_the_shorter_move(self, dtype):
        d = np.zeros((31, 1, 21, 2), dtype)
        d[:30, 0, 10, 0] = 1
        d[:30, 0, 13, 1] = np.tile([1, -1], 15)  # none in the mean
        d[30, 0, [8, 15], 0] = 1  # two lags up or five down, either fits
        d[30, 0, 11, 1] = 3

        def value(height):
            changed = d.copy()
            changed[30, 0, 15, 0] = height
            return dstrf.shape_change(changed)[0]

        tie, shorter, longer = value(1), value(0.99), value(1.01)
        assert_allclose([value(1 - 1e-6), value(1 + 1e-6)], tie, rtol=1e-5)
        assert_allclose(tie, shorter, rtol=0.01)
        assert abs(longer - tie) > 0.05

    def test_frames_against_the_mean_keep_apart_from_it(self, rng, dtype):
        shape = field(rng)[:, :1] * np.ones(5)
        d = np.stack([shape] * 30 + [-shape])[:, None].astype(dtype)
        first = dstrf.shape_change(d)
        noisy = d * (1 + 1e-6 * rng.standard_normal(d.shape)).astype(dtype)
        assert_allclose(dstrf.shape_change(noisy), first, rtol=1e-5)

    def test_span(self, dtype):
        with pytest.raises(ValueError, match="max_shift is 0 but must be 1 or more"):
            dstrf.shape_change(np.ones((5, 1, 4, 3), dtype), max_shift=0)


@pytest.mark.parametrize("name", MEASURES)
class TestAll:
    def test_of_half_precision(self, golden, name):
        d = golden["dstrf"][:, :, ::-1].astype(np.float16)
        got = getattr(dstrf, name)(300 * d)
        scale = 300 if name == "gain_change" else 1
        # One gain hardly changes, by less than the rounding of the frames.
        assert_allclose(np.asarray(got) / scale, golden[name], rtol=2e-3, atol=1e-3)

    def test_needs_four_axes(self, name, dtype):
        with pytest.raises(ValueError, match="dstrf"):
            getattr(dstrf, name)(np.ones((5, 4, 3), dtype))

    def test_zero_throughout(self, name, dtype):
        got = np.asarray(getattr(dstrf, name)(np.zeros((40, 2, 21, 3), dtype)))
        assert_allclose(got, 0 if name == "gain_change" else np.nan)

    def test_a_silent_frame_changes_nothing(self, golden, name, dtype):
        d = golden["dstrf"][:, :, ::-1].astype(dtype)
        silent = d.copy()
        silent[40] = 0
        got = np.asarray(getattr(dstrf, name)(silent))
        assert np.isfinite(got).all()
        if name == "temporal_hold":
            assert_allclose(got, golden[name])
        elif name != "gain_change":  # a gain of zero is a change of gain
            assert_allclose(got, golden[name], rtol=0.05)
