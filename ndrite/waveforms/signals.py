"""The signals worth looking at first, by block, and what each says."""

from __future__ import annotations

from dataclasses import dataclass

TOP = "TOP.sim_top"
CORE = f"{TOP}.device.machine.core"


@dataclass(frozen=True)
class Signal:
    """``path`` in the waveform file; ``busy``: whether a 1 counts as a cycle of work of ``block``."""

    block: str
    path: str
    text: str
    busy: bool = False


SIGNALS = (
    Signal("clock", f"{TOP}.clk", "the one clock; a cycle is two time steps"),
    Signal("link in", f"{TOP}.rx_valid", "a byte of a packet comes in", True),
    Signal("link in", f"{TOP}.rx_data", "that byte, COBS-coded"),
    Signal("inputs", f"{CORE}.load", "an input code is written to the input buffer", True),
    Signal("inputs", f"{CORE}.load_data", "that code"),
    Signal("sequencer", f"{CORE}.sequencer.layer", "layer under way"),
    Signal("sequencer", f"{CORE}.sequencer.tile", "row tile under way"),
    Signal("sequencer", f"{CORE}.sequencer.column", "first column of the group under way"),
    Signal(
        "array", f"{CORE}.emitter_0.emit", "a row's input slice is multiplied and added in all lanes", True
    ),
    Signal("array", f"{CORE}.array.columns", "the columns' sums that leave the array"),
    Signal("readout", f"{CORE}.readout.shift", "columns are read out: noise, gain, clip", True),
    Signal("readout", f"{CORE}.readout.increments", "what they add to the partial sums"),
    Signal("neuron", f"{CORE}.activations.write", "a hidden neuron's output is written", True),
    Signal("neuron", f"{CORE}.activations.write_data", "that output, a code"),
    Signal("outputs", f"{CORE}.results.write", "an output of the network is written", True),
    Signal("outputs", f"{CORE}.results.write_data", "that output, signed 32 bit"),
    Signal("outputs", f"{CORE}.done", "the inference is done"),
    Signal("link out", f"{TOP}.tx_valid", "a byte of the answer goes out", True),
    Signal("link out", f"{TOP}.tx_data", "that byte, COBS-coded"),
)

BLOCKS = tuple(dict.fromkeys(s.block for s in SIGNALS if s.busy))
"""Blocks of a timeline, in the order the data meet them."""
