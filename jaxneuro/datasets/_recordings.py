"""Recordings that come with other packages, or in them."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from ..io._fetch import SourceFile, cached, package_folder
from ..io._optional import missing, require

__all__ = [
    "EventRelated",
    "Grasshopper",
    "SpeechTutorial",
    "load_fmri_event_related",
    "load_grasshopper",
    "load_naplib_tutorial",
]

_SOUND_SFREQ = 20_000.0  # of the grasshopper's stimulus files, 50 us per line

_TUTORIAL = SourceFile(
    requirement="naplib==2.6.0",
    member="naplib/io/sample_data/demo_data.mat",
    wheel_bytes=83_276_734,
    wheel_sha256="c61deebe618e94052714352786fd5bbc58d13becbfcc7a19eb40aaf00c7a308b",
    sha256="b45d3d347baf6644dd016b76a4702c006e8e3ac9dac4f2b5d93870186be11d7d",
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Grasshopper:
    """Recording of one auditory receptor cell; lists have one entry per stimulus.

    Attributes
    ----------
    envelope : list of array (n_times, 1)
        Amplitude of the sound relative to its peak, averaged within each bin. The
        stimuli are Gaussian in decibels: ``20 * np.log10(envelope)``.
    resp : list of array (n_times, 1)
        Spikes counted in the same bins; times `sfreq` it is a rate in hertz.
    sfreq : float
        Bins per second.
    sound : list of array (200000,)
        Amplitude as recorded. The files hold the modulation alone: the cell heard
        a tone of `carrier` hertz of this amplitude.
    sound_sfreq : float
        20000 Hz.
    spike_times : list of array (n_spikes,)
        Spike times in seconds from the start of the stimulus.
    carrier, cutoff, intensity : tuple of float
        Per stimulus: frequency of the tone in hertz, highest frequency of the
        modulation in hertz, peak level in decibels, from the files' headers.
    description, citation, licence : str
        Where the recording comes from and how it may be used.
    simulated : bool
        False: a recording.
    """

    envelope: list[np.ndarray]
    resp: list[np.ndarray]
    sfreq: float
    sound: list[np.ndarray]
    sound_sfreq: float
    spike_times: list[np.ndarray]
    carrier: tuple[float, ...]
    cutoff: tuple[float, ...]
    intensity: tuple[float, ...]
    description: str
    citation: str
    licence: str
    simulated: bool


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SpeechTutorial:
    """Real speech with simulated responses; lists have one entry per trial.

    Attributes
    ----------
    sound : list of array (n_samples_i,)
        Speech waveforms.
    sound_sfreq : float
        11025 Hz.
    spectrogram : list of array (n_times_i, 128)
        Auditory spectrograms of the sounds as naplib's authors computed them.
    resp : list of array (n_times_i, 10)
        Simulated responses of ten channels.
    sfreq : float
        100 Hz, of `resp` and `spectrogram`.
    silence : list of array (2,)
        Seconds of silence before and after the speech, inside the trial.
    script : list of str
        What is said.
    name : list of str
        Names of the trials.
    ch_names : tuple of str
        Names of the channels.
    description, citation, licence : str
        Where the data come from and how they may be used.
    simulated : bool
        True: the responses are simulated, the speech is not.
    """

    sound: list[np.ndarray]
    sound_sfreq: float
    spectrogram: list[np.ndarray]
    resp: list[np.ndarray]
    sfreq: float
    silence: list[np.ndarray]
    script: list[str]
    name: list[str]
    ch_names: tuple[str, ...]
    description: str
    citation: str
    licence: str
    simulated: bool


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EventRelated:
    """Event-related fMRI of one region.

    Attributes
    ----------
    bold : array (n_scans, 1)
        Percent signal change, averaged over the voxels of the region.
    events : int array (n_scans,)
        Kind of the trial that began with the scan, 1 to 6; 0 where none began.
    tr : float
        Seconds between scans.
    description, citation, licence : str
        Where the recording comes from and how it may be used.
    simulated : bool
        False: a recording.
    """

    bold: np.ndarray
    events: np.ndarray
    tr: float
    description: str
    citation: str
    licence: str
    simulated: bool


def load_grasshopper(*, sfreq: float = 1000.0) -> Grasshopper:
    """Load spikes of a grasshopper's auditory receptor and the sound it heard.

    Two stimuli of 10 s, tones whose amplitude is modulated by Gaussian noise up to
    200 and 800 Hz, with 929 and 868 spikes. The files are part of nitime [1]_.

    At 1 kHz, a ridge on lags 0 to 20 ms predicts the spike counts of held-out
    fifths of a stimulus with a correlation of 0.34 and 0.35; reconstructing the
    envelope from the spikes of the following 20 ms gives 0.52 and 0.36. In decibels
    the numbers are 0.33 and 0.27, 0.56 and 0.27.

    Parameters
    ----------
    sfreq : float
        Bins per second, a whole fraction of 20000 Hz. Bins average the amplitude
        and count the spikes over the same stretches of time.

    Returns
    -------
    Grasshopper
        Envelopes and spike counts per stimulus, and the raw recording.

    Raises
    ------
    ValueError
        If 20000 is not a whole multiple of `sfreq`, or 10 s not of a bin.
    ImportError
        If nitime is not installed.

    References
    ----------
    .. [1] Nitime, time-series analysis for neuroscience, https://nipy.org/nitime.
    .. [2] Rokem, Watzl, Gollisch, Stemmler, Herz & Samengo, Spike-timing precision
       underlies the coding efficiency of auditory receptor neurons, Journal of
       Neurophysiology 95, 2006, doi:10.1152/jn.00891.2005.
    """
    width = round(_SOUND_SFREQ / sfreq) if 0 < sfreq <= _SOUND_SFREQ else 0
    if width == 0 or width * sfreq != _SOUND_SFREQ or 200_000 % width:
        raise ValueError(
            f"sfreq is {sfreq:g} Hz but must divide {_SOUND_SFREQ:g} Hz into bins "
            "that fill 10 s, such as 500, 1000 or 2000."
        )
    folder = _nitime_data("load_grasshopper")
    envelope, resp, sound, spike_times, headers = [], [], [], [], []
    for stimulus in (1, 2):
        amplitude = np.loadtxt(folder / f"grasshopper_stimulus{stimulus}.txt")[:, 1]
        spikes_file = folder / f"grasshopper_spike_times{stimulus}.txt"
        microseconds = np.loadtxt(spikes_file)
        # Whole microseconds, so that no spike falls into a neighbour by rounding.
        bins = (microseconds * _SOUND_SFREQ // 1_000_000).astype(int) // width
        counts = np.bincount(bins, minlength=amplitude.size // width)
        envelope.append(amplitude.reshape(-1, width).mean(axis=1)[:, None])
        resp.append(counts[:, None].astype(float))
        sound.append(amplitude)
        spike_times.append(microseconds * 1e-6)
        headers.append(_header(spikes_file))
    return Grasshopper(
        envelope=envelope,
        resp=resp,
        sfreq=float(sfreq),
        sound=sound,
        sound_sfreq=_SOUND_SFREQ,
        spike_times=spike_times,
        carrier=tuple(1000 * float(header["carrier freq (kHz)"]) for header in headers),
        cutoff=tuple(float(header["cut-off frequency (Hz)"]) for header in headers),
        intensity=tuple(float(header["intensity (dB)"]) for header in headers),
        description="Intracellular recording of an auditory receptor of the "
        "grasshopper Locusta migratoria during amplitude-modulated tones.",
        citation="Rokem et al., Journal of Neurophysiology 95:2541-2552, 2006, "
        "doi:10.1152/jn.00891.2005; distributed with nitime.",
        licence="BSD-3-Clause, with nitime",
        simulated=False,
    )


def load_fmri_event_related() -> EventRelated:
    """Load event-related fMRI of a motion-sensitive region near area MT.

    One time course of 3360 scans, 2 s apart, with 96 trials of each of six kinds
    that differ in the direction and place of a moving stimulus. Scans of all runs
    follow each other and the borders are not marked. The file is part of
    nitime [1]_.

    Returns
    -------
    EventRelated
        Time course and trial codes.

    Raises
    ------
    ImportError
        If nitime is not installed.

    References
    ----------
    .. [1] Nitime, time-series analysis for neuroscience, https://nipy.org/nitime.
    """
    file = _nitime_data("load_fmri_event_related") / "event_related_fmri.csv"
    bold, events = np.loadtxt(file, delimiter=",", skiprows=1, unpack=True)
    return EventRelated(
        bold=bold[:, None],
        events=events.astype(int),
        tr=2.0,
        description="BOLD of voxels near area MT of one subject during brief motion "
        "stimuli of six kinds.",
        citation="Nitime developers, https://nipy.org/nitime.",
        licence="BSD-3-Clause, with nitime",
        simulated=False,
    )


def load_naplib_tutorial(*, show_progress: bool = False) -> SpeechTutorial:
    """Load ten trials of real speech with simulated responses.

    The speech is real, 52 to 85 s per trial. **The responses are simulated**: the
    authors of naplib [1]_ filtered spectrograms with ten receptive fields and added
    noise. The data are part of the naplib package; its file is used where naplib
    2.6.0 is installed, otherwise it is fetched once with pip (83 MB), through the
    index and proxy that pip is set up for, and kept on disk.

    Parameters
    ----------
    show_progress : bool
        Whether to show the download's progress.

    Returns
    -------
    SpeechTutorial
        Sounds, spectrograms and responses per trial.

    Raises
    ------
    ConnectionError
        If the data are not on disk and pip cannot fetch them.
    ValueError
        If what was fetched is not the expected file.
    ImportError
        If h5py, which reads the file, is not installed.

    References
    ----------
    .. [1] Mischler, Raghavan, Keshishian & Mesgarani, Naplib-python: Neural acoustic
       data processing and analysis tools in python, Software Impacts, 2023,
       doi:10.1016/j.simpa.2023.100541.
    """
    h5py = require("h5py", extra="hdf5", purpose="load_naplib_tutorial")
    path = cached(_TUTORIAL, show_progress=show_progress)
    with h5py.File(path, "r") as file:
        trials = _matlab_trials(file)
    return SpeechTutorial(
        sound=[trial["sound"].ravel() for trial in trials],
        sound_sfreq=float(trials[0]["soundf"].item()),
        spectrogram=[trial["aud"] for trial in trials],
        resp=[trial["resp"] for trial in trials],
        sfreq=float(trials[0]["dataf"].item()),
        silence=[trial["befaft"].ravel() for trial in trials],
        script=[trial["script"] for trial in trials],
        name=[trial["name"] for trial in trials],
        ch_names=tuple(trials[0]["chname"]),
        description="Real speech; responses of ten channels that naplib's authors "
        "simulated with receptive fields and noise.",
        citation="Mischler et al., Software Impacts, 2023, "
        "doi:10.1016/j.simpa.2023.100541; distributed with naplib.",
        licence="MIT, with naplib",
        simulated=True,
    )


def _nitime_data(purpose: str) -> Path:
    folder = package_folder("nitime")
    if folder is None:
        raise ImportError(missing("nitime", extra="demo", purpose=purpose))
    return folder / "data"


def _header(path: Path) -> dict[str, str]:
    """Entries ``# name: value`` at the top of a file."""
    lines = path.read_text(encoding="ascii").splitlines()
    entries = (line.removeprefix("#").partition(":") for line in lines if "#" in line)
    return {name.strip(): value.strip() for name, _, value in entries}


def _matlab_trials(file: Any) -> list[dict[str, Any]]:
    """Fields of each trial in a MATLAB 7.3 structure array.

    Every entry is a reference; MATLAB's axes come out reversed, time first.
    """

    def value(reference: Any) -> Any:
        item = file[reference]
        kind = item.attrs["MATLAB_class"]
        if kind == b"char":
            return "".join(map(chr, item[()].ravel()))
        if kind == b"cell":
            return [value(inner) for inner in item[()].ravel()]
        return item[()]

    fields = {name: item[()].ravel() for name, item in file["out"].items()}
    return [
        {name: value(references[index]) for name, references in fields.items()}
        for index in range(len(fields["resp"]))
    ]
