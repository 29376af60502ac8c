"""The general linear model of fMRI as an estimator."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .. import glm
from ..core import check
from ._base import precision
from ._glm_runs import (
    OUTPUTS,
    as_design,
    as_runs,
    coefficients,
    contrast,
    explained,
    floating,
    is_image,
    read_images,
    responses,
    split,
)

__all__ = ["GLM"]


class GLM(BaseEstimator):
    """First-level general linear model of every voxel, over one or several runs.

    Each run is fitted by itself, with the autoregressive noise of each voxel; contrasts
    are combined over runs by fixed effects. Data are arrays, memory maps, or images:
    NIfTI, GIFTI, CIFTI and nilearn's surfaces, which give maps as images again.

    Parameters
    ----------
    tr : float
        Seconds from scan to scan.
    hrf_model : str, array or function, optional
        Haemodynamic response, as in :func:`jaxneuro.glm.hrf`: "spm", "glover", with
        " + derivative" and " + dispersion", "fir", weights, or a function of time.
    drift_model : {"cosine", "polynomial", None}
        Slow drifts.
    high_pass : float
        Cutoff of the cosines in hertz.
    drift_order : int, optional
        Degree of the polynomials.
    fir_delays : sequence of int, optional
        Delays of "fir" in scans.
    slice_time_ref : float, optional
        Time within a scan, 0 to 1, that the data represent.
    noise_model : str
        "ols"; "ar1", "ar2", … with coefficients of each voxel, exactly; "global_ar1",
        … with one set of coefficients for all voxels of a run, the way of SPM;
        "arma11", AFNI's; "tukey", FSL's. See :func:`jaxneuro.glm.fit`.
    precision_weighted : bool
        Weigh runs by the inverse of their variance instead of equally.
    compat : {None, "nilearn"}
        Reproduce nilearn's columns, bins and degrees of freedom.
    mask : path, image, array or nilearn masker, optional
        For images: voxels to fit, as in :func:`jaxneuro.io.read_bold`. Default: the
        brain that nilearn finds.
    smoothing_fwhm : float, optional
        For volumes: smoothing in millimetres before the fit.
    dtype : {"float32", "float64"}
        Arithmetic.

    Attributes
    ----------
    design_ : glm.Design
        Of all runs.
    fits_ : list of glm.GLMFit
        One per run, on the columns of the design that are not zero in it.
    names_ : tuple of str
        Columns of the conditions.
    coef_ : array (n_targets, n_conditions)
        Their coefficients, mean over the runs that have them.
    dof_ : float
        Degrees of freedom of the noise, all runs together.
    bold_ : io.Bold
        What images were read as. Only for images.

    References
    ----------
    .. [1] ``nilearn.glm.first_level.FirstLevelModel``, whose numbers
       ``compat="nilearn"`` gives.

    Examples
    --------
    >>> events = {"onset": [10, 40], "duration": [9, 9], "trial_type": ["a", "b"]}
    >>> Y = np.random.default_rng(0).standard_normal((40, 5))
    >>> GLM(tr=2.0).fit(Y, events).contrast("a - b").shape
    (5,)
    """

    def __init__(
        self,
        tr: float = 2.0,
        *,
        hrf_model: str | ArrayLike | Callable | None = "spm",
        drift_model: str | None = "cosine",
        high_pass: float = 0.01,
        drift_order: int | None = None,
        fir_delays: Sequence[int] | None = None,
        slice_time_ref: float | None = None,
        noise_model: str = "ar1",
        precision_weighted: bool = False,
        compat: str | None = None,
        mask: Any = None,
        smoothing_fwhm: float | None = None,
        dtype: str = "float32",
    ) -> None:
        self.tr = tr
        self.hrf_model = hrf_model
        self.drift_model = drift_model
        self.high_pass = high_pass
        self.drift_order = drift_order
        self.fir_delays = fir_delays
        self.slice_time_ref = slice_time_ref
        self.noise_model = noise_model
        self.precision_weighted = precision_weighted
        self.compat = compat
        self.mask = mask
        self.smoothing_fwhm = smoothing_fwhm
        self.dtype = dtype

    def fit(
        self, Y: Any, events: Any = None, confounds: Any = None, *, keep: Any = None
    ) -> "GLM":
        """Fit every target of every run.

        Parameters
        ----------
        Y : array (n_scans, n_targets), image, path, or list of these
            Data, one entry per run. What is on disk is read in blocks of targets.
        events : DataFrame, dict, path, or list of these
            As in :func:`jaxneuro.glm.design`, one table per run. A condition may be
            absent from a run. Or a design made beforehand: a ``glm.Design``, or an
            array (n_scans, n_regressors), which is used as it is.
        confounds : array (n_scans, n_confounds), DataFrame, or list of these, optional
            Nuisance columns, one entry per run.
        keep : bool array (n_scans,) or list of these, optional
            Scans to use; the noise model knows the gaps.

        Returns
        -------
        GLM
            This estimator.

        Raises
        ------
        ValueError, TypeError
            If data, events, confounds or options are wrong or do not fit each other;
            before anything is compiled.
        """
        if events is None:
            raise ValueError(
                "the estimator requires y to be passed, but the target y is None: give "
                "events, a table with onset, duration and trial_type."
            )
        vars(self).pop("bold_", None)
        data, self._listed = self._data(Y)
        self._as_jax = any(isinstance(run, jax.Array) for run in data)
        self.n_features_in_ = data[0].shape[1]
        lengths = [run.shape[0] for run in data]
        masks = [None] * len(data) if keep is None else as_runs(keep)[0]
        if len(masks) != len(data):
            raise ValueError(
                f"keep has {len(masks)} runs but Y has {len(data)}; give one per run."
            )
        options = {"noise_model": self.noise_model, "compat": self.compat}
        with precision(self.dtype):
            self.design_ = as_design(
                events, confounds, lengths, self.tr, self._options()
            )
            self._runs = split(self.design_)
            self.fits_ = [
                glm.fit(run.X, y, keep=mask, **options)
                for run, y, mask in zip(self._runs, data, masks, strict=True)
            ]
        self.names_ = self.design_.names[: self.design_.n_conditions]
        self.coef_ = responses(self.design_, self._runs, self.fits_)
        self.dof_ = sum(fit.dof for fit in self.fits_)
        return self

    def contrast(self, expression: Any, *, stat: str = "t", output: str = "z") -> Any:
        """Test a contrast of conditions, or several.

        Parameters
        ----------
        expression : str, dict, array, or list of these
            As in ``glm.Design.contrast``: ``"face - (scene + body) / 2"``. A list
            gives several t contrasts, or the rows of one F contrast. In an F contrast
            a condition stands for all its columns: delays, derivatives.
        stat : {"t", "F"}
            One-sided t, or F of all rows together.
        output : {"z", "stat", "effect", "variance", "p", "neg_log10_p", "all"}
            What the map holds. "all": a dictionary of all.

        Returns
        -------
        array (n_targets,), image, list of image, or dict of these
            (n_contrasts, n_targets) for a list of t contrasts; images where images
            were fitted. The effect of an F contrast has (n_rows, n_targets).

        Raises
        ------
        ValueError
            If a name or an option is unknown, or no run has all conditions.
        """
        check_is_fitted(self)
        check.choice("stat", stat, ("t", "F"))
        check.choice("output", output, (*OUTPUTS, "all"))
        basis = "all" if stat == "F" else None
        weights = self.design_.contrast(expression, basis=basis)
        several = stat == "t" and weights.ndim == 2
        with precision(self.dtype):
            found = contrast(
                self._runs,
                self.fits_,
                np.atleast_2d(weights),
                stat=stat,
                names=self.design_.names,
                precision_weighted=self.precision_weighted,
            )
        maps = {
            name: self._map(getattr(found, field), several)
            for name, field in OUTPUTS.items()
            if output in (name, "all")
        }
        return maps if output == "all" else maps[output]

    def predict(self, events: Any = None, n_scans: Any = None) -> Any:
        """Predict the runs that were fitted, or the responses to other events.

        Parameters
        ----------
        events : DataFrame, dict, path, or list of these, optional
            Events of other runs, with conditions of the fit. Default: those fitted.
        n_scans : int or list of int, optional
            Their scans. Only with `events`.

        Returns
        -------
        array (n_scans, n_targets) or list of these
            Fitted values with baseline and drifts; of other events the responses alone.

        Raises
        ------
        ValueError
            If a condition is unknown or `n_scans` is missing.
        """
        check_is_fitted(self)
        with precision(self.dtype):
            if events is None:
                pairs = zip(self.fits_, self._runs, strict=True)
                fitted = [glm.predict(fit, run.X) for fit, run in pairs]
                return self._back(fitted, self._listed)
            if n_scans is None:
                raise ValueError(
                    "n_scans is None but events of another run are given; give the "
                    "number of its scans."
                )
            listed = isinstance(events, (list, tuple))
            n_runs = len(events) if listed else 1
            lengths = np.broadcast_to(n_scans, n_runs).tolist()
            design = as_design(events, None, lengths, self.tr, self._options())
            runs = split(design)
            coefs = coefficients(self.names_, self.coef_, design, runs)
            pairs = zip(runs, coefs, strict=True)
            means = [(r.X[:, : r.n_conditions] @ c).astype(c.dtype) for r, c in pairs]
            return self._back(means, listed)

    def residuals(self, Y: Any) -> Any:
        """Subtract the fitted values from the data of the fit.

        Parameters
        ----------
        Y : array (n_scans, n_targets), image, path, or list of these
            What was fitted.

        Returns
        -------
        array (n_scans, n_targets) or list of these
            In the units of the data, not whitened.

        Raises
        ------
        ValueError
            If the data have another shape than those of the fit.
        """
        check_is_fitted(self)
        data, listed = self._data(Y)
        fitted, _ = as_runs(self.predict())
        shapes = [tuple(run.shape) for run in data]
        if shapes != [run.shape for run in fitted]:
            raise ValueError(
                f"Y has runs of shape {shapes} but those fitted have "
                f"{[run.shape for run in fitted]}; give the data of the fit."
            )
        left = [
            np.asarray(run[:]) - np.asarray(guess)
            for run, guess in zip(data, fitted, strict=True)
        ]
        return self._back(left, listed)

    def score(self, Y: Any, events: Any, confounds: Any = None) -> float:
        """Mean R2 over targets, as in :meth:`score_targets`.

        Parameters
        ----------
        Y : array (n_scans, n_targets), image, path, or list of these
            Data.
        events, confounds
            As in :meth:`fit`.

        Returns
        -------
        float
            Targets whose R2 is undefined do not count.
        """
        return float(np.nanmean(self.score_targets(Y, events, confounds)))

    def score_targets(self, Y: Any, events: Any, confounds: Any = None) -> np.ndarray:
        """Share of the variance that the fitted responses explain in each target.

        Drifts and confounds are taken out of data and prediction alike: they cannot be
        predicted from another run, and are no merit of the responses.

        Parameters
        ----------
        Y : array (n_scans, n_targets), image, path, or list of these
            Data: of the fit, or of other runs with the same conditions.
        events, confounds
            As in :meth:`fit`.

        Returns
        -------
        array (n_targets,)
            R2; NaN where undefined.

        Raises
        ------
        ValueError
            If shapes disagree or a condition is unknown.
        """
        check_is_fitted(self)
        data, _ = self._data(Y)
        if data[0].shape[1] != self.n_features_in_:
            raise ValueError(
                f"Y has {data[0].shape[1]} targets but the model was fitted with "
                f"{self.n_features_in_}."
            )
        lengths = [run.shape[0] for run in data]
        with precision(self.dtype):
            design = as_design(events, confounds, lengths, self.tr, self._options())
            runs = split(design)
            return explained(
                data, runs, coefficients(self.names_, self.coef_, design, runs)
            )

    def _options(self) -> dict[str, Any]:
        names = ("hrf_model", "drift_model", "high_pass", "drift_order", "fir_delays")
        names += ("slice_time_ref", "compat")
        return {name: getattr(self, name) for name in names}

    def _data(self, Y: Any) -> tuple[list, bool]:
        """Read images and check arrays; say whether a list came."""
        check.choice("dtype", self.dtype, ("float32", "float64"))
        runs, listed = as_runs(Y)
        if is_image(runs[0]):
            self.bold_ = read_images(runs, self.mask, self.smoothing_fwhm, self.tr)
            runs = self.bold_.runs
            listed = listed or len(runs) > 1
        names = ["Y"] if len(runs) == 1 else [f"Y in run {r}" for r in range(len(runs))]
        data = [floating(n, r, self.dtype) for n, r in zip(names, runs, strict=True)]
        return data, listed

    def _map(self, values: Any, several: bool) -> Any:
        values = values if several else values[0]
        if not hasattr(self, "bold_"):
            return values
        values = np.asarray(values)
        if values.ndim == 1:
            return self.bold_.image(values)
        return [self.bold_.image(one) for one in values]

    def _back(self, runs: list, listed: bool) -> Any:
        kind = jnp.asarray if self._as_jax else np.asarray
        runs = [kind(run) for run in runs]
        return runs if listed else runs[0]
