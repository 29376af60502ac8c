"""What a set of BOLD runs is, whatever the format of their files."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Bold", "same_targets"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Bold:
    """BOLD runs as arrays, and the way from maps back to images.

    Attributes
    ----------
    runs : list of sliceable (n_scans_i, n_targets)
        One per run, with the same targets. Images on disk are read when sliced.
    kind : {"nifti", "gifti", "cifti", "masker", "array"}
        Where they come from.
    suffix : str
        How the file of a map ends, such as ``".nii.gz"``.
    back : callable
        Turns a map (n_targets,) into an image of this kind.
    tr : float or None
        Seconds between scans, where the files say so.
    mask : bool array (n_x, n_y, n_z) or None
        Voxels that are targets, of volumes. Targets are ordered like
        ``numpy.argwhere(mask.T)[:, ::-1]``: the first axis runs fastest.
    affine : array (4, 4) or None
        From voxel indices to millimetres, of volumes.
    """

    runs: list[Any]
    kind: str
    suffix: str
    back: Callable[[np.ndarray], Any]
    tr: float | None = None
    mask: np.ndarray | None = None
    affine: np.ndarray | None = None

    def image(self, values: np.ndarray) -> Any:
        """Turn a map into an image in the format that the runs came in.

        Parameters
        ----------
        values : array (n_targets,)
            One number per target.

        Returns
        -------
        image
            NIfTI, GIFTI, CIFTI or surface image; the array itself for arrays.

        Raises
        ------
        ValueError
            If `values` has another shape.
        """
        values = np.asarray(values)
        n_targets = self.runs[0].shape[1]
        if values.shape != (n_targets,):
            raise ValueError(
                f"values has shape {values.shape} but a map of these images has "
                f"{n_targets} targets."
            )
        return self.back(values)

    def volume(self, values: np.ndarray) -> np.ndarray:
        """Put a map on the grid of its voxels.

        Parameters
        ----------
        values : array (n_targets,)
            One number per voxel of the mask.

        Returns
        -------
        array (n_x, n_y, n_z)
            NaN outside the mask.

        Raises
        ------
        ValueError
            If the runs are not volumes with a mask.
        """
        if self.mask is None:
            raise ValueError(f"maps of kind {self.kind!r} are not volumes with a mask.")
        grid = np.full(self.mask.shape, np.nan, np.result_type(values, np.float32))
        grid.T[self.mask.T] = values
        return grid

    def save(self, values: np.ndarray, path: str | os.PathLike) -> None:
        """Write a map to a file in the format that the runs came in.

        Parameters
        ----------
        values : array (n_targets,)
            One number per target.
        path : path
            File, ending in `suffix`.

        Raises
        ------
        ValueError
            If `values` has another shape or `path` another ending.
        """
        if not str(path).endswith(self.suffix):
            raise ValueError(f"{path} must end in {self.suffix}, as maps of these do.")
        image = self.image(values)
        if self.kind == "array":
            np.save(path, image)
            return
        # A surface image writes its data, one file per hemisphere.
        writer = image if hasattr(image, "to_filename") else image.data
        writer.to_filename(path)


def same_targets(names: list[str], runs: list[Any]) -> None:
    """Refuse runs that differ in their targets."""
    for name, run in zip(names, runs, strict=True):
        if run.shape[1] != runs[0].shape[1]:
            raise ValueError(
                f"{name} has {run.shape[1]} targets but {names[0]} has "
                f"{runs[0].shape[1]}; runs must have the same."
            )
