"""Voxels of visual cortex and the random images that were shown."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..io._optional import require

__all__ = ["Miyawaki", "load_miyawaki2008"]

_SIDE = 10  # of the images, in pixels
_N_FIGURES = 12  # runs with letters and shapes come first
_DELAY = 2  # scans by which the response is behind the image


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Miyawaki:
    """Random images of ten by ten pixels and the BOLD response to each.

    Attributes
    ----------
    images : array (n_samples, 10, 10)
        1 where a pixel is white, 0 where it is black, -1 during rest.
    bold : array (n_samples, n_voxels)
        Response two scans later; each run detrended and z-scored.
    run_id : int array (n_samples,)
        Run of each sample.
    tr : float
        2 s.
    mask, background : pathlib.Path
        Images of the voxels in `bold`, in their order, and of the anatomy.
    description, citation, licence : str
        Where the recording comes from and how it may be used.
    simulated : bool
        False: a recording.
    """

    images: np.ndarray
    bold: np.ndarray
    run_id: np.ndarray
    tr: float
    mask: Path
    background: Path
    description: str
    citation: str
    licence: str
    simulated: bool


def load_miyawaki2008(
    *,
    folder: str | Path | None = None,
    fetch: Callable[..., Any] | None = None,
) -> Miyawaki:
    """Load the twenty runs of random images of the visual reconstruction study.

    The data [1]_ are fetched once, 153 MB, and kept on disk by nilearn. They are
    prepared as in nilearn's example of encoding models: voxels in the mask, each run
    detrended and divided by its sample standard deviation, images paired with the
    scan two later, runs one after the other.

    Parameters
    ----------
    folder : path, optional
        Where the files are kept. Default: nilearn's own folder.
    fetch : callable, optional
        Takes ``data_dir`` and gives the paths as `nilearn.datasets.fetch_miyawaki2008`
        does, which is the default.

    Returns
    -------
    Miyawaki
        2860 samples of 5438 voxels.

    Raises
    ------
    ConnectionError
        If the files are not on disk and cannot be fetched.
    ImportError
        If nilearn is not installed.

    References
    ----------
    .. [1] Miyawaki et al., Visual image reconstruction from human brain activity using
       a combination of multiscale local image decoders, Neuron 60 (2008) 915-929,
       doi:10.1016/j.neuron.2008.11.004; nilearn, example of encoding models.
    """
    require("nilearn", extra="mri", purpose="load_miyawaki2008")
    from nilearn.datasets import fetch_miyawaki2008
    from nilearn.maskers import NiftiMasker

    try:
        files = (fetch or fetch_miyawaki2008)(data_dir=folder)
    except OSError as error:  # so are the errors of a connection
        raise ConnectionError(
            "the recording is not on disk and could not be fetched; connect to the "
            "network, or give the folder that holds nilearn's miyawaki2008."
        ) from error
    masker = NiftiMasker(files.mask, detrend=True, standardize="zscore_sample").fit()
    images, bold, run_id = [], [], []
    pairs = zip(files.func[_N_FIGURES:], files.label[_N_FIGURES:], strict=True)
    for run, (scans, label) in enumerate(pairs):
        shown = np.loadtxt(label, dtype=int, delimiter=",", ndmin=2)
        shown = shown.reshape(-1, _SIDE, _SIDE, order="F")
        images.append(shown[:-_DELAY].astype(np.float32))
        bold.append(masker.transform(scans)[_DELAY:].astype(np.float32))
        run_id.append(np.full(len(images[-1]), run))
    return Miyawaki(
        images=np.concatenate(images),
        bold=np.concatenate(bold),
        run_id=np.concatenate(run_id),
        tr=2.0,
        mask=Path(files.mask),
        background=Path(files.background),
        description="BOLD of visual cortex of one subject who saw random images of "
        "ten by ten black and white pixels, twenty runs.",
        citation="Miyawaki et al., Neuron 60:915-929, 2008, "
        "doi:10.1016/j.neuron.2008.11.004; distributed by nilearn's developers.",
        licence="not stated by its distributors; cite the paper",
        simulated=False,
    )
