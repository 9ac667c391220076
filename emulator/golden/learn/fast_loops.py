"""The compiled loops of ``ndrite.emulator.golden.learn.fast``: importing this needs numba.

Pulses are events. Those of a layer are gathered first; then their words, and what they
do, are worked out side by side. One file, because numba's cache knows no other.

Everything of all layers lies in one array, one behind the other. Values that are passed
together are a NamedTuple, which numba passes as if they were single parameters.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ndrite.emulator.golden.fast_noise import LOOP, Int, Int32s, Uint16s, Uint32s, deviation, keys, rounds
from ndrite.emulator.golden.learn.devices import pair_constants
from ndrite.emulator.spec import learning as spec
from ndrite.emulator.spec.arithmetic import Codes, Ints

Int16s = npt.NDArray[np.int16]

U16, U32 = np.uint16, np.uint32
PAIR_CONSTANTS = pair_constants()
PULSE_CONSTANTS = np.array([spec.pulse_constant(i) for i in range(spec.SLOTS_MAX)], np.uint16)
MIX = tuple(U16(spec.round_constant(i)) for i in range(spec.MIX_ROUNDS))
S1, S2, S8, S14, S15 = U16(1), U16(2), U16(8), U16(14), U16(15)

# Indices of the fields in the row of parameters that describes one layer.
(
    INPUTS, OUTPUTS, AT_STATE, AT_WEIGHT, AT_COLUMN, ANALOG, DAC_BITS, ADC_BITS, SHIFT, VSHIFT, SEGMENT_BITS,
    TABLE_BITS, SIGMA_OUT, VAR_CELL, BIAS_GAIN, BIAS_SHIFT, ROW_RATE, ROW_SHIFT, COLUMN_RATE, COLUMN_SHIFT,
    BACK_GAIN, BACK_SHIFT, BACK_BITS, BACK_SIGMA, BACK_VAR, SLOPE_OF_SHIFT, SLOPE_UP, SLOPE_DOWN, STEP_SHIFT,
    TILE_ROWS, AT_INPUT, TUNED_BITS, EVERY, THRESHOLD, CHOPPED, FAST_ROW, STEPPED,
    TILES, GAMMA, RATIO, PASS_RATE, PASS_SHIFT, READ_SIGMA,
) = range(43)  # fmt: skip
# A device law's tables are one array: pulse deviations, steps up, steps down, noise
# steps (the step sizes to which pulse deviations are relative). This is the offset
# of the noise steps.
NOISE_STEPS = spec.LEVELS + 2 * spec.STATE_PARTS
# Numbers of a layer's device laws: for the weights' devices, its neurons' ECRAMs,
# its fast devices.
OWN, TUNED, FAST = range(3)
# Indices of the rows of the array that holds the parameters of all columns.
BIAS, GAIN, OFFSET, SCALE, CURVE, FIRST = range(6)
# Indices of the rows of the array that holds, for each column, what an update computes:
# sum, error, error of the neuron's ECRAM, derivatives of the output with respect to the
# sum and to the ECRAM's state.
Z, ERROR, OF_NEURONS, CHANGE, STATE = range(5)
# Indices of the key schedules (round keys) of the random streams: read noise forward,
# read noise backward, pulse trains, deviations of pulses.
READ, BACK, TRAIN, CYCLE = range(4)


class Update(NamedTuple):
    """Numbers of a layer and of an update: under both together the random words of a
    layer are generated."""

    layer: int
    number: np.uint32


class Samples(NamedTuple):
    """Input codes uint8 (n, inputs), labels int64 (n,), and the number of the
    first sample's update."""

    codes: Codes
    labels: Ints
    first: int


class Curves(NamedTuple):
    """Bases and slopes of the piecewise-linear curves of all neurons (curves, segments)."""

    base: Int32s
    slope: Int32s


class Laws(NamedTuple):
    """Device laws of all layers: parameters int64 (3, L, 43) and tables int64 (L, 3, 272)."""

    parameters: Ints
    tables: Ints


class Law(NamedTuple):
    """Device law of one layer: its row of parameters int64 (43,), and its
    tables int64 (272,)."""

    parameters: Ints
    tables: Ints


class Die(NamedTuple):
    """Weights int16 and device states int32 of all layers, the parameters int64 (6,
    columns) of all columns, and the constants of every device: sizes of its steps up
    and down, lowest and highest state."""

    weights: Int16s
    columns: Ints
    states: Int32s
    own: tuple[Int16s, Int16s, Int32s, Int32s]


class Device(NamedTuple):
    """A device that receives pulses: row, column, whether its state rises, its step in
    that direction, its lowest and highest state."""

    row: np.uint16
    column: np.uint16
    rises: bool
    step: np.int64
    low: np.int64
    high: np.int64


class Streams(NamedTuple):
    """The random streams: key schedules uint32 (4, rounds), the Gaussian
    table int64 (1024,), the number of time slots of a pulse train, and
    whether there is read noise."""

    schedules: Uint32s
    table: Ints
    slots: int
    noise: bool


class Pulses(NamedTuple):
    """A list of devices that are pulsed: row, column, number of pulses; memory for
    their random words and for the numbers of the pulsed columns."""

    row: Uint16s
    column: Uint16s
    number: Ints
    x: Uint16s
    y: Uint16s
    live: Ints


class Work(NamedTuple):
    """The random streams, and working memory in which no call leaves anything for the
    next: a key (4,); numbers from 0 on, zeros, random words, thresholds and sums, each
    as long as the widest layer."""

    schedules: Uint32s
    table: Ints
    slots: int
    noise: bool
    key: Uint16s
    numbers: Uint16s
    zeros: Uint16s
    x: Uint16s
    y: Uint16s
    thresholds: Int32s
    sums: Int32s
    a: Ints


class Rate(NamedTuple):
    """Probability of a pulse in a time slot for a value: ``|value| * rate >> shift`` in
    units of 1/65536, at most 1. ``side`` says whether the pulses are for rows, columns,
    neurons or tiles."""

    side: int
    rate: Int
    shift: Int


@njit(**LOOP, inline="always")
def rounded(v: np.int64, shift: Int) -> np.int64:
    """Return rshift_round(v, shift) of an int64 number."""
    if shift == 0:
        return v
    return (v + (np.int64(1) << (shift - 1))) >> shift


@njit(**LOOP, inline="always")
def held_in(v: np.int64, low: Int, high: Int) -> np.int64:
    """Return ``v`` clipped to ``low..high``."""
    return min(max(v, np.int64(low)), np.int64(high))


@njit(**LOOP)
def key_of(schedule: Uint32s, counter: int, update: np.uint32, key: Uint16s) -> None:
    """Encrypt (update, counter) and write the result, a key of four words, to
    ``key`` uint16 (4,)."""
    index, x, y = np.array([U32(update)]), np.empty(1, np.uint32), np.empty(1, np.uint32)
    keys(counter, schedule, index, x, y, key.reshape(4, 1))


@njit(**LOOP, inline="always")
def words(key: Uint16s, row: Uint16s, column: Uint16s, x: Uint16s, y: Uint16s) -> None:
    """Encrypt the devices' (column, row) under a key; write both halves of the results
    to x and y, uint16 (n,)."""
    k0, k1, k2, k3 = key[0], key[1], key[2], key[3]
    for i in range(row.shape[0]):
        x[i], y[i] = rounds(column[i], U16(row[i] ^ k3), k0, k1, k2, k3)


@njit(**LOOP, inline="always")
def simon(x: np.uint16, y: np.uint16, c: np.uint16) -> tuple[np.uint16, np.uint16]:
    """Apply one mixing round (Simon32 without a key) to uint16 numbers x, y."""
    f = U16(
        U16(U16(U16(x << S1) | U16(x >> S15)) & U16(U16(x << S8) | U16(x >> S8)))
        ^ U16(U16(x << S2) | U16(x >> S14))
    )
    return U16(U16(y ^ f) ^ c), x


@njit(**LOOP)
def trains(values: Ints, rate: Rate, update: Update, work: Work, out: Uint32s) -> None:
    """Sample a random pulse train for each of ``values`` (n,), as bits of
    ``out`` uint32 (n,)."""
    x, y, thresholds = work.x, work.y, work.thresholds
    n, count = out.shape[0], work.slots
    for j in range(n):
        threshold = (abs(np.int64(values[j])) * rate.rate) >> rate.shift
        thresholds[j] = np.int32(min(threshold, np.int64(65536)))
    counter = (update.layer << 24) | (rate.side << 8)
    key_of(work.schedules[TRAIN], counter, update.number, work.key)
    words(work.key, work.zeros[:n], work.numbers[:n], x, y)
    out[:] = U32(0)
    for p in range((count + 1) // 2):
        c, first, second = PAIR_CONSTANTS[p], U32(2 * p), U32(2 * p + 1)
        second_slot = U32(1) if 2 * p + 1 < count else U32(0)
        for i in range(n):
            a, b = U16(x[i] ^ c), y[i]
            for constant in MIX:
                a, b = simon(a, b, constant)
            low = U32(np.int32(a) < thresholds[i])
            high = U32(np.int32(b) < thresholds[i])
            out[i] = U32(out[i] | U32(U32(low << first) | U32(U32(high & second_slot) << second)))


@njit(**LOOP)
def gather(rows: Uint32s, columns: Uint32s, first: int, pulses: Pulses) -> int:
    """List the devices whose row and column are pulsed in the same time slot: row (plus
    ``first``), column, and number of such time slots. Return the length of the list."""
    k, m, n, live_columns = pulses.row, pulses.column, pulses.number, pulses.live
    live = count = 0
    for j in range(columns.shape[0]):
        if columns[j] != U32(0):
            live_columns[live] = j
            live += 1
    for i in range(rows.shape[0]):
        train = rows[i]
        if train == U32(0):
            continue
        for j in range(live):
            column = live_columns[j]
            coincident = U32(train & columns[column])
            if coincident != U32(0):
                coincident = U32(coincident - U32(U32(coincident >> U32(1)) & U32(0x55555555)))
                coincident = U32(
                    U32(coincident & U32(0x33333333)) + U32(U32(coincident >> U32(2)) & U32(0x33333333))
                )
                coincident = U32(U32(coincident + U32(coincident >> U32(4))) & U32(0x0F0F0F0F))
                k[count], m[count] = U16(first + i), U16(column)
                n[count] = np.int64(U32(U32(coincident * U32(0x01010101)) >> U32(24)))
                count += 1
    return count


@njit(**LOOP, inline="always")
def read_as(s: np.int64) -> np.int16:
    """Return the weight code that a device state s is read as: rounded to code
    steps and clipped."""
    return np.int16(held_in(rounded(s, spec.CODE_SHIFT), -spec.WEIGHT_MAX, spec.WEIGHT_MAX))


@njit(**LOOP)
def composite(layer: Ints, states: Int32s, row: Int, column: Int) -> np.int16:
    """Return the weight code of the layer's own device at ``row`` and ``column``, with
    the weighted states of the tiles that refine it added before rounding."""
    width, height, count = layer[OUTPUTS], layer[INPUTS] + 1, layer[TILES]
    total = np.int64(states[layer[AT_STATE] + row * width + column]) << spec.FACTOR_SHIFT
    factor = np.int64(1) << spec.FACTOR_SHIFT
    for before in range(count):
        factor = rounded(factor * layer[GAMMA], spec.FACTOR_SHIFT)
        tile_row = layer[FAST_ROW] + (count - 1 - before) * height + row
        tile = layer[AT_STATE] + tile_row * width + column
        total += factor * (np.int64(states[tile]) - np.int64(states[tile + count * height * width]))
    shift = spec.CODE_SHIFT + spec.FACTOR_SHIFT
    return np.int16(held_in(rounded(total, shift), -spec.WEIGHT_MAX, spec.WEIGHT_MAX))


@njit(**LOOP)
def pulsed(law: Law, s: np.int64, many: Int, device: Device, key: Uint16s) -> np.int64:
    """Return the state of a device after ``many`` pulses in state ``s``. Used for
    devices with coarse steps (pulses applied one after the other), for laws with a step
    table, and for tiles.

    A function of its own: the usual law's loop is quicker without it.
    """
    parameters, tables, rises = law.parameters, law.tables, device.rises
    shift, slope = parameters[STEP_SHIFT], parameters[SLOPE_UP] if rises else parameters[SLOPE_DOWN]
    serial = shift < spec.SERIAL_SHIFT
    at_once = np.int64(1) if serial else many
    for pulse in range(many if serial else 1):
        first = U16(key[0] ^ PULSE_CONSTANTS[pulse])
        a, b = rounds(device.column, U16(device.row ^ key[3]), first, key[1], key[2], key[3])
        if parameters[STEPPED] == 0:
            factor = held_in(spec.FACTOR_ONE - rounded(slope * s, spec.SLOPE_SHIFT), 0, spec.FACTOR_MAX)
            step = noise_step = rounded(device.step * factor, 8)
        else:
            part = held_in((s + spec.STATE_ONE) >> spec.PART_SHIFT, 0, spec.STATE_PARTS - 1)
            part += 0 if rises else spec.STATE_PARTS
            step = rounded(device.step * tables[spec.LEVELS + part], 8)
            noise_step = rounded(device.step * tables[NOISE_STEPS + part], 8)
        deviation = tables[b & U16(15)] + tables[U16(b >> U16(4)) & U16(15)]
        scattered = rounded(spec.ROOTS[at_once] * deviation, 8)
        moved = (at_once << spec.COUNT_SHIFT) * step + scattered * noise_step
        moved = (moved + np.int64(a >> U16(16 - shift))) >> shift
        s = held_in(s + moved if rises else s - moved, device.low, device.high)
    return s


@njit(**LOOP)
def change(
    law: Law, count: int, error: Ints, update: Update, die: Die, work: Work, devices: Pulses
) -> np.int64:
    """Apply the first ``count`` of ``devices`` to the states of one layer, by the law
    of the layer's devices; return the number of pulses. A negative pulse count marks a
    row whose chopper is reversed."""
    k, m, n, x, y, _ = devices
    weights, states, (up, down, low, high), key = die.weights, die.states, die.own, work.key
    key_of(work.schedules[CYCLE], update.layer << 24, update.number, key)
    layer, tables = law.parameters, law.tables
    width, place, at_weight, inputs = layer[OUTPUTS], layer[AT_STATE], layer[AT_WEIGHT], layer[INPUTS]
    shift, slope_up, slope_down = layer[STEP_SHIFT], layer[SLOPE_UP], layer[SLOPE_DOWN]
    total = np.int64(0)
    if shift < spec.SERIAL_SHIFT or layer[STEPPED] != 0 or layer[TILES] != 0:
        for i in range(count):
            row, column = np.int64(k[i]), np.int64(m[i])
            where = place + row * width + column
            rises, many = (error[column] > 0) == (n[i] > 0), abs(n[i])
            step = np.int64(up[where] if rises else down[where])
            device = Device(k[i], m[i], rises, step, np.int64(low[where]), np.int64(high[where]))
            states[where] = np.int32(pulsed(law, np.int64(states[where]), many, device, key))
            if layer[TILES] != 0 and row >= layer[FAST_ROW]:
                row = (row - layer[FAST_ROW]) % (inputs + 1)
            if row < inputs:
                weights[at_weight + row * width + column] = composite(layer, states, row, column)
            total += many
        return total
    words(key, k[:count], m[:count], x, y)
    for i in range(count):
        row, column = np.int64(k[i]), np.int64(m[i])
        where = place + row * width + column
        s = np.int64(states[where])
        rises, many = (error[column] > 0) == (n[i] > 0), abs(n[i])
        slope = slope_up if rises else slope_down
        factor = held_in(spec.FACTOR_ONE - rounded(slope * s, spec.SLOPE_SHIFT), 0, spec.FACTOR_MAX)
        step = rounded(np.int64(up[where] if rises else down[where]) * factor, 8)
        deviation = tables[y[i] & U16(15)] + tables[U16(y[i] >> U16(4)) & U16(15)]
        pulses = (many << spec.COUNT_SHIFT) + rounded(spec.ROOTS[many] * deviation, 8)
        moved = (pulses * step + np.int64(x[i] >> U16(16 - shift))) >> shift
        s = held_in(s + moved if rises else s - moved, np.int64(low[where]), np.int64(high[where]))
        states[where] = np.int32(s)
        if row < inputs:
            weights[at_weight + row * width + column] = read_as(s)
        total += many
    return total


@njit(**LOOP)
def noisy(values: Ints, s: np.int64, work: Work) -> None:
    """Add read noise of scale ``s`` to values int64 (n,). The random samples are
    generated under the key in ``work``."""
    x, y, table, n = work.x, work.y, work.table, values.shape[0]
    words(work.key, work.zeros[:n], work.numbers[:n], x, y)
    for i in range(n):
        a = y[i] & U16(1023)
        b = U16(U16(y[i] >> U16(10)) | U16(x[i] << U16(6))) & U16(1023)
        values[i] += (s * np.int64(table[a] + table[b]) + 128) >> 8


@njit(**LOOP)
def forward(layer: Ints, update: Update, x: Codes, die: Die, work: Work, z: Ints) -> None:
    """Compute the sums z int64 (M,) of one layer, the inputs of its neurons, from input
    codes x uint8 (K,)."""
    weights, columns, sums, a = die.weights, die.columns, work.sums, work.a
    states, schedule, key = die.states, work.schedules[READ], work.key
    inputs, width, place, rows_per_tile = layer[INPUTS], layer[OUTPUTS], layer[AT_COLUMN], layer[TILE_ROWS]
    d, top = layer[DAC_BITS], np.int64(1) << (layer[ADC_BITS] - 1)
    reads_noise = work.noise and (layer[SIGMA_OUT] != 0 or layer[VAR_CELL] != 0)
    for j in range(width):
        w = composite(layer, states, inputs, j)
        z[j] = columns[BIAS, place + j] + rounded(np.int64(w) * layer[BIAS_GAIN], layer[BIAS_SHIFT])
    for tile in range((inputs + rows_per_tile - 1) // rows_per_tile):
        begin = tile * rows_per_tile
        for part in range(8 // d):
            energy = np.int64(0)
            sums[:width] = 0
            for k in range(begin, min(inputs, begin + rows_per_tile)):
                code = np.int32(np.int32(x[k]) >> np.int32(part * d)) & np.int32((1 << d) - 1)
                if code != 0:
                    energy += code * code
                    row = weights[layer[AT_WEIGHT] + k * width :]
                    for j in range(width):
                        sums[j] = np.int32(sums[j] + np.int32(np.int32(row[j]) * np.int32(code)))
            for j in range(width):  # numba compiles a loop faster than a slice
                a[j] = sums[j]
            if reads_noise:
                counter = (update.layer << 24) | (tile << 8) | part
                key_of(schedule, counter, update.number, key)
                noisy(a[:width], deviation(energy, layer[SIGMA_OUT], layer[VAR_CELL]), work)
            for j in range(width):
                c = a[j]
                if layer[ANALOG] == 0:
                    c = rounded(c * columns[GAIN, place + j], layer[SHIFT]) + columns[OFFSET, place + j]
                    c = held_in(c, -top, top - 1)
                z[j] += c << (part * d)


@njit(**LOOP)
def line_of(layer: Ints, curves: Curves, curve: Int, v: np.int64) -> np.int64:
    """Return the rounded output of a neuron's piecewise-linear ``curve`` at voltage
    code ``v``, before it is clipped to a code."""
    f, (base, slope) = layer[SEGMENT_BITS], curves
    segment, r = (v + 2048) >> f, (v + 2048) & ((1 << f) - 1)
    line = (np.int64(base[curve, segment]) << f) + np.int64(slope[curve, segment]) * r
    return rounded(line, f + layer[TABLE_BITS])


@njit(**LOOP)
def neurons(layer: Ints, columns: Ints, curves: Curves, known: Ints, y: Codes) -> None:
    """Compute output codes y uint8 (M,) of a layer's neurons from the sums in
    ``known``. Store in ``known`` the derivatives of y with respect to the sum and to
    the ECRAM's state."""
    for j in range(layer[OUTPUTS]):
        column = layer[AT_COLUMN] + j
        curve, scale = columns[CURVE, column], columns[SCALE, column]
        v = held_in(rounded(known[Z, column] * scale, layer[VSHIFT]), -2048, 2047)
        line = line_of(layer, curves, curve, v)
        y[j] = np.uint8(held_in(line, 0, 255))
        known[CHANGE, column] = known[STATE, column] = 0
        if v != -2048 and v != 2047 and line >= 0 and line <= 255:
            steep = np.int64(curves.slope[curve, (v + 2048) >> layer[SEGMENT_BITS]])
            moved = rounded(steep * scale, layer[SLOPE_OF_SHIFT])
            known[CHANGE, column] = held_in(moved, spec.DERIVATIVE_MIN, spec.DERIVATIVE_MAX)
        if layer[TUNED_BITS] != 0:
            above = min(curve + 1, columns[FIRST, column] + (1 << layer[TUNED_BITS]) - 1)
            code_above = held_in(line_of(layer, curves, above - 1, v), 0, 255)
            known[STATE, column] = held_in(line_of(layer, curves, above, v), 0, 255) - code_above


@njit(**LOOP)
def backward(layer: Ints, before: int, update: Update, known: Ints, weights: Int16s, work: Work) -> None:
    """Propagate the errors of ``layer`` back: compute the errors of the previous
    layer's columns and of its neurons' ECRAMs. ``before`` is the number of the previous
    layer's first column."""
    inputs, width, place = layer[INPUTS], layer[OUTPUTS], layer[AT_COLUMN]
    error, t = known[ERROR, place : place + width], known[ERROR, before : before + inputs]
    energy = np.int64(0)
    for j in range(width):
        energy += error[j] * error[j]
    for k in range(inputs):
        total = np.int64(0)
        row = weights[layer[AT_WEIGHT] + k * width :]
        for j in range(width):
            total += np.int64(row[j]) * error[j]
        t[k] = total
    if work.noise and (layer[BACK_SIGMA] != 0 or layer[BACK_VAR] != 0):
        key_of(work.schedules[BACK], update.layer << 24, update.number, work.key)
        noisy(t, deviation(energy, layer[BACK_SIGMA], layer[BACK_VAR]), work)
    half = np.int64(1) << (layer[BACK_BITS] - 1)
    for k in range(inputs):
        c = held_in(rounded(t[k] * layer[BACK_GAIN], layer[BACK_SHIFT]), -half, half - 1)
        t[k], known[OF_NEURONS, before + k] = c * known[CHANGE, before + k], c * known[STATE, before + k]


@njit(**LOOP)
def scaled(t: Ints) -> int:
    """Scale the errors t int64 (K,) in place to 8-bit magnitudes with a sign, and
    return the exponent of two that all of them share."""
    top = np.int64(0)
    for k in range(t.shape[0]):
        top = max(top, abs(t[k]))
    if top == 0:
        return 0
    exponent = -8
    while top:
        top >>= 1
        exponent += 1
    for k in range(t.shape[0]):
        value = rounded(t[k], exponent) if exponent > 0 else t[k] << -exponent
        t[k] = held_in(value, -255, 255)
    return exponent


@njit(**LOOP)
def tune(layer: Ints, columns: Ints, states: Int32s) -> None:
    """Select each neuron's curve by the state of the neuron's ECRAM."""
    first_column, width, bits = layer[AT_COLUMN], layer[OUTPUTS], layer[TUNED_BITS]
    first = layer[AT_STATE] + (layer[INPUTS] + 1) * width
    for j in range(width):
        code = np.int64(read_as(np.int64(states[first + j])))
        columns[CURVE, first_column + j] = columns[FIRST, first_column + j] + ((code + 256) >> (9 - bits))


@njit(**LOOP, inline="always")
def readings(layer: Ints, row: Int, update: np.uint32) -> np.int64:
    """Return how many times a row of fast devices has been read before ``update``."""
    height = layer[INPUTS] + 1
    count: np.int64 = (np.int64(update) // layer[EVERY] + height - 1 - row) // height
    return count


@njit(**LOOP, inline="always")
def turned(layer: Ints, row: Int, update: np.uint32) -> Int:
    """Return 1 if the chopper of a row of fast devices is in its reversed position in
    ``update``, else 0."""
    return 0 if layer[CHOPPED] == 0 else readings(layer, row, update) // layer[CHOPPED] & 1


@njit(**LOOP)
def read_row(layer: Ints, row: Int, block: int, update: Update, states: Int32s, work: Work) -> None:
    """Read the states of a row of fast devices, or of tile number ``block``, and store
    them, with read noise, in ``work.a``."""
    a, width = work.a, layer[OUTPUTS]
    for j in range(width):
        a[j] = states[layer[AT_STATE] + row * width + j]
    if work.noise and layer[READ_SIGMA] != 0:
        counter = (update.layer << 24) | ((spec.READINGS + block) << 8)
        key_of(work.schedules[BACK], counter, update.number, work.key)
        noisy(a[:width], layer[READ_SIGMA], work)


@njit(**LOOP)
def carry(layer: Ints, update: Update, states: Int32s, work: Work, devices: Pulses) -> int:
    """Read the row of fast devices whose turn it is and add the reading to that row's
    accumulators. List in ``devices`` the pulses that the layer's own devices then
    receive, and return their number. ``work.a`` receives the accumulator sums, taken
    before these pulses are subtracted; their signs are the directions of the pulses."""
    k, m, n, a = devices.row, devices.column, devices.number, work.a
    width, height, pulse_rows = layer[OUTPUTS], layer[INPUTS] + 1, 0
    row = (np.int64(update.number) // layer[EVERY]) % height
    read_row(layer, layer[FAST_ROW] + row, 0, update, states, work)
    sums = layer[AT_STATE] + (layer[FAST_ROW] + height + row) * width
    reference = sums + height * width
    sign = 1 - 2 * turned(layer, row, update.number)
    turns = layer[CHOPPED] != 0 and (readings(layer, row, update.number) + 1) % layer[CHOPPED] == 0
    for j in range(width):
        read = read_as(a[j] - np.int64(states[reference + j]))
        if turns:
            states[reference + j] = np.int32(read_as(a[j])) << np.int32(spec.CODE_SHIFT)
        total = np.int64(states[sums + j]) + sign * np.int64(read)
        pulses = min(abs(total) // layer[THRESHOLD], spec.SLOTS_MAX)
        remainder = total - pulses * layer[THRESHOLD] if total > 0 else total + pulses * layer[THRESHOLD]
        states[sums + j] = np.int32(held_in(remainder, spec.STATE_MIN, spec.STATE_MAX))
        a[j] = total
        if pulses:
            k[pulse_rows], m[pulse_rows], n[pulse_rows] = U16(row), U16(j), pulses
            pulse_rows += 1
    return pulse_rows


@njit(**LOOP)
def learn(samples: Samples, laws: Laws, curves: Curves, die: Die, streams: Streams, pulses: Ints) -> int:
    """Do one update of all layers for each sample; return how many samples were
    classified correctly before their update. Adds the number of pulses in each layer to
    ``pulses`` int64 (L,)."""
    (inputs, labels, first), layers = samples, laws.parameters[OWN]
    columns, states = die.columns, die.states
    count, last = layers.shape[0], layers[layers.shape[0] - 1]
    widest = devices = 0
    for i in range(count):
        height, width = layers[i, INPUTS] + 1, layers[i, OUTPUTS]
        widest, devices = max(widest, height, width), max(devices, height * width)
    halves, trained = np.empty((2, widest), np.uint16), np.empty((2, widest), np.uint32)
    numbers, zeros = np.arange(widest).astype(np.uint16), np.zeros(widest, np.uint16)
    key, thresholds = np.empty(4, np.uint16), np.empty(widest, np.int32)
    sums, a = np.empty(widest, np.int32), np.empty(widest, np.int64)
    listed, n = np.empty((4, devices), np.uint16), np.empty(devices, np.int64)
    pulsed_devices = Pulses(listed[0], listed[1], n, listed[2], listed[3], np.empty(widest, np.int64))
    x, y = halves[0], halves[1]
    work = Work(
        streams.schedules,
        streams.table,
        streams.slots,
        streams.noise,
        key,
        numbers,
        zeros,
        x,
        y,
        thresholds,
        sums,
        a,
    )
    codes = np.empty(last[AT_INPUT] + last[INPUTS] + 1 + last[OUTPUTS], np.uint8)
    per_column = np.empty((5, last[AT_COLUMN] + last[OUTPUTS]), np.int64)
    exponents, tuned_exponents = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for i in range(count):
        if layers[i, TUNED_BITS] != 0:
            tune(layers[i], columns, states)
    right = 0
    for sample in range(inputs.shape[0]):
        number = U32((first + sample) & 0xFFFFFFFF)
        for k in range(inputs.shape[1]):
            codes[k] = inputs[sample, k]
        for i in range(count):
            layer = layers[i]
            first_column, first_input = layer[AT_COLUMN], layer[AT_INPUT]
            end, to = first_column + layer[OUTPUTS], first_input + layer[INPUTS] + 1
            codes[to - 1] = np.uint8(255)  # input of the bias row
            z = per_column[Z, first_column:end]
            forward(layer, Update(i, number), codes[first_input:to], die, work, z)
            neurons(layer, columns, curves, per_column, codes[to : to + layer[OUTPUTS]])
        first_column, answer, label = last[AT_COLUMN], last[AT_INPUT] + last[INPUTS] + 1, labels[sample]
        best = 0
        for j in range(last[OUTPUTS]):
            per_column[ERROR, first_column + j] = (255 if j == label else 0) - np.int64(codes[answer + j])
            if per_column[Z, first_column + j] > per_column[Z, first_column + best]:
                best = j
        right += best == label
        for i in range(count - 1, 0, -1):
            before = layers[i - 1, AT_COLUMN]
            behind = before + layers[i, INPUTS]
            backward(layers[i], before, Update(i, number), per_column, die.weights, work)
            tuned_exponents[i - 1] = exponents[i] + scaled(per_column[OF_NEURONS, before:behind])
            exponents[i - 1] = exponents[i] + scaled(per_column[ERROR, before:behind])
        for i in range(count):
            layer, update = layers[i], Update(i, number)
            first_input, height, width = layer[AT_INPUT], layer[INPUTS] + 1, layer[OUTPUTS]
            begin, end = layer[AT_COLUMN], layer[AT_COLUMN] + width
            moved, rows, lines = per_column[ERROR, begin:end], trained[0, :height], trained[1, :width]
            rate = Rate(spec.ROWS, layer[ROW_RATE], layer[ROW_SHIFT])
            for k in range(height):  # int64 like ``moved``, so that numba compiles ``trains`` only once
                a[k] = codes[first_input + k]
            trains(a[:height], rate, update, work, rows)
            shift = held_in(layer[COLUMN_SHIFT] - exponents[i], 0, 63)
            trains(moved, Rate(spec.COLUMNS, layer[COLUMN_RATE], shift), update, work, lines)
            array = FAST if layer[EVERY] != 0 else OWN
            pulse_rows = gather(rows, lines, layer[FAST_ROW] if array == FAST else 0, pulsed_devices)
            for j in range(pulse_rows if layer[CHOPPED] != 0 else 0):
                n[j] *= 1 - 2 * turned(layer, np.int64(pulsed_devices.row[j]) - layer[FAST_ROW], number)
            law = Law(laws.parameters[array, i], laws.tables[i, array])
            pulses[i] += change(law, pulse_rows, moved, update, die, work, pulsed_devices)
            period, source = layer[EVERY], layer[FAST_ROW]
            for block in range(layer[TILES]):
                if (np.int64(number) + 1) % period == 0:
                    row = (np.int64(number) // period) % height
                    read_row(layer, source + row, block, update, states, work)
                    reference = layer[AT_STATE] + (source + row + layer[TILES] * height) * width
                    for j in range(width):
                        a[j] = read_as(a[j] - np.int64(states[reference + j]))
                    rate = Rate(spec.TILES + block, layer[PASS_RATE], layer[PASS_SHIFT])
                    trains(a[:width], rate, update, work, lines)
                    rows[0] = U32(0xFFFFFFFF)
                    own = block == layer[TILES] - 1
                    to_row = row if own else source + height + row
                    pulse_rows = gather(rows[:1], lines, to_row, pulsed_devices)
                    kind = OWN if own else FAST
                    law = Law(laws.parameters[kind, i], laws.tables[i, kind])
                    pulses[i] += change(law, pulse_rows, a, update, die, work, pulsed_devices)
                period, source = period * layer[RATIO], source + height
            if array == FAST and layer[TILES] == 0 and (np.int64(number) + 1) % layer[EVERY] == 0:
                pulse_rows = carry(layer, update, states, work, pulsed_devices)
                law = Law(layer, laws.tables[i, OWN])
                pulses[i] += change(law, pulse_rows, a, update, die, work, pulsed_devices)
            if layer[TUNED_BITS] == 0:
                continue
            tuned, moved = laws.parameters[TUNED, i], per_column[OF_NEURONS, begin:end]
            shift = held_in(tuned[COLUMN_SHIFT] - tuned_exponents[i], 0, 63)
            trains(moved, Rate(spec.NEURONS, tuned[COLUMN_RATE], shift), update, work, lines)
            rows[0] = U32(0xFFFFFFFF)
            pulse_rows = gather(rows[:1], lines, height, pulsed_devices)
            pulses[i] += change(
                Law(tuned, laws.tables[i, TUNED]), pulse_rows, moved, update, die, work, pulsed_devices
            )
            tune(layer, columns, states)
    return right
