"""Draw the README's picture from a real recording: ``python docs/grasshopper.py``."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import jaxneuro as jn

FOLD = 2  # the held-out fifth of the recording
SHOWN = slice(400, 800)  # samples of it

recording = jn.datasets.load_grasshopper(sfreq=1000.0)
sfreq = recording.sfreq
spikes = np.split(recording.resp[0], 5)
sound = np.split(20 * np.log10(recording.envelope[0]), 5)
sound = [part - np.mean(sound) for part in sound]
train = [fold for fold in range(5) if fold != FOLD]

decoder = jn.TRF(tmin=-0.03, tmax=0.005, sfreq=sfreq, alphas=np.logspace(0, 4, 9))
decoder.fit([spikes[fold] for fold in train], [sound[fold] for fold in train])
true, guess = sound[FOLD], decoder.predict([spikes[FOLD]])[0]
r = decoder.score_targets([spikes[FOLD]], [true], metric="correlation")[0]

plt.rcParams.update({"font.size": 9, "axes.spines.top": False})
figure, axes = plt.subplots(
    1, 2, figsize=(9, 2.8), width_ratios=(3, 1), layout="constrained"
)
time = 1e3 * np.arange(SHOWN.stop - SHOWN.start) / sfreq
axes[0].plot(time, true[SHOWN, 0], color="0.65", label="sound")
axes[0].plot(time, guess[SHOWN, 0], color="#d55e00", label="reconstruction")
fired = time[spikes[FOLD][SHOWN, 0] > 0]
low = np.full(fired.size, true[SHOWN].min() - 4)
axes[0].plot(fired, low, "|", color="k", markersize=8, label="spikes")
axes[0].set(xlabel="Time (ms)", ylabel="Sound level (dB)", xlim=(-2, time[-1] + 2))
axes[0].set_title(f"Sound from spikes, held out: r = {r:.2f}")
axes[0].legend(loc="upper right", ncols=3, frameon=False)
jn.viz.trf(
    decoder.coef_[0],
    decoder.lags_,
    label="Level per spike (dB)",
    title="What a spike adds",
    ax=axes[1],
)
figure.savefig(Path(__file__).with_suffix(".png"), dpi=130)
