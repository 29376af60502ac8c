"""Oracle of 135 neurons, 119 images shown 50 times: spike counts of 5950 trials."""

import random

import numpy as np

from cases import Arrays, Case, Data, Peer

NEURONS = 135
SLOWEST = 2  # of them that the table's way is timed on; its time is linear in them


def make_counts(size: str, dtype: str) -> Data:
    """Draw Poisson counts of neurons from nearly silent to lively."""
    rng = np.random.default_rng(0)
    n_repeats, n_stimuli = (50, 119) if size == "full" else (8, 60)
    mean = 0.05 + rng.gamma(0.6, 1.0, NEURONS)
    rate = mean * rng.gamma(3, 1 / 3, (n_stimuli, NEURONS))
    counts = rng.poisson(rate, (n_repeats, n_stimuli, NEURONS))
    return {"counts": counts.astype(dtype), "table": long_table(counts)}


def long_table(counts: np.ndarray):
    """List neurons and presentations with a spike, as grouping spikes does."""
    import pandas as pd

    repeat, image, neuron = np.nonzero(counts)
    trial = repeat * counts.shape[1] + image
    return pd.DataFrame(
        {
            "trial_id": trial,
            "neuron_id": neuron,
            "spike_count": counts[repeat, image, neuron],
            "image_id": image,
        }
    ).sort_values(["trial_id", "neuron_id"], ignore_index=True)


def ours(data: Data) -> Arrays:
    """Use the closed form."""
    from jaxneuro import reliability

    return {"oracle": np.asarray(reliability.oracle_correlation(data["counts"]))}


def numpy_closed_form(data: Data) -> Arrays:
    """Follow the same algebra: sums and sums of squares of each stimulus."""
    counts = data["counts"]
    n = counts.shape[0]
    total = counts.sum(axis=0)
    square = np.einsum("rst,rst->st", counts, counts)
    mean = total.mean(axis=0) / n
    n_all = n * counts.shape[1]
    cross = ((total**2 - square) / (n - 1)).sum(axis=0) - n_all * mean**2
    others = (((n - 2) * total**2 + square) / (n - 1) ** 2).sum(axis=0)
    scale = (square.sum(axis=0) - n_all * mean**2) * (others - n_all * mean**2)
    return {"oracle": cross / np.sqrt(scale)}


def numpy_leave_one_out(data: Data) -> Arrays:
    """Make every mean of the others, then correlate."""
    counts = data["counts"]
    others = (counts.sum(axis=0) - counts) / (len(counts) - 1)
    x, y = (part - part.mean(axis=(0, 1)) for part in (counts, others))
    norm = np.sqrt((x * x).sum(axis=(0, 1)) * (y * y).sum(axis=(0, 1)))
    return {"oracle": (x * y).sum(axis=(0, 1)) / norm}


def table_scan(data: Data) -> Arrays:
    """Draw one trial per image and neuron, each found by scanning the whole table."""
    from scipy.stats import pearsonr

    table, found = data["table"], {}
    chance = random.Random(0)
    n_images = table["image_id"].nunique()
    for neuron in table["neuron_id"].unique()[:SLOWEST]:
        mine = table["neuron_id"] == neuron
        one, others = [], []
        for image in table[mine]["image_id"].unique():
            here = (table["neuron_id"] == neuron) & (table["image_id"] == image)
            trials = table[here]["trial_id"].unique()
            if len(trials) == 1:
                continue
            trial = chance.choice(list(trials))
            this = here & (table["trial_id"] == trial)
            rest = here & (table["trial_id"] != trial)
            one.append(table[this]["spike_count"].to_numpy()[0])
            others.append(table[rest]["spike_count"].mean())
        share = len(one) / n_images
        found[int(neuron)] = pearsonr(one, others).statistic * share
    return {"neurons": np.array(list(found)), "oracle": np.array(list(found.values()))}


def difference(data: Data, ours: Arrays, theirs: Arrays) -> float:
    """Give the largest difference of the correlations."""
    del data
    return float(np.abs(ours["oracle"] - theirs["oracle"]).max())


def scan_difference(data: Data, ours: Arrays, theirs: Arrays) -> float:
    """Give the largest difference; the table's trials are random draws."""
    del data
    chosen = ours["oracle"][theirs["neurons"]]
    return float(np.abs(chosen - theirs["oracle"]).max())


def peer(name: str, run, error, measure: str, tolerance, share=1.0) -> Peer:
    """Make a peer that is written here, in the style of what others run."""
    return Peer(
        name=name,
        package="numpy" if "NumPy" in name else "pandas",
        module="numpy" if "NumPy" in name else "pandas",
        run=run,
        error=error,
        measure=measure,
        tolerance=tolerance,
        share=share,
    )


EXACT = {"float32": 1e-4, "float64": 1e-10}
LOOSE = {"float32": 0.5, "float64": 0.5}

CASES = (
    Case(
        name="oracle",
        title=f"oracle correlation of {NEURONS} neurons, 119 images x 50 repeats",
        module="jaxneuro.reliability",
        make=make_counts,
        ours=ours,
        peers=(
            peer("NumPy, closed form", numpy_closed_form, difference, "r", EXACT),
            peer("NumPy, every mean", numpy_leave_one_out, difference, "r", EXACT),
            peer(
                f"table scan, from {SLOWEST} neurons of {NEURONS}",
                table_scan,
                scan_difference,
                "r of one random draw against all",
                LOOSE,
                SLOWEST / NEURONS,
            ),
        ),
    ),
)
