"""Signal lists beside a waveform file: for GTKWave (.gtkw) and Surfer (.sucl, a command file)."""

from __future__ import annotations

from pathlib import Path

from emulator.files import whole_file
from ndrite.waveforms.signals import SIGNALS
from ndrite.waveforms.vcd import read_widths


def write_lists(waveform: Path) -> tuple[Path, Path]:
    """Write both beside ``waveform``; their paths, GTKWave's first."""
    widths = read_widths(waveform)
    gtkw = [f'[dumpfile] "{waveform.name}"', "[timestart] 0"]
    surfer = []
    block = ""
    for signal in SIGNALS:
        if signal.block != block:
            block = signal.block
            gtkw += ["@200", f"-{block}"]
            surfer.append(f"divider_add {block}")
        width = widths.get(signal.path)
        if width is None:
            continue
        gtkw += ["@28" if width == 1 else "@22", signal.path + ("" if width == 1 else f"[{width - 1}:0]")]
        surfer.append(f"variable_add {signal.path}")
    surfer.append("zoom_fit")
    paths = waveform.with_suffix(".gtkw"), waveform.with_suffix(".sucl")
    for path, lines in zip(paths, (gtkw, surfer), strict=True):
        with whole_file(path) as file:
            file.write(("\n".join(lines) + "\n").encode())
    return paths
