"""Temporal receptive fields: the tutorial's reconstruction, and many channels."""

import random

import numpy as np

from cases import Arrays, Case, Data, Peer, relative, shared

SFREQ = 100
# Samples of the nine training trials of naplib's reconstruction tutorial.
LENGTHS = (5203, 6430, 6206, 6560, 7194, 8540, 6586, 5904, 5621)


def simulate(lengths, n_features, n_targets, n_lags, seed=0):
    """Responses of random receptive fields, about a tenth of the variance signal."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((n_lags, n_features, n_targets), dtype=np.float32)
    weights /= np.sqrt(10 * n_features * n_lags)
    X, Y = [], []
    for n_times in lengths:
        x = rng.standard_normal((n_times, n_features), dtype=np.float32)
        x[1:] += 0.7 * x[:-1]  # neighbouring samples of real signals are alike
        y = rng.standard_normal((n_times, n_targets), dtype=np.float32)
        for lag in range(n_lags):
            y[lag:] += x[: n_times - lag] @ weights[lag]
        X.append(x)
        Y.append(y)
    return X, Y


def pack(X, Y, dtype, **options) -> Data:
    """Trials as one array each; the lists that peers take are views of it."""
    stops = np.cumsum([len(x) for x in X])[:-1]
    data = {"X": np.concatenate(X).astype(dtype), "Y": np.concatenate(Y).astype(dtype)}
    data["trial_id"] = np.repeat(np.arange(len(X)), [len(x) for x in X])
    data["X_trials"] = np.split(data["X"], stops)
    data["Y_trials"] = np.split(data["Y"], stops)
    return data | options


# -- reconstruction: 10 electrodes, 41 lags, 32 bands, one penalty ------------------


def tutorial_trials():
    """Electrodes and spectrogram of the training trials, real speech where it is."""
    folder = shared()
    if folder is None:
        spectrogram, resp = simulate(LENGTHS, 32, 10, 31)
        return resp, spectrogram
    with np.load(folder / "golden" / "trf" / "tutorial_inputs.npz") as stored:
        stops = np.cumsum(stored["trial_length"])[:-1]
        X, Y = (np.split(stored[name], stops)[1:] for name in ("resp", "spec_32"))
    return X, Y


def make_tutorial(size, dtype) -> Data:
    """All nine training trials, or 16 s of three of them."""
    X, Y = tutorial_trials()
    if size == "small":
        lengths = (450, 600, 550)
        X = [x[:n] for x, n in zip(X, lengths, strict=False)]
        Y = [y[:n] for y, n in zip(Y, lengths, strict=False)]
    return pack(X, Y, dtype)


def make_tutorial_equal(size, dtype) -> Data:
    """Trials cut to one length, which MNE needs."""
    X, Y = tutorial_trials()
    n_trials, n_times = (3, 500) if size == "small" else (9, 5200)
    X = [x[:n_times] for x in X[:n_trials]]
    Y = [y[:n_times] for y in Y[:n_trials]]
    return pack(X, Y, dtype)


def fit_tutorial(data) -> Arrays:
    """Ridge of all bands from the moments of the lagged responses."""
    from jaxneuro import Lags, trf

    fit = trf.fit(
        data["X"], data["Y"], Lags(-0.4, 0, SFREQ), 1.0, trial_id=data["trial_id"]
    )
    return {"coef": np.asarray(fit.coef), "intercept": np.asarray(fit.intercept)}


def fit_as_mne(data) -> Arrays:
    """Follow MNE: the mean beyond a trial's edges, columns not centred."""
    from jaxneuro import Lags, trf

    options = {"trial_id": data["trial_id"], "pad": "mean", "center": "shift"}
    fit = trf.fit(data["X"], data["Y"], Lags(-0.4, 0, SFREQ), 1.0, **options)
    return {"coef": np.asarray(fit.coef), "intercept": np.asarray(fit.intercept)}


def mtrf_tutorial(data) -> Arrays:
    """Ridge of all bands; weights per second become weights per sample."""
    from mtrf.model import TRF

    model = TRF(direction=-1)
    penalty = 1 / (SFREQ * len(data["X_trials"]))  # its mean over trials, its 1/dt
    model.train(
        data["Y_trials"], data["X_trials"], SFREQ, 0, 0.4, penalty, verbose=False
    )
    coef = np.swapaxes(model.weights, 0, 1) / SFREQ
    return {"coef": coef, "intercept": model.bias.ravel() / SFREQ}


def naplib_joint(data) -> Arrays:
    """One model with 32 outputs."""
    from naplib.encoding import TRF
    from sklearn.linear_model import Ridge

    model = TRF(-0.4, 0, SFREQ, estimator=Ridge(1.0), show_progress=False)
    model.fit(X=data["X_trials"], y=[y[:, None] for y in data["Y_trials"]])
    return {"coef": model.coef_[0].transpose(2, 1, 0)}


def naplib_per_band(data) -> Arrays:
    """One model per band, as its users get from a 2-d target."""
    from naplib.encoding import TRF
    from sklearn.linear_model import Ridge

    model = TRF(-0.4, 0, SFREQ, estimator=Ridge(1.0), show_progress=False)
    model.fit(X=data["X_trials"], y=data["Y_trials"])
    return {"coef": model.coef_.transpose(2, 1, 0)}


def mne_tutorial(data) -> Arrays:
    """Time-delaying ridge on stacked trials."""
    import mne
    from mne.decoding import TimeDelayingRidge

    mne.set_log_level("ERROR")
    model = TimeDelayingRidge(-0.4, 0, SFREQ, reg_type="ridge", alpha=1.0)
    X, Y = (np.stack(data[name], axis=1) for name in ("X_trials", "Y_trials"))
    model.fit(X, Y)
    return {"coef": model.coef_.transpose(2, 1, 0)}


def coef_error(_, ours, theirs) -> float:
    """Largest difference of coefficients."""
    return relative(ours["coef"], theirs["coef"])


COEF = {"error": coef_error, "measure": "coefficients, of the largest"}
# In float32 the peers' own rounding is 2e-4; the Gram matrix's condition is 1e5.
CLOSE = {"float32": 2e-3, "float64": 1e-8}

# -- encoding: 64 bands, 41 lags, 256 channels, 10 penalties, 5 folds ---------------

ALPHAS = np.logspace(1, 5.5, 10)
N_FOLDS = 5


def mtrf_folds(n_trials) -> np.ndarray:
    """Fold of each trial, as mTRFpy shuffles them after seed 0."""
    order = np.arange(n_trials)
    random.seed(0)
    random.shuffle(order)
    fold = np.empty(n_trials, dtype=int)
    for index, trials in enumerate(np.array_split(order, N_FOLDS)):
        fold[trials] = index
    return fold


def make_high_density(size, dtype) -> Data:
    """Twenty minutes of 256 channels, or 40 s of six."""
    n_trials, n_times, n_features, n_targets, tmax = {
        "small": (10, 400, 4, 6, 0.1),
        "full": (20, 6000, 64, 256, 0.4),
    }[size]
    n_lags = round(tmax * SFREQ) + 1
    X, Y = simulate([n_times] * n_trials, n_features, n_targets, n_lags)
    fold_id = np.repeat(mtrf_folds(n_trials), n_times)
    return pack(X, Y, dtype, fold_id=fold_id, tmax=tmax)


def search(data, **options):
    """Search over penalties and folds, and the final fit."""
    from jaxneuro import Lags, trf

    lags = Lags(0, data["tmax"], SFREQ)
    options |= {"trial_id": data["trial_id"], "metric": "correlation"}
    return trf.fit_cv(data["X"], data["Y"], lags, ALPHAS, data["fold_id"], **options)


def fit_high_density(data) -> Arrays:
    """Search and final fit in one call; r over all samples of a fold."""
    result = search(data)
    return {
        "coef": np.asarray(result.fit.coef),
        "scores": np.asarray(result.scores).mean(axis=0),
        "alpha": np.asarray(result.fit.alpha),
    }


def mtrf_high_density(data) -> Arrays:
    """Search and final fit in one call."""
    from mtrf.model import TRF

    n_trials = len(data["X_trials"])
    # Its penalty grows with the number of training trials: equal in the search.
    per_trial = SFREQ * n_trials * (N_FOLDS - 1) / N_FOLDS
    model = TRF()
    scores = model.train(
        data["X_trials"],
        data["Y_trials"],
        SFREQ,
        0,
        data["tmax"],
        ALPHAS / per_trial,
        k=N_FOLDS,
        seed=0,
        verbose=False,
        reg_per_y_channel=True,
    )
    coef = np.swapaxes(model.weights, 0, 1) / SFREQ
    alpha = np.asarray(model.regularization) * SFREQ * n_trials
    return {"coef": coef, "scores": scores, "alpha": alpha}


def high_density_error(data, ours, theirs) -> float:
    """Compare coefficients at equal alpha, and r averaged over trials as mTRFpy does.

    The timed search scores the samples of a fold together, which moves the best
    mean r by less than 1e-4; both are compared here on mTRFpy's terms.
    """
    from jaxneuro import Lags, trf

    lags = Lags(0, data["tmax"], SFREQ)
    alpha = theirs["alpha"].astype(data["X"].dtype)
    equal = trf.fit(data["X"], data["Y"], lags, alpha, trial_id=data["trial_id"])
    coef = relative(np.asarray(equal.coef), theirs["coef"])
    scores = np.asarray(search(data, score_by="trial").scores).mean(axis=0)
    return max(coef, float(np.abs(scores - theirs["scores"]).max()))


CASES = (
    Case(
        name="tutorial",
        title="reconstruction, 10 electrodes x 41 lags -> 32 bands, unequal trials",
        module="jaxneuro.trf",
        make=make_tutorial,
        ours=fit_tutorial,
        peers=(
            Peer(
                name="mTRFpy",
                package="mtrf",
                module="mtrf.model",
                run=mtrf_tutorial,
                tolerance=CLOSE,
                **COEF,
            ),
            Peer(
                name="naplib, all bands",
                package="naplib",
                module="naplib.encoding",
                run=naplib_joint,
                tolerance=CLOSE,
                **COEF,
            ),
            Peer(
                name="naplib, band by band",
                package="naplib",
                module="naplib.encoding",
                run=naplib_per_band,
                tolerance=CLOSE,
                **COEF,
            ),
        ),
    ),
    Case(
        name="tutorial_equal",
        title="reconstruction, 10 electrodes x 41 lags -> 32 bands, equal trials",
        module="jaxneuro.trf",
        make=make_tutorial_equal,
        ours=fit_as_mne,
        peers=(
            Peer(
                name="MNE",
                package="mne",
                module="mne.decoding",
                run=mne_tutorial,
                tolerance=CLOSE,
                **COEF,
            ),
        ),
    ),
    Case(
        name="high_density",
        title="encoding, 64 bands x 41 lags -> 256 channels, 10 alphas, 5 folds",
        module="jaxneuro.trf",
        make=make_high_density,
        ours=fit_high_density,
        peers=(
            Peer(
                name="mTRFpy",
                package="mtrf",
                module="mtrf.model",
                run=mtrf_high_density,
                error=high_density_error,
                measure="mean r, and coefficients at equal alpha",
                tolerance=CLOSE,
            ),
        ),
        dtypes=("float32",),
    ),
)
