"""GIFTI and CIFTI runs as arrays of scans by vertices, and maps back."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._blocks import Blocks, mapped
from ._bold import Bold, same_targets
from ._optional import require

__all__ = ["read_cifti", "read_gifti"]


def read_gifti(runs: Sequence[Any], names: list[str], *, mask: Any = None) -> Bold:
    """Read functional GIFTI runs, whole: their numbers are compressed text."""
    nibabel = require("nibabel", extra="mri", purpose="Reading GIFTI images")
    images = [run if hasattr(run, "darrays") else nibabel.load(run) for run in runs]
    arrays = [_scans(image, name) for image, name in zip(images, names, strict=True)]
    same_targets(names, arrays)
    n_targets = arrays[0].shape[1]
    if mask is not None and not isinstance(mask, np.ndarray):
        loaded = mask if hasattr(mask, "darrays") else nibabel.load(mask)
        mask = loaded.darrays[0].data
    keep = _vertices(mask, n_targets)
    structure = images[0].meta.get("AnatomicalStructurePrimary")

    def back(values: np.ndarray) -> Any:
        whole = np.zeros(n_targets, np.float32)
        whole[keep] = values
        # Code 0: a statistic of no named distribution.
        array = nibabel.gifti.GiftiDataArray(whole, intent=0, datatype=16)
        image = nibabel.gifti.GiftiImage(darrays=[array])
        if structure is not None:
            image.meta["AnatomicalStructurePrimary"] = structure
        return image

    runs_ = arrays if keep.all() else [array[:, keep] for array in arrays]
    return Bold(runs=runs_, kind="gifti", suffix=".shape.gii", back=back)


def _scans(image: Any, name: str) -> np.ndarray:
    shapes = {array.data.shape for array in image.darrays}
    if len(shapes) != 1 or len(image.darrays) < 2 or len(next(iter(shapes))) != 1:
        raise ValueError(
            f"{name} does not hold one array of vertices per scan; give a functional "
            "GIFTI file, such as one ending in .func.gii."
        )
    return np.stack([array.data for array in image.darrays])


def _vertices(mask: Any, n_targets: int) -> np.ndarray:
    if mask is None:
        return np.ones(n_targets, bool)
    keep = np.nan_to_num(np.asarray(mask)) > 0
    if keep.shape != (n_targets,):
        raise ValueError(
            f"mask has shape {keep.shape} but the images have {n_targets} vertices."
        )
    if not keep.any():
        raise ValueError("mask is empty; give one that contains vertices.")
    return keep


def read_cifti(runs: Sequence[Any], names: list[str], *, mask: Any = None) -> Bold:
    """Read dense or parcellated CIFTI series; files stay on disk until sliced."""
    nibabel = require("nibabel", extra="mri", purpose="Reading CIFTI images")
    images = [
        run if hasattr(run, "nifti_header") else nibabel.load(run) for run in runs
    ]
    axes = [_axes(image, name) for image, name in zip(images, names, strict=True)]
    series, brain = axes[0]
    arrays = [_series(image) for image in images]
    same_targets(names, arrays)
    for name, (_, other) in zip(names, axes, strict=True):
        if other != brain:
            raise ValueError(
                f"{name} has other grayordinates than {names[0]}; runs must have the "
                "same."
            )
    keep = _vertices(mask, len(brain))
    if not keep.all():
        arrays = [_series(image, np.flatnonzero(keep)) for image in images]

    def back(values: np.ndarray) -> Any:
        whole = np.zeros((1, len(brain)), np.float32)
        whole[0, keep] = values
        cifti2 = nibabel.cifti2
        header = (cifti2.ScalarAxis(["map"]), brain)
        image = cifti2.Cifti2Image(whole, header=header)
        image.nifti_header.set_intent(f"NIFTI_INTENT_CONNECTIVITY_{intent}")
        return image

    dense = isinstance(brain, nibabel.cifti2.BrainModelAxis)
    intent = "DENSE_SCALARS" if dense else "PARCELLATED_SCALAR"
    return Bold(
        runs=arrays,
        kind="cifti",
        suffix=".dscalar.nii" if dense else ".pscalar.nii",
        back=back,
        tr=float(series.step) if series.unit == "SECOND" else None,
    )


def _axes(image: Any, name: str) -> tuple[Any, Any]:
    axes = [image.header.get_axis(index) for index in range(image.ndim)]
    if len(axes) != 2 or not hasattr(axes[0], "step") or hasattr(axes[1], "step"):
        raise ValueError(
            f"{name} is not a series of scans; give a CIFTI file ending in "
            ".dtseries.nii or .ptseries.nii."
        )
    return axes[0], axes[1]


def _series(image: Any, columns: np.ndarray | None = None) -> Blocks:
    proxy = image.dataobj
    if not hasattr(proxy, "file_like"):
        return Blocks(np.asanyarray(proxy), columns)
    file = mapped(proxy)
    return Blocks(file, columns, slope=proxy.slope, inter=proxy.inter, file=file)
