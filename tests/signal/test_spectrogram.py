"""Spectrograms against formulas in NumPy and what tones, silence and clicks must do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from numpy.testing import assert_allclose

from jaxneuro import datasets, signal, trf
from jaxneuro.signal import _cochlea

SFREQ = 16_000.0


def tone(frequency, duration=0.6, sfreq=SFREQ, amplitude=1.0):
    time = np.arange(round(duration * sfreq)) / sfreq
    return amplitude * np.sin(2 * np.pi * frequency * time)


@pytest.fixture
def noise(rng, dtype):
    return rng.normal(size=round(3.3 * SFREQ)).astype(dtype)


def auditory_oracle(sound, sfreq, frame_rate, channels, tau=0.004, level=None):
    """The model as the papers state it, at 48 kHz, one channel after the other."""
    rate = 48_000
    n = round(len(sound) * rate / sfreq)
    spectrum = np.fft.rfft(np.pad(sound, (0, len(sound)))) * rate / sfreq
    frequency = np.arange(n + 1) * rate / (2 * n)
    responses = np.zeros((2, n + 1), complex)
    known = min(len(spectrum), n + 1)
    steps = np.arange(n)
    out = []
    for channel in channels:
        responses[:, :known] = _cochlea.transfer(
            frequency[:known], np.array([channel, channel + 1])
        )
        waves = np.fft.irfft(np.pad(spectrum, (0, n + 1 - known)) * responses)
        if level is not None:
            waves = 2 * level * np.tanh(waves / (2 * level))
            membrane = 1 / (1 + 2j * np.pi * frequency * 0.0005)
            waves = np.fft.irfft(np.fft.rfft(waves) * membrane)
        rectified = np.maximum(waves[0] - waves[1], 0)[:n]
        out.append([])
        for frame in range(round(len(sound) / sfreq * frame_rate)):
            past = (frame + 1) / frame_rate - (steps + 0.5) / rate
            weights = np.where(past > 0, np.exp(-np.maximum(past, 0) / tau), 0)
            out[-1].append(weights @ rectified / (tau * rate))
    return np.array(out).T


class TestAuditoryFrequencies:
    def test_spacing(self):
        frequencies = signal.auditory_frequencies()
        assert frequencies.shape == (128,)
        assert_allclose(frequencies[24:] / frequencies[:-24], 2)

    @pytest.mark.parametrize("channel", [0, 40, 90, 127])
    def test_difference_of_neighbors_peaks_there(self, channel):
        center = signal.auditory_frequencies()[channel]
        frequency = center * np.linspace(0.5, 2, 3001)
        lower, upper = _cochlea.transfer(frequency, np.array([channel, channel + 1]))
        magnitude = np.abs(lower - upper)
        assert_allclose(frequency[magnitude.argmax()], center, rtol=1e-3)
        assert_allclose(magnitude.max(), 1, rtol=1e-3)
        # The papers give the cochlear filters a steep edge above, a gentle one below.
        level = 20 * np.log10(np.abs(lower))
        assert level[-1] < level.max() - 15
        assert level[0] < level.max() - 10

    def test_minimum_phase(self):
        # A filter of minimum phase is causal: nothing of it comes before time zero.
        frequency = np.arange(16_001) * 0.5
        lower, upper = _cochlea.transfer(frequency, np.array([60, 61]))
        impulse = np.fft.irfft(lower - upper)
        energy = impulse**2
        assert energy[16_000:].sum() < 1e-4 * energy.sum()


class TestAuditorySpectrogram:
    # Envelopes drop the ripple of the carrier, which is worst at the lowest channel.
    @pytest.mark.parametrize(
        ("channel", "least"), [(5, 0.93), (50, 0.99), (80, 0.995), (110, 0.995)]
    )
    def test_matches_model(self, rng, dtype, channel, least):
        sound = rng.normal(size=12_000) * (1 + np.sin(np.arange(12_000) / 700))
        wanted = auditory_oracle(sound, 12_000, 100, [channel])[:, 0]
        got = signal.auditory_spectrogram(sound.astype(dtype), 12_000)[:, channel]
        assert np.corrcoef(got, wanted)[0, 1] > least
        assert_allclose(np.mean(got), np.mean(wanted), rtol=0.05)

    # Third harmonics of the highest channels fold back at 16 kHz, the model's own rate.
    @pytest.mark.parametrize(("channel", "least"), [(5, 0.98), (50, 0.98), (110, 0.92)])
    def test_matches_model_with_compression(self, rng, dtype, channel, least):
        sound = 0.3 * rng.normal(size=8000)
        wanted = auditory_oracle(sound, 16_000, 100, [channel], level=0.1)[:, 0]
        got = signal.auditory_spectrogram(sound.astype(dtype), 16_000, compression=0.1)
        assert np.corrcoef(got[:, channel], wanted)[0, 1] > least
        assert_allclose(np.mean(got[:, channel]), np.mean(wanted), rtol=0.05)

    @pytest.mark.parametrize("compression", [None, 0.1])
    @pytest.mark.parametrize("channel", [3, 50, 125])
    def test_tone_peaks_in_its_channel(self, dtype, channel, compression):
        sound = tone(signal.auditory_frequencies()[channel]).astype(dtype)
        got = signal.auditory_spectrogram(sound, SFREQ, compression=compression)
        steady = np.asarray(got)[30:].mean(axis=0)
        assert abs(steady.argmax() - channel) <= (0 if compression is None else 2)

    @pytest.mark.parametrize("sfreq", [11_025.0, 44_100.0])
    def test_tone_level(self, dtype, sfreq):
        frequency = signal.auditory_frequencies()[70]
        sound = tone(frequency, sfreq=sfreq, amplitude=0.5).astype(dtype)
        got = signal.auditory_spectrogram(sound, sfreq)
        assert_allclose(got[30:, 70], 0.5 / np.pi, rtol=5e-3)

    def test_level_is_linear_without_compression(self, noise, tol):
        single = signal.auditory_spectrogram(noise, SFREQ)
        double = signal.auditory_spectrogram(2 * noise, SFREQ)
        assert_allclose(double, 2 * single, **tol)

    def test_compression_saturates(self, noise):
        soft = signal.auditory_spectrogram(noise, SFREQ, compression=0.1)
        loud = signal.auditory_spectrogram(100 * noise, SFREQ, compression=0.1)
        assert np.mean(loud) < 10 * np.mean(soft)

    def test_silence(self, dtype):
        sound = np.zeros(5000, dtype)
        for compression in (None, 0.1):
            got = signal.auditory_spectrogram(sound, SFREQ, compression=compression)
            assert_allclose(got, 0, atol=0)

    def test_onset(self, dtype):
        # Ten frames of silence, then a tone: nothing comes before it.
        sound = np.concatenate([np.zeros(1600), tone(2000.0)]).astype(dtype)
        got = np.asarray(signal.auditory_spectrogram(sound, SFREQ)).max(axis=1)
        assert got[:10].max() < 1e-3 * got.max()
        assert got[12] > 0.5 * got[40]

    @pytest.mark.parametrize("compression", [None, 0.1])
    def test_time_invariance_across_blocks(self, noise, compression):
        shift = 170  # frames, so that blocks are cut elsewhere
        late = np.concatenate([np.zeros(shift * 160, noise.dtype), noise])
        early = signal.auditory_spectrogram(noise, SFREQ, compression=compression)
        late = signal.auditory_spectrogram(late, SFREQ, compression=compression)
        # What the overlap of the blocks cuts off the slowest filters.
        assert_allclose(late[shift:], early, atol=2e-3 * float(early.max()))

    @pytest.mark.parametrize("compression", [None, 0.1])
    def test_list_equals_single(self, rng, dtype, tol, compression):
        sounds = [rng.normal(size=n).astype(dtype) for n in (7000, 61_234, 40_000)]
        got = signal.auditory_spectrogram(sounds, SFREQ, compression=compression)
        assert isinstance(got, list)
        for each, sound in zip(got, sounds, strict=True):
            alone = signal.auditory_spectrogram(sound, SFREQ, compression=compression)
            assert_allclose(each, alone, **tol)

    def test_long_leak_stays_in_its_sound(self, rng, dtype, tol):
        sounds = [rng.normal(size=50_000).astype(dtype) for _ in range(2)]
        got = signal.auditory_spectrogram(sounds, SFREQ, time_constant=0.5)
        alone = signal.auditory_spectrogram(sounds[1], SFREQ, time_constant=0.5)
        assert_allclose(got[1], alone, **tol)

    @pytest.mark.parametrize("tau", [0.001, 0.5])
    def test_integration_has_unit_gain(self, dtype, tau):
        sound = tone(signal.auditory_frequencies()[90], duration=3.5).astype(dtype)
        got = signal.auditory_spectrogram(sound, SFREQ, time_constant=tau)
        assert_allclose(got[-1, 90], 1 / np.pi, rtol=5e-3)

    @pytest.mark.parametrize(
        ("sfreq", "frame_rate", "n_samples", "n_times"),
        [
            (16_000, 100, 16_000, 100),
            (16_000, 100, 16_001, 101),
            (11_025, 100, 1, 1),
            (44_100, 64, 44_100, 64),
            (48_000, 1000, 4800, 100),
            (24_414.0625, 50, 24_415, 51),
        ],
    )
    def test_shape(self, dtype, sfreq, frame_rate, n_samples, n_times):
        sound = np.ones(n_samples, dtype)
        got = signal.auditory_spectrogram(sound, sfreq, frame_rate=frame_rate)
        assert got.shape == (n_times, 128)
        assert got.dtype == dtype

    def test_any_length_has_one_of_few_shapes(self, rng, dtype):
        compiled = signal._spectrogram._auditory._cache_size
        before = compiled()
        for n in (360_001, 365_000, 370_000):
            signal.auditory_spectrogram(rng.normal(size=n).astype(dtype), SFREQ)
        assert compiled() <= before + 1

    def test_jit_grad_and_half_precision(self, noise, tol):
        noise = noise[:8000]
        eager = signal.auditory_spectrogram(noise, SFREQ)
        jitted = jax.jit(lambda x: signal.auditory_spectrogram(x, SFREQ))(noise)
        assert_allclose(jitted, eager, **tol)
        gradient = jax.grad(lambda x: signal.auditory_spectrogram(x, SFREQ).sum())
        assert np.isfinite(gradient(jnp.zeros_like(noise))).all()
        half = signal.auditory_spectrogram(jnp.asarray(noise, jnp.bfloat16), SFREQ)
        assert half.dtype == jnp.bfloat16

    def test_errors(self):
        call = signal.auditory_spectrogram
        with pytest.raises(ValueError, match=r"sound has shape \(5, 2\) but must be"):
            call(np.zeros((5, 2)), SFREQ)
        with pytest.raises(ValueError, match=r"sound has shape \(0,\) but must be"):
            call([np.zeros(5), np.zeros(0)], SFREQ)
        with pytest.raises(ValueError, match="sound is an empty list"):
            call([], SFREQ)
        with pytest.raises(TypeError, match="sound has dtype complex128"):
            call(np.zeros(5, complex), SFREQ)
        with pytest.raises(ValueError, match="frame_rate is 0 but must be positive"):
            call(np.zeros(5), SFREQ, frame_rate=0)
        with pytest.raises(
            ValueError, match="time_constant is -1 but must be positive"
        ):
            call(np.zeros(5), SFREQ, time_constant=-1)
        with pytest.raises(ValueError, match="compression is 0 but must be positive"):
            call(np.zeros(5), SFREQ, compression=0)
        with pytest.raises(ValueError, match="coincide less than once in 30 s"):
            call(np.zeros(5), SFREQ, frame_rate=np.pi)


def band_correlation(a, b):
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return (a * b).sum(0) / np.sqrt((a * a).sum(0) * (b * b).sum(0))


@pytest.fixture(scope="module")
def speech():
    return datasets.load_naplib_tutorial()


@pytest.mark.slow
@pytest.mark.network
class TestParityWithNaplib:
    """Ten trials of real speech, with the spectrograms that naplib computes."""

    @pytest.fixture
    def golden(self, shared):
        with np.load(shared / "golden" / "trf" / "tutorial_inputs.npz") as file:
            stops = np.cumsum(file["trial_length"])[:-1]
            return {name: np.split(file[name], stops) for name in ("resp", "spec_32")}

    def reduced(self, speech, frame_rate):
        """What the tutorial does with a spectrogram: as long as resp, 32 bands."""
        found = signal.auditory_spectrogram(
            speech.sound, speech.sound_sfreq, frame_rate=frame_rate
        )
        fitted = [
            scipy.signal.resample(np.asarray(spectrogram, np.float64), len(resp))
            for spectrogram, resp in zip(found, speech.resp, strict=True)
        ]
        return [scipy.signal.resample(each, 32, axis=1) for each in fitted]

    @pytest.mark.parametrize(("frame_rate", "least"), [(125, 0.99), (100, 0.97)])
    def test_bands_of_the_tutorial(self, speech, golden, frame_rate, least):
        pairs = zip(self.reduced(speech, frame_rate), golden["spec_32"], strict=True)
        assert np.mean([band_correlation(*pair) for pair in pairs]) > least

    def test_spectrograms_of_the_recording(self, speech):
        found = signal.auditory_spectrogram(
            speech.sound, speech.sound_sfreq, time_constant=0.008
        )
        correlations = [
            band_correlation(np.asarray(ours, np.float64)[: len(theirs)], theirs)
            for ours, theirs in zip(found, speech.spectrogram, strict=True)
        ]
        assert np.mean(correlations) > 0.99

    @pytest.mark.parametrize("frame_rate", [100, 125])
    def test_reconstruction(self, speech, golden, dtype, frame_rate):
        bands = [each.astype(dtype) for each in self.reduced(speech, frame_rate)]
        resp = [each.astype(dtype) for each in golden["resp"]]
        X, trial_id = signal.concatenate(resp[1:])
        Y, _ = signal.concatenate(bands[1:])
        lags = signal.Lags(-0.4, 0.0, sfreq=100)
        fit = trf.fit(X, Y, lags, 1.0, trial_id=trial_id)
        predicted = np.asarray(trf.predict(fit, resp[0]))
        overall = np.corrcoef(predicted.ravel(), bands[0].ravel())[0, 1]
        assert_allclose(overall, 0.67044, atol=0.01)
        each = band_correlation(predicted, bands[0])
        assert_allclose(each.mean(), 0.59026, atol=0.01)


def mel_oracle(sound, sfreq, frame_rate, edges, window):
    """Power of each frame on 16 times as fine a frequency axis, frame by frame."""
    n = 2 * round(window * sfreq / 2) + 1
    shape = np.hanning(n + 2)[1:-1]
    padded = np.pad(sound, n)
    out = []
    for frame in range(int(np.ceil(len(sound) * frame_rate / sfreq))):
        center = round(frame * sfreq / frame_rate) + n
        piece = padded[center - n // 2 : center + n // 2 + 1] * shape
        power = np.abs(np.fft.rfft(piece, 16 * n)) ** 2
        power *= 2 / (16 * n * (shape**2).sum())
        frequency = np.fft.rfftfreq(16 * n, 1 / sfreq)
        bands = zip(edges[:-2], edges[1:-1], edges[2:], strict=True)
        out.append([np.interp(frequency, band, [0, 1, 0]) @ power for band in bands])
    return np.array(out)


def mel_edges(n_bands, fmin, fmax):
    mel = [2595 * np.log10(1 + f / 700) for f in (fmin, fmax)]
    return 700 * (10 ** (np.linspace(*mel, n_bands + 2) / 2595) - 1)


class TestMelSpectrogram:
    def test_frequencies(self):
        wanted = mel_edges(20, 50, 4000)[1:-1]
        assert_allclose(signal.mel_frequencies(20, fmin=50, fmax=4000), wanted)

    @pytest.mark.parametrize(
        ("sfreq", "frame_rate", "n_bands", "window"),
        [(8000, 100.0, 16, 0.025), (11_025, 64.0, 40, 0.04)],
    )
    def test_matches_formula(self, rng, dtype, sfreq, frame_rate, n_bands, window):
        sound = rng.normal(size=4321).astype(dtype)
        got = signal.mel_spectrogram(
            sound,
            sfreq,
            n_bands=n_bands,
            fmax=4000,
            frame_rate=frame_rate,
            window=window,
        )
        edges = mel_edges(n_bands, 20, 4000)
        wanted = mel_oracle(sound.astype(float), sfreq, frame_rate, edges, window)
        assert got.dtype == dtype
        # Triangles are summed over bins of different spacing.
        assert_allclose(got, wanted, rtol=0.05, atol=0.01 * wanted.max())

    @pytest.mark.parametrize("band", [2, 30, 60])
    def test_tone(self, dtype, band):
        frequency = signal.mel_frequencies()[band]
        got = signal.mel_spectrogram(tone(frequency).astype(dtype), SFREQ)
        assert got.shape == (60, 64)
        middle = np.asarray(got)[10:50].mean(axis=0)
        assert middle.argmax() == band
        assert_allclose(middle.sum(), 0.5, rtol=0.03)

    def test_bands_add_up_to_the_power(self, rng, dtype):
        sound = rng.normal(size=32_000).astype(dtype)
        got = signal.mel_spectrogram(sound, SFREQ, fmin=0)
        assert_allclose(np.mean(np.sum(got, axis=1)), 1, rtol=0.06)

    def test_decibels(self, rng, dtype, tol):
        sound = rng.normal(size=8000).astype(dtype)
        power = signal.mel_spectrogram(sound, SFREQ)
        got = signal.mel_spectrogram(sound, SFREQ, decibels=True)
        assert_allclose(got, 10 * np.log10(power), **tol)
        silence = signal.mel_spectrogram(np.zeros(800, dtype), SFREQ, decibels=True)
        assert_allclose(silence, -100)

    def test_jit(self, rng, dtype, tol):
        sound = rng.normal(size=20_000).astype(dtype)
        eager = signal.mel_spectrogram(sound, SFREQ)
        jitted = jax.jit(lambda x: signal.mel_spectrogram(x, SFREQ))(sound)
        assert_allclose(jitted, eager, **tol)

    def test_default_fmax_is_nyquist(self, dtype):
        sound = tone(3900.0, sfreq=8000.0).astype(dtype)
        got = np.asarray(signal.mel_spectrogram(sound, 8000.0))
        assert got[20].argmax() == 63

    def test_errors(self):
        call = signal.mel_spectrogram
        with pytest.raises(ValueError, match=r"sound has shape \(5, 2\) but must be"):
            call(np.zeros((5, 2)), SFREQ)
        with pytest.raises(ValueError, match="fmax is 9000 Hz but a sound sampled at"):
            call(np.zeros(5), SFREQ, fmax=9000)
        with pytest.raises(ValueError, match="fmin is 500 Hz and fmax 400 Hz"):
            call(np.zeros(5), SFREQ, fmin=500, fmax=400)
        with pytest.raises(ValueError, match="n_bands is 0 but must be at least 1"):
            call(np.zeros(5), SFREQ, n_bands=0)
        with pytest.raises(ValueError, match="window is 0 but must be positive"):
            call(np.zeros(5), SFREQ, window=0)
