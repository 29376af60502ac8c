"""NIfTI runs as arrays of scans by voxels, and maps back."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._blocks import Blocks, mapped
from ._bold import Bold
from ._optional import require

__all__ = ["read_volumes"]

_MEAN_SCANS = 16  # read at a time for the mean image
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


def read_volumes(
    runs: Sequence[Any],
    names: list[str],
    *,
    mask: Any = None,
    smoothing_fwhm: float | None = None,
) -> Bold:
    """Read NIfTI runs; files without smoothing stay on disk until they are sliced."""
    nibabel = require("nibabel", extra="mri", purpose="Reading NIfTI images")
    images = [run if hasattr(run, "dataobj") else nibabel.load(run) for run in runs]
    _same_grid(names, images)
    first = images[0]
    shape = tuple(first.shape[:3])
    flat = [_flat(image) for image in images]
    mask = _brain(first, flat) if mask is None else _given(mask, shape, first.affine)
    if not mask.any():
        raise ValueError("mask is empty; give one that contains voxels.")
    columns = np.flatnonzero(mask.ravel(order="F"))
    if smoothing_fwhm is None:
        arrays: list[Any] = [Blocks(v, columns, **options) for v, options in flat]
    else:
        arrays = [_smooth(image, columns, smoothing_fwhm) for image in images]

    def back(values: np.ndarray) -> Any:
        grid = np.zeros(shape, np.float32)
        grid.T[mask.T] = values
        header = first.header.copy()
        header.set_data_dtype(np.float32)
        header["cal_min"] = header["cal_max"] = 0
        return first.__class__(grid, first.affine, header)

    return Bold(
        runs=arrays,
        kind="nifti",
        suffix=".nii.gz",
        back=back,
        tr=_tr(first),
        mask=mask,
        affine=np.asarray(first.affine),
    )


def _same_grid(names: list[str], images: list[Any]) -> None:
    first = images[0]
    for name, image in zip(names, images, strict=True):
        if len(image.shape) != 4:
            raise ValueError(
                f"{name} has shape {image.shape} but a BOLD run has four axes, time "
                "last."
            )
        if image.shape[:3] != first.shape[:3]:
            raise ValueError(
                f"{name} has a grid of {image.shape[:3]} voxels but {names[0]} has "
                f"{first.shape[:3]}; resample the runs to one grid."
            )
        if not np.allclose(image.affine, first.affine, atol=1e-3):
            raise ValueError(
                f"{name} lies elsewhere in space than {names[0]} (their affines "
                "differ); resample the runs to one grid."
            )


def _flat(image: Any) -> tuple[np.ndarray, dict]:
    """View (n_scans, n_voxels) of all voxels, and what Blocks needs to read it."""
    proxy = image.dataobj
    if hasattr(proxy, "file_like"):
        file = mapped(proxy)
        values = file.reshape(-1, proxy.shape[3], order="F").T
        return values, {"slope": proxy.slope, "inter": proxy.inter, "file": file}
    # A copy where the first axis is not the fastest: blocks need scans in one piece.
    values = np.asanyarray(proxy).reshape(-1, image.shape[3], order="F").T
    return np.ascontiguousarray(values), {}


def _brain(first: Any, flat: list[tuple[np.ndarray, dict]]) -> np.ndarray:
    """Brain mask from the mean of all runs, which is read a few scans at a time."""
    masking = _nilearn("masking", "A mask of the brain")
    total = np.zeros(flat[0][0].shape[1])
    for values, options in flat:
        blocks = Blocks(values, **options)
        for start in range(0, len(blocks), _MEAN_SCANS):
            some = blocks[start : start + _MEAN_SCANS]
            total += np.nan_to_num(some).sum(axis=0, dtype=np.float64) / len(blocks)
    mean = (total / len(flat)).reshape(first.shape[:3], order="F")
    if not np.ptp(mean):
        raise ValueError("the images are constant, so no brain is found; give a mask.")
    found = masking.compute_epi_mask(first.__class__(mean, first.affine))
    return np.asarray(found.dataobj) > 0


def _given(mask: Any, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    if not isinstance(mask, np.ndarray):
        nibabel = require("nibabel", extra="mri", purpose="Reading the mask")
        image = mask if hasattr(mask, "dataobj") else nibabel.load(mask)
        mask = np.asanyarray(image.dataobj)
        # Masks are often saved with a fourth axis of length one.
        mask = mask[..., 0] if mask.ndim == 4 and mask.shape[3] == 1 else mask
        if mask.shape == shape and not np.allclose(image.affine, affine, atol=1e-3):
            raise ValueError(
                "mask lies elsewhere in space than the images (their affines differ); "
                "resample it to their grid."
            )
    if mask.shape != shape:
        raise ValueError(
            f"mask has a grid of {mask.shape} voxels but the images have {shape}; "
            "resample it to their grid."
        )
    return np.nan_to_num(mask) > 0


def _smooth(image: Any, columns: np.ndarray, fwhm: float) -> np.ndarray:
    """Smooth in space, a few scans at a time, and keep the voxels of the mask."""
    smooth_img = _nilearn("image", "Smoothing").smooth_img
    n_scans = image.shape[3]
    result = np.empty((n_scans, len(columns)), np.float32)
    for start in range(0, n_scans, _MEAN_SCANS):
        some = smooth_img(image.slicer[..., start : start + _MEAN_SCANS], fwhm)
        values = np.asanyarray(some.dataobj).reshape(-1, some.shape[3], order="F")
        result[start : start + _MEAN_SCANS] = values[columns].T
    return result


def _nilearn(module: str, purpose: str) -> Any:
    from importlib import import_module

    require("nilearn", extra="mri", purpose=purpose)
    return import_module(f"nilearn.{module}")


def _tr(image: Any) -> float | None:
    """Seconds between scans, where the header knows them."""
    header = image.header
    if not hasattr(header, "get_xyzt_units"):
        return None
    unit = header.get_xyzt_units()[1]
    step = float(header.get_zooms()[3]) * _SECONDS.get(unit, 0.0)
    return step if step > 0 else None
