"""ConvImage: the chip images of a convolutional network, and what the host does between them.

A convolution is a chip image of two layers: the programmed one, and one that passes its neurons' codes on (an
identity of ones, read out exactly), because an image's last layer gives sums, not codes. The file is a zip
archive
of ``program.json`` and the images as ``.npz``.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.convolution.block import unblocked
from emulator.files import whole_file
from emulator.network import Patches, Pool
from emulator.network.patches import Pair
from emulator.spec import Program, ProgramError, Layer
from emulator.spec.brief import brief_repr
from emulator.spec.digest import FIELD, digest
from emulator.spec.schedule import bound_cycles

FORMAT, FORMAT_VERSION = "ndrite-convolution", 2
BYTES_MAX = 256 << 20
Infer = Callable[[Program, npt.NDArray[np.uint8], int], npt.NDArray[np.int32]]
"""Outputs int32 (n, outputs) of an image on input codes (n, inputs) from an inference index on."""


@dataclass(frozen=True, eq=False)
class StageImage:
    """One convolution: ``image`` takes one of the ``patches``; ``grid`` and ``block`` say where results go.

    ``shape`` (C, H, W) of what it is cut from; ``pad`` is the code of the border.
    """

    image: Program
    patches: Patches
    shape: tuple[int, int, int]
    grid: Pair
    block: Pair
    pool: Pool | None
    pad: int

    def cut(self, maps: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Input codes (n * blocks, K) of maps (n, C, H, W)."""
        _, height, width = self.patches.shape
        patches = self.patches.cut(maps[:, :, :height, :width], self.pad)
        return patches.reshape(-1, self.image.inputs)

    def place(self, y: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
        """Pooled maps (n, M, rows, columns) of the image's outputs (n * blocks, g * h * M)."""
        codes = y.astype(np.uint8).reshape(-1, self.patches.positions, y.shape[1])
        maps = unblocked(codes, self.grid, self.block)
        return maps if self.pool is None else self.pool(maps)


@dataclass(frozen=True, eq=False)
class ConvImage:
    """Stages, then the image of the fully connected rest; ``inputs`` are flat (channel, row, column)."""

    __repr__ = brief_repr

    name: str
    stages: tuple[StageImage, ...]
    tail: Program
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def inputs(self) -> int:
        return int(np.prod(self.stages[0].shape))

    @property
    def outputs(self) -> int:
        return self.tail.outputs

    def bound_cycles(self, lanes: int, at_once: int = 1) -> int:
        """Schedule bound of one inference: of every programmed layer, times the patches it is run on."""
        total = bound_cycles(self.tail, lanes, at_once)
        for stage in self.stages:
            passing = stage.image.layers[-1]
            extra = passing.inputs * -(-passing.outputs // lanes) * (8 // passing.dac_bits // at_once)
            total += stage.patches.positions * (bound_cycles(stage.image, lanes, at_once) - extra)
        return total

    def run(self, infer: Infer, x: npt.NDArray[np.uint8], *, first_index: int = 0) -> npt.NDArray[np.int32]:
        """Outputs int32 (n, outputs) of input codes uint8 (n, inputs).

        Patch p of inference i has the inference index i * patches + p in its stage, so the answer for i does
        not depend on what ran before it.

        Raises
        ------
        ProgramError
            When ``x`` has another size.
        """
        if x.ndim != 2 or x.shape[1] != self.inputs or x.dtype != np.uint8:
            raise ProgramError(f"x is {x.dtype} {x.shape}; accepted: uint8 (n, {self.inputs})")
        maps = x.reshape(len(x), *self.stages[0].shape)
        for stage in self.stages:
            y = infer(stage.image, stage.cut(maps), first_index * stage.patches.positions)
            maps = stage.place(y)
        return infer(self.tail, maps.reshape(len(maps), -1), first_index)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file in whole or not at all."""
        images = {f"stage{i}": stage.image for i, stage in enumerate(self.stages)} | {"tail": self.tail}
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "images": {name: image.manifest()[FIELD] for name, image in images.items()},
            "provenance": self.provenance,
            "stages": [
                {
                    "patches": asdict(stage.patches),
                    "shape": stage.shape,
                    "grid": stage.grid,
                    "block": stage.block,
                    "pool": None if stage.pool is None else asdict(stage.pool),
                    "pad": stage.pad,
                }
                for stage in self.stages
            ],
        }
        with (
            tempfile.TemporaryDirectory() as work,
            whole_file(Path(path)) as file,
            zipfile.ZipFile(file, "w") as archive,
        ):
            manifest[FIELD] = digest(manifest)
            archive.writestr("program.json", json.dumps(manifest, sort_keys=True))
            for name, image in images.items():
                image.save(Path(work) / f"{name}.npz")
                archive.write(Path(work) / f"{name}.npz", f"{name}.npz")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ConvImage:
        """Read a file.

        Raises
        ------
        FileNotFoundError
            When there is none.
        ProgramError
            When it is not of this format, or damaged.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such image file")
        try:
            return _read(path)
        except ProgramError as error:
            raise ProgramError(f"{path}: {error}") from None
        except (ValueError, KeyError, TypeError, zipfile.BadZipFile, OSError, RecursionError) as error:
            raise ProgramError(f"{path}: not a convolutional image ({error})") from None


def is_convolutional(path: str | os.PathLike[str]) -> bool:
    """Whether the file is a zip archive with a ``program.json``."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "program.json" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def passing_layer(columns: int, dac_bits: int) -> Layer:
    """The layer that gives codes as they are: y = x for every column, exactly, without noise."""
    ones = np.ones(columns, np.uint16)
    return Layer(
        weights=np.eye(columns, dtype=np.int16),
        bias=np.zeros(columns, np.int32),
        gain=ones,
        offset=np.zeros(columns, np.int16),
        scale=ones,
        curve=np.zeros(columns, np.uint16),
        readout="adc",
        dac_bits=dac_bits,
        adc_bits=12,
        shift=0,
    )


def _read(path: Path) -> ConvImage:
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as work:
        if sum(item.file_size for item in archive.infolist()) > BYTES_MAX:
            raise ProgramError(f"larger than {BYTES_MAX} bytes unpacked")
        manifest = json.loads(archive.read("program.json"))
        if manifest.get("format") != FORMAT or manifest.get("format_version") != FORMAT_VERSION:
            raise ProgramError(f"format is not {FORMAT} {FORMAT_VERSION}; compile the network again")
        if manifest.get(FIELD) != digest(manifest):
            raise ProgramError("checksum differs: program.json is not what the file was written with")

        def image(name: str) -> Program:
            target = Path(work) / "image.npz"
            target.write_bytes(archive.read(f"{name}.npz"))
            part = Program.load(target)
            if part.manifest()[FIELD] != manifest["images"][name]:
                raise ProgramError(f"checksum differs: {name}.npz is not the one the file was written with")
            return part

        stages = tuple(
            StageImage(
                image(f"stage{i}"),
                Patches(**_tuples(entry["patches"])),
                tuple(entry["shape"]),
                tuple(entry["grid"]),
                tuple(entry["block"]),
                None if entry["pool"] is None else Pool(**_tuples(entry["pool"])),
                int(entry["pad"]),
            )
            for i, entry in enumerate(manifest["stages"])
        )
        return ConvImage(str(manifest["name"]), stages, image("tail"), dict(manifest["provenance"]))


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}
