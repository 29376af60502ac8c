"""BOLD images of every kind as arrays, and maps back to images.

NIfTI, GIFTI and CIFTI files are read with nibabel; masks, smoothing, surface images and
peaks come from nilearn.
"""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._arrays import read_arrays
from ._bold import Bold, same_targets
from ._optional import require
from ._surfaces import read_cifti, read_gifti
from ._volumes import read_volumes

__all__ = ["Bold", "peaks", "read_bold"]

_ARRAYS = (".npy", ".npz", ".h5", ".hdf5")
_FORMATS = {
    "cifti": (".dtseries.nii", ".ptseries.nii"),
    "nifti": (".nii", ".nii.gz", ".img", ".hdr"),
    "gifti": (".gii", ".gii.gz"),
    "array": _ARRAYS,
}


def read_bold(
    images: Any, *, mask: Any = None, smoothing_fwhm: float | None = None
) -> Bold:
    """Read BOLD runs of any format as arrays of scans by targets.

    NIfTI and CIFTI files stay on disk: blocks of the arrays are read when sliced, so
    that a file larger than memory can be fitted. A compressed NIfTI file is unpacked
    into a temporary file first. GIFTI files, smoothed images and what a masker extracts
    are held in memory.

    Parameters
    ----------
    images : path, image, array, or list of these
        One per run, all of one kind: NIfTI files or images of four axes; CIFTI dense or
        parcellated series; functional GIFTI files; ``nilearn.surface.SurfaceImage``;
        arrays (n_scans, n_targets), or files of arrays, whose arrays are runs.
    mask : path, image, array or nilearn masker, optional
        Which voxels or vertices are targets. A masker extracts the targets itself,
        with all that it is set up for. Default: the brain that nilearn finds in the
        mean image, or all vertices.
    smoothing_fwhm : float, optional
        Full width at half maximum, in millimetres, of a Gaussian smoothing of volumes.

    Returns
    -------
    Bold
        The runs, and how maps become images again.

    Raises
    ------
    ValueError
        If runs differ in kind, grid or targets, the mask does not fit them, or a file
        is not a BOLD run.
    ImportError
        If nibabel or nilearn is needed and not installed.

    References
    ----------
    .. [1] Nilearn contributors, nilearn, doi:10.5281/zenodo.8397156.
    .. [2] Brett et al., nibabel, doi:10.5281/zenodo.591597.
    """
    runs = list(images) if isinstance(images, (list, tuple)) else [images]
    if not runs:
        raise ValueError("images is an empty list; give at least one run.")
    names = [_name(run, index) for index, run in enumerate(runs)]
    kinds = [_kind(run, name) for run, name in zip(runs, names, strict=True)]
    for name, kind in zip(names, kinds, strict=True):
        if kind != kinds[0]:
            raise ValueError(
                f"{name} is of kind {kind} but {names[0]} is of kind {kinds[0]}; runs "
                "must be of one kind."
            )
    if smoothing_fwhm is not None and (kinds[0] != "nifti" or _is_masker(mask)):
        raise ValueError(
            f"smoothing_fwhm is {smoothing_fwhm:g} mm but only volumes without a "
            "masker are smoothed here; smooth them before, or in the masker."
        )
    if _is_masker(mask) or kinds[0] == "surface":
        return _masked(runs, names, mask)
    if kinds[0] == "nifti":
        return read_volumes(runs, names, mask=mask, smoothing_fwhm=smoothing_fwhm)
    if kinds[0] == "array":
        return _arrays(runs, names, mask)
    reader = read_gifti if kinds[0] == "gifti" else read_cifti
    return reader(runs, names, mask=mask)


def peaks(
    volume: np.ndarray,
    affine: np.ndarray,
    threshold: float,
    *,
    cluster_size: int = 0,
    min_distance: float = 8.0,
    two_sided: bool = True,
) -> list[dict[str, float | str]]:
    """List the peaks of the clusters of a map above a threshold.

    Parameters
    ----------
    volume : array (n_x, n_y, n_z)
        Map; NaN counts as nothing.
    affine : array (4, 4)
        From voxel indices to millimetres.
    threshold : float
        Least absolute value.
    cluster_size : int
        Least number of voxels of a cluster.
    min_distance : float
        Least distance in millimetres between the peaks of one cluster.
    two_sided : bool
        Whether negative clusters are listed too.

    Returns
    -------
    list of dict
        ``cluster`` (a number, with a letter for further peaks), ``x, y, z`` in
        millimetres, ``value``, and ``size`` of the cluster in cubic millimetres, NaN
        for further peaks.

    Raises
    ------
    ImportError
        If nilearn is not installed.

    References
    ----------
    .. [1] ``nilearn.reporting.get_clusters_table``, which makes the table.
    """
    nibabel = require("nibabel", extra="mri", purpose="A table of peaks")
    require("nilearn", extra="mri", purpose="A table of peaks")
    from nilearn.reporting import get_clusters_table

    image = nibabel.Nifti1Image(np.nan_to_num(volume).astype(np.float32), affine)
    if not (np.abs(image.dataobj) > threshold).any():
        return []
    with warnings.catch_warnings():
        # A sign without clusters is no news.
        warnings.filterwarnings("ignore", message="No clusters found")
        table = get_clusters_table(
            image,
            stat_threshold=threshold,
            cluster_threshold=cluster_size,
            two_sided=two_sided,
            min_distance=min_distance,
        )
    rows = []
    for _, row in table.iterrows():
        size = row["Cluster Size (mm3)"]
        rows.append(
            {
                "cluster": str(row["Cluster ID"]),
                "x": float(row["X"]),
                "y": float(row["Y"]),
                "z": float(row["Z"]),
                "value": float(row["Peak Stat"]),
                "size": float(size) if size != "" else np.nan,
            }
        )
    return rows


def _name(run: Any, index: int) -> str:
    return os.fspath(run) if isinstance(run, (str, os.PathLike)) else f"run {index}"


def _is_masker(mask: Any) -> bool:
    return hasattr(mask, "inverse_transform")


def _kind(run: Any, name: str) -> str:
    if isinstance(run, (str, os.PathLike)):
        for kind, endings in _FORMATS.items():
            if name.lower().endswith(endings):
                if not Path(name).exists():
                    raise FileNotFoundError(f"{name} does not exist.")
                return kind
        known = ", ".join(ending for endings in _FORMATS.values() for ending in endings)
        raise ValueError(f"{name} must end in one of {known}.")
    if hasattr(run, "mesh"):
        return "surface"
    if hasattr(run, "darrays"):
        return "gifti"
    if hasattr(run, "nifti_header"):
        return "cifti"
    if hasattr(run, "dataobj"):
        return "nifti"
    if hasattr(run, "shape"):
        return "array"
    raise TypeError(
        f"{name} is of type {type(run).__name__} but must be a path, an image or an "
        "array."
    )


def _arrays(runs: Sequence[Any], names: list[str], mask: Any) -> Bold:
    arrays: list[Any] = []
    labels = []
    for run, name in zip(runs, names, strict=True):
        found = read_arrays(name, lazy=True) if not hasattr(run, "shape") else [run]
        arrays += found
        labels += [name] * len(found)
    for name, array in zip(labels, arrays, strict=True):
        if len(array.shape) != 2:
            raise ValueError(
                f"{name} has shape {tuple(array.shape)} but must be (n_scans, "
                "n_targets)."
            )
    same_targets(labels, arrays)
    if mask is not None:
        raise ValueError(
            "mask is given but the runs are arrays; give the columns that you want."
        )
    return Bold(runs=arrays, kind="array", suffix=".npy", back=np.asarray)


def _masked(runs: Sequence[Any], names: list[str], mask: Any) -> Bold:
    """Let a masker extract the targets; for surfaces one is made where none came."""
    require("nilearn", extra="mri", purpose="Extracting targets with a masker")
    masker = mask
    if not _is_masker(mask):
        from nilearn.maskers import SurfaceMasker

        masker = SurfaceMasker(mask_img=mask, standardize=None)
    if not hasattr(masker, "n_elements_"):
        # A masker without a mask finds one in the first run.
        has_mask = getattr(masker, "mask_img", None) is not None
        masker = masker.fit(None if has_mask else runs[0])
    arrays = [np.asarray(masker.transform(run)) for run in runs]
    same_targets(names, arrays)
    surface = hasattr(runs[0], "mesh")
    return Bold(
        runs=arrays,
        kind="masker",
        suffix=".gii" if surface else ".nii.gz",
        back=masker.inverse_transform,
    )
