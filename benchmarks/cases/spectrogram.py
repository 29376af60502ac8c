"""Sound to auditory spectrogram: ten stories of about a minute each."""

import importlib.util

import numpy as np

from cases import Arrays, Case, Data, Peer

SFREQ = 11025
DURATIONS = (61.97, 52.03, 64.30, 62.06, 65.60, 71.94, 85.40, 65.86, 59.04, 56.21)


def speech_like(duration: float, rng: np.random.Generator) -> np.ndarray:
    """Harmonics of a gliding voice, with syllables and some breath."""
    n_times = round(duration * SFREQ)
    time = np.arange(n_times) / SFREQ
    pitch = 120 + 25 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / SFREQ
    voice = sum(np.sin(k * phase) / k for k in range(1, 30))
    syllables = np.clip(np.sin(2 * np.pi * 3.7 * time + 2 * np.sin(time)), 0, None)
    return syllables * voice + 0.05 * rng.standard_normal(n_times)


def speech(n_sounds: int) -> list[np.ndarray]:
    """Take the tutorial's recordings where naplib is installed, else make some."""
    if importlib.util.find_spec("naplib") is not None:
        import naplib

        return [trial["sound"] for trial in naplib.io.load_speech_task_data()][
            :n_sounds
        ]
    rng = np.random.default_rng(0)
    return [speech_like(duration, rng) for duration in DURATIONS[:n_sounds]]


def make_sounds(size, dtype) -> Data:
    """Ten whole sounds, or 4 s of two."""
    sounds = speech(10)
    if size == "small":
        sounds = [sound[: 4 * SFREQ] for sound in sounds[:2]]
    return {"sounds": [np.ascontiguousarray(sound, dtype) for sound in sounds]}


def ours(data) -> Arrays:
    """All sounds in one go, at naplib's 8 ms per frame."""
    from jaxneuro import signal

    found = signal.auditory_spectrogram(data["sounds"], SFREQ, frame_rate=125.0)
    return dict(enumerate(np.asarray(bands) for bands in found))


def naplib_spectrogram(data) -> Arrays:
    """NSL tools as naplib has them."""
    import naplib

    naplib.set_logging("ERROR")
    compute = naplib.features.auditory_spectrogram
    return {i: compute(sound, SFREQ) for i, sound in enumerate(data["sounds"])}


def band_error(_, ours, theirs) -> float:
    """One minus the correlation of a band over time, mean over bands and sounds."""
    found = []
    for index, reference in theirs.items():
        n_times = min(len(reference), len(ours[index]))
        x, y = (
            a[:n_times] - a[:n_times].mean(axis=0) for a in (ours[index], reference)
        )
        scale = np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
        heard = scale > 0  # silent bands have no correlation
        found.append(1 - ((x * y).sum(axis=0)[heard] / scale[heard]).mean())
    return float(np.mean(found))


CASES = (
    Case(
        name="spectrogram",
        title="auditory spectrogram of ten sounds, 52-85 s at 11 025 Hz, 128 bands",
        module="jaxneuro.signal",
        make=make_sounds,
        ours=ours,
        peers=(
            Peer(
                name="naplib",
                package="naplib",
                module="naplib",
                run=naplib_spectrogram,
                error=band_error,
                measure="1 - r of the bands",
                tolerance={"float32": 0.1, "float64": 0.1},
            ),
        ),
        dtypes=("float32",),
    ),
)
