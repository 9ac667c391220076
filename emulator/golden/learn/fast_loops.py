"""The compiled loops of ``ndrite.emulator.golden.learn.fast``: importing this needs numba.

Pulses are events. Those of a layer are gathered first; then their words, and what they do, are worked out
side by side. One file, because numba's cache knows no other.

Everything of all layers lies in one array, one behind the other. Values that are passed together are a tuple:
``at``, a layer's number and the update's; ``held``, (weights, columns, states, own); ``drawn``, (schedules,
table, slots, whether there is read noise); ``scratch``, what no call leaves anything in.
"""

from typing import Any

import numpy as np
from numba import njit

from ndrite.emulator.golden.fast_noise import LOOP, deviation, keys, rounds
from ndrite.emulator.golden.learn.devices import pair_constants
from ndrite.emulator.spec import learning as spec

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
# A device law's tables are one array: pulse deviations, steps up, steps down, noise steps (the step sizes to
# which pulse deviations are relative). This is the offset of the noise steps.
NOISE_STEPS = spec.LEVELS + 2 * spec.STATE_PARTS
# Numbers of a layer's device laws: for the weights' devices, its neurons' ECRAMs, its fast devices.
OWN, TUNED, FAST = range(3)
# Indices of the rows of the array that holds the parameters of all columns.
BIAS, GAIN, OFFSET, SCALE, CURVE, FIRST = range(6)
# Indices of the rows of the array that holds, for each column, what an update computes: sum, error, error of
# the neuron's ECRAM, derivatives of the output with respect to the sum and to the ECRAM's state.
Z, ERROR, OF_NEURONS, CHANGE, STATE = range(5)
# Indices of the key schedules (round keys) of the random streams: read noise forward, read noise backward,
# pulse trains, deviations of pulses.
READ, BACK, TRAIN, CYCLE = range(4)


@njit(**LOOP, inline="always")
def rounded(v: Any, shift: Any) -> Any:
    """Return rshift_round(v, shift) of an int64 number."""
    if shift == 0:
        return v
    return (v + (np.int64(1) << (shift - 1))) >> shift


@njit(**LOOP, inline="always")
def held_in(v: Any, low: Any, high: Any) -> Any:
    """Return ``v`` clipped to ``low..high``."""
    return min(max(v, low), high)


@njit(**LOOP)
def key_of(schedule: Any, counter: Any, update: Any, key: Any) -> None:
    """Encrypt (update, counter) and write the result, a key of four words, to ``key`` uint16 (4,)."""
    index, x, y = np.array([U32(update)]), np.empty(1, np.uint32), np.empty(1, np.uint32)
    keys(counter, schedule, index, x, y, key.reshape(4, 1))


@njit(**LOOP, inline="always")
def words(key: Any, row: Any, column: Any, x: Any, y: Any) -> None:
    """Encrypt the devices' (column, row) under a key; write both halves of the results to x and y, uint16
    (n,)."""
    k0, k1, k2, k3 = key[0], key[1], key[2], key[3]
    for i in range(row.shape[0]):
        x[i], y[i] = rounds(column[i], U16(row[i] ^ k3), k0, k1, k2, k3)


@njit(**LOOP, inline="always")
def simon(x: Any, y: Any, c: Any) -> Any:
    """Apply one mixing round (Simon32 without a key) to uint16 numbers x, y."""
    f = U16(
        U16(U16(U16(x << S1) | U16(x >> S15)) & U16(U16(x << S8) | U16(x >> S8)))
        ^ U16(U16(x << S2) | U16(x >> S14))
    )
    return U16(U16(y ^ f) ^ c), x


@njit(**LOOP)
def trains(values: Any, chance: Any, side: int, at: Any, drawn: Any, scratch: Any, out: Any) -> None:
    """Sample a random pulse train for each of ``values`` (n,), as bits of ``out`` uint32 (n,). The
    probability of a pulse in a time slot is ``|value| * rate >> shift`` in units of 1/65536, at most 1.
    ``side`` says whether the trains are for rows, columns or neurons."""
    rate, shift = chance
    key, numbers, zeros, x, y, thresholds, _, _ = scratch
    n, count = out.shape[0], drawn[2]
    for j in range(n):
        thresholds[j] = np.int32(min((abs(np.int64(values[j])) * rate) >> shift, np.int64(65536)))
    key_of(drawn[0][TRAIN], (at[0] << 24) | (side << 8), at[1], key)
    words(key, zeros[:n], numbers[:n], x, y)
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
def gather(rows: Any, columns: Any, gathered: Any, first: int) -> Any:
    """List the devices whose row and column are pulsed in the same time slot: row (plus ``first``), column,
    and number of such time slots. Return the length of the list."""
    k, m, n, _, _, used = gathered
    live = count = 0
    for j in range(columns.shape[0]):
        if columns[j] != U32(0):
            used[live] = j
            live += 1
    for i in range(rows.shape[0]):
        train = rows[i]
        if train == U32(0):
            continue
        for j in range(live):
            column = used[j]
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
def read_as(s: Any) -> Any:
    """Return the weight code that a device state s is read as: rounded to code steps and clipped."""
    return np.int16(held_in(rounded(s, spec.CODE_SHIFT), -spec.WEIGHT_MAX, spec.WEIGHT_MAX))


@njit(**LOOP)
def composite(layer: Any, states: Any, row: Any, column: Any) -> Any:
    """Return the weight code of the layer's own device at ``row`` and ``column``, with the weighted states of
    the tiles that refine it added before rounding."""
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
def pulsed(law: Any, tables: Any, s: Any, many: Any, own: Any, at: Any, key: Any) -> Any:
    """Return the state of a device after ``many`` pulses. Used for devices with coarse steps (pulses applied
    one after the other), for laws with a step table, and for tiles.

    ``own``: direction, step and bounds of the device ``at`` a row and column. A function of its own: the
    usual law's loop is quicker without it.
    """
    rises, own_step, low, high = own
    shift, slope = law[STEP_SHIFT], law[SLOPE_UP] if rises else law[SLOPE_DOWN]
    serial = shift < spec.SERIAL_SHIFT
    at_once = np.int64(1) if serial else many
    for pulse in range(many if serial else 1):
        first = U16(key[0] ^ PULSE_CONSTANTS[pulse])
        a, b = rounds(at[1], U16(at[0] ^ key[3]), first, key[1], key[2], key[3])
        if law[STEPPED] == 0:
            factor = held_in(spec.FACTOR_ONE - rounded(slope * s, spec.SLOPE_SHIFT), 0, spec.FACTOR_MAX)
            step = noise_step = rounded(own_step * factor, 8)
        else:
            part = held_in((s + spec.STATE_ONE) >> spec.PART_SHIFT, 0, spec.STATE_PARTS - 1)
            part += 0 if rises else spec.STATE_PARTS
            step = rounded(own_step * tables[spec.LEVELS + part], 8)
            noise_step = rounded(own_step * tables[NOISE_STEPS + part], 8)
        deviation = tables[b & U16(15)] + tables[U16(b >> U16(4)) & U16(15)]
        scattered = rounded(spec.ROOTS[at_once] * deviation, 8)
        moved = (at_once << spec.COUNT_SHIFT) * step + scattered * noise_step
        moved = (moved + np.int64(a >> U16(16 - shift))) >> shift
        s = held_in(s + moved if rises else s - moved, low, high)
    return s


@njit(**LOOP)
def change(of: Any, count: Any, error: Any, at: Any, gathered: Any, held: Any, drawn: Any, key: Any) -> Any:
    """Apply the pulses listed in ``gathered`` to the states of one layer, by the law and tables of the
    layer's devices; return the number of pulses. A negative pulse count marks a row whose chopper is
    reversed."""
    (law, tables), (k, m, n, x, y, _), (weights, _, states, (up, down, low, high)) = of, gathered, held
    key_of(drawn[0][CYCLE], at[0] << 24, at[1], key)
    width, place, at_weight, inputs = law[OUTPUTS], law[AT_STATE], law[AT_WEIGHT], law[INPUTS]
    shift, slope_up, slope_down = law[STEP_SHIFT], law[SLOPE_UP], law[SLOPE_DOWN]
    total = np.int64(0)
    if shift < spec.SERIAL_SHIFT or law[STEPPED] != 0 or law[TILES] != 0:
        for i in range(count):
            row, column = np.int64(k[i]), np.int64(m[i])
            where = place + row * width + column
            rises, many = (error[column] > 0) == (n[i] > 0), abs(n[i])
            own_step = np.int64(up[where] if rises else down[where])
            own = rises, own_step, np.int64(low[where]), np.int64(high[where])
            s = pulsed(law, tables, np.int64(states[where]), many, own, (k[i], m[i]), key)
            states[where] = np.int32(s)
            if law[TILES] != 0 and row >= law[FAST_ROW]:
                row = (row - law[FAST_ROW]) % (inputs + 1)
            if row < inputs:
                weights[at_weight + row * width + column] = composite(law, states, row, column)
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
def noisy(values: Any, s: Any, table: Any, scratch: Any) -> None:
    """Add read noise of scale ``s`` to values int64 (n,). The random samples are generated under the key in
    ``scratch``."""
    key, numbers, zeros, x, y, _, _, _ = scratch
    n = values.shape[0]
    words(key, zeros[:n], numbers[:n], x, y)
    for i in range(n):
        a = y[i] & U16(1023)
        b = U16(U16(y[i] >> U16(10)) | U16(x[i] << U16(6))) & U16(1023)
        values[i] += (s * np.int64(table[a] + table[b]) + 128) >> 8


@njit(**LOOP)
def forward(layer: Any, at: Any, x: Any, held: Any, drawn: Any, scratch: Any, z: Any) -> None:
    """Compute the sums z int64 (M,) of one layer, the inputs of its neurons, from input codes x uint8
    (K,)."""
    weights, columns, states, _ = held
    schedules, table, _, with_noise = drawn
    sums, a = scratch[6], scratch[7]
    inputs, width, place, rows_per_tile = layer[INPUTS], layer[OUTPUTS], layer[AT_COLUMN], layer[TILE_ROWS]
    d, top = layer[DAC_BITS], np.int64(1) << (layer[ADC_BITS] - 1)
    reads_noise = with_noise and (layer[SIGMA_OUT] != 0 or layer[VAR_CELL] != 0)
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
                key_of(schedules[READ], (at[0] << 24) | (tile << 8) | part, at[1], scratch[0])
                s = deviation(energy, layer[SIGMA_OUT], layer[VAR_CELL])
                noisy(a[:width], s, table, scratch)
            for j in range(width):
                c = a[j]
                if layer[ANALOG] == 0:
                    c = rounded(c * columns[GAIN, place + j], layer[SHIFT]) + columns[OFFSET, place + j]
                    c = held_in(c, -top, top - 1)
                z[j] += c << (part * d)


@njit(**LOOP)
def line_of(layer: Any, curves: Any, curve: Any, v: Any) -> Any:
    """Return the rounded output of a neuron's piecewise-linear ``curve`` at voltage code ``v``, before it is
    clipped to a code."""
    f, (base, slope) = layer[SEGMENT_BITS], curves
    segment, r = (v + 2048) >> f, (v + 2048) & ((1 << f) - 1)
    line = (np.int64(base[curve, segment]) << f) + np.int64(slope[curve, segment]) * r
    return rounded(line, f + layer[TABLE_BITS])


@njit(**LOOP)
def neurons(layer: Any, columns: Any, curves: Any, known: Any, y: Any) -> None:
    """Compute output codes y uint8 (M,) of a layer's neurons from the sums in ``known``. Store in ``known``
    the derivatives of y with respect to the sum and to the ECRAM's state."""
    for j in range(layer[OUTPUTS]):
        column = layer[AT_COLUMN] + j
        curve, scale = columns[CURVE, column], columns[SCALE, column]
        v = held_in(rounded(known[Z, column] * scale, layer[VSHIFT]), -2048, 2047)
        line = line_of(layer, curves, curve, v)
        y[j] = np.uint8(held_in(line, 0, 255))
        known[CHANGE, column] = known[STATE, column] = 0
        if v != -2048 and v != 2047 and line >= 0 and line <= 255:
            steep = np.int64(curves[1][curve, (v + 2048) >> layer[SEGMENT_BITS]])
            moved = rounded(steep * scale, layer[SLOPE_OF_SHIFT])
            known[CHANGE, column] = held_in(moved, spec.DERIVATIVE_MIN, spec.DERIVATIVE_MAX)
        if layer[TUNED_BITS] != 0:
            above = min(curve + 1, columns[FIRST, column] + (1 << layer[TUNED_BITS]) - 1)
            code_above = held_in(line_of(layer, curves, above - 1, v), 0, 255)
            known[STATE, column] = held_in(line_of(layer, curves, above, v), 0, 255) - code_above


@njit(**LOOP)
def backward(layer: Any, before: Any, at: Any, known: Any, held: Any, drawn: Any, scratch: Any) -> None:
    """Propagate the errors of ``layer`` back: compute the errors of the previous layer's columns and of its
    neurons' ECRAMs. ``before`` is the number of the previous layer's first column."""
    (weights, _, _, _), (schedules, table, _, with_noise) = held, drawn
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
    if with_noise and (layer[BACK_SIGMA] != 0 or layer[BACK_VAR] != 0):
        key_of(schedules[BACK], at[0] << 24, at[1], scratch[0])
        noisy(t, deviation(energy, layer[BACK_SIGMA], layer[BACK_VAR]), table, scratch)
    half = np.int64(1) << (layer[BACK_BITS] - 1)
    for k in range(inputs):
        c = held_in(rounded(t[k] * layer[BACK_GAIN], layer[BACK_SHIFT]), -half, half - 1)
        t[k], known[OF_NEURONS, before + k] = c * known[CHANGE, before + k], c * known[STATE, before + k]


@njit(**LOOP)
def scaled(t: Any) -> Any:
    """Scale the errors t int64 (K,) in place to 8-bit magnitudes with a sign, and return the exponent of two
    that all of them share."""
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
def tune(layer: Any, columns: Any, states: Any) -> None:
    """Select each neuron's curve by the state of the neuron's ECRAM."""
    first_column, width, bits = layer[AT_COLUMN], layer[OUTPUTS], layer[TUNED_BITS]
    first = layer[AT_STATE] + (layer[INPUTS] + 1) * width
    for j in range(width):
        code = np.int64(read_as(np.int64(states[first + j])))
        columns[CURVE, first_column + j] = columns[FIRST, first_column + j] + ((code + 256) >> (9 - bits))


@njit(**LOOP, inline="always")
def readings(layer: Any, row: Any, update: Any) -> Any:
    """Return how many times a row of fast devices has been read before ``update``."""
    height = layer[INPUTS] + 1
    return (np.int64(update) // layer[EVERY] + height - 1 - row) // height


@njit(**LOOP, inline="always")
def turned(layer: Any, row: Any, update: Any) -> Any:
    """Return 1 if the chopper of a row of fast devices is in its reversed position in ``update``, else 0."""
    return 0 if layer[CHOPPED] == 0 else readings(layer, row, update) // layer[CHOPPED] & 1


@njit(**LOOP)
def read_row(layer: Any, row: Any, block: Any, at: Any, states: Any, drawn: Any, scratch: Any) -> None:
    """Read the states of a row of fast devices, or of tile number ``block``, and store them, with read noise,
    in the last array of ``scratch``."""
    a, (schedules, table, _, with_noise), width = scratch[7], drawn, layer[OUTPUTS]
    for j in range(width):
        a[j] = states[layer[AT_STATE] + row * width + j]
    if with_noise and layer[READ_SIGMA] != 0:
        key_of(schedules[BACK], (at[0] << 24) | ((spec.READINGS + block) << 8), at[1], scratch[0])
        noisy(a[:width], layer[READ_SIGMA], table, scratch)


@njit(**LOOP)
def carry(layer: Any, at: Any, states: Any, gathered: Any, drawn: Any, scratch: Any) -> Any:
    """Read the row of fast devices whose turn it is and add the reading to that row's accumulators. List in
    ``gathered`` the pulses (row, column, count) that the layer's own devices then receive, and return their
    number. The last array of ``scratch`` receives the accumulator sums, taken before these pulses are
    subtracted; their signs are the directions of the pulses."""
    k, m, n, _, _, _ = gathered
    a, update = scratch[7], at[1]
    width, height, pulse_rows = layer[OUTPUTS], layer[INPUTS] + 1, 0
    row = (np.int64(update) // layer[EVERY]) % height
    read_row(layer, layer[FAST_ROW] + row, 0, at, states, drawn, scratch)
    sums = layer[AT_STATE] + (layer[FAST_ROW] + height + row) * width
    reference = sums + height * width
    sign = 1 - 2 * turned(layer, row, update)
    turns = layer[CHOPPED] != 0 and (readings(layer, row, update) + 1) % layer[CHOPPED] == 0
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
def learn(given: Any, laws: Any, tables: Any, drawn: Any, curves: Any, held: Any, pulses: Any) -> Any:
    """Do one update of all layers for each sample; return how many samples were classified correctly before
    their update. Adds the number of pulses in each layer to ``pulses`` int64 (L,).

    ``given``: samples, labels, the first update's number; ``laws`` int64 (3, L, 43), ``tables`` (L, 3, 272);
    ``curves``: base and slope.
    """
    (samples, labels, first), layers, columns, states = given, laws[OWN], held[1], held[2]
    count, last = layers.shape[0], layers[layers.shape[0] - 1]
    widest = devices = 0
    for i in range(count):
        height, width = layers[i, INPUTS] + 1, layers[i, OUTPUTS]
        widest, devices = max(widest, height, width), max(devices, height * width)
    halves, trained = np.empty((2, widest), np.uint16), np.empty((2, widest), np.uint32)
    numbers, zeros = np.arange(widest).astype(np.uint16), np.zeros(widest, np.uint16)
    key = np.empty(4, np.uint16)
    used, thresholds = np.empty(widest, np.int64), np.empty(widest, np.int32)
    sums, a = np.empty(widest, np.int32), np.empty(widest, np.int64)
    scratch = (key, numbers, zeros, halves[0], halves[1], thresholds, sums, a)
    found_at, n = np.empty((4, devices), np.uint16), np.empty(devices, np.int64)
    gathered = (found_at[0], found_at[1], n, found_at[2], found_at[3], used)
    codes = np.empty(last[AT_INPUT] + last[INPUTS] + 1 + last[OUTPUTS], np.uint8)
    per_column = np.empty((5, last[AT_COLUMN] + last[OUTPUTS]), np.int64)
    exponents, tuned_exponents = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for i in range(count):
        if layers[i, TUNED_BITS] != 0:
            tune(layers[i], columns, states)
    right = 0
    for sample in range(samples.shape[0]):
        update = U32((first + sample) & 0xFFFFFFFF)
        for k in range(samples.shape[1]):
            codes[k] = samples[sample, k]
        for i in range(count):
            layer = layers[i]
            first_column, first_input = layer[AT_COLUMN], layer[AT_INPUT]
            end, to = first_column + layer[OUTPUTS], first_input + layer[INPUTS] + 1
            codes[to - 1] = np.uint8(255)  # input of the bias row
            forward(
                layer,
                (i, update),
                codes[first_input:to],
                held,
                drawn,
                scratch,
                per_column[Z, first_column:end],
            )
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
            backward(layers[i], before, (i, update), per_column, held, drawn, scratch)
            tuned_exponents[i - 1] = exponents[i] + scaled(per_column[OF_NEURONS, before:behind])
            exponents[i - 1] = exponents[i] + scaled(per_column[ERROR, before:behind])
        for i in range(count):
            layer, layer_update = layers[i], (i, update)
            first_input, height, width = layer[AT_INPUT], layer[INPUTS] + 1, layer[OUTPUTS]
            begin, end = layer[AT_COLUMN], layer[AT_COLUMN] + width
            moved, rows, lines = per_column[ERROR, begin:end], trained[0, :height], trained[1, :width]
            chance = layer[ROW_RATE], layer[ROW_SHIFT]
            for k in range(height):  # int64 like ``moved``, so that numba compiles ``trains`` only once
                a[k] = codes[first_input + k]
            trains(a[:height], chance, spec.ROWS, layer_update, drawn, scratch, rows)
            chance = layer[COLUMN_RATE], held_in(layer[COLUMN_SHIFT] - exponents[i], 0, 63)
            trains(moved, chance, spec.COLUMNS, layer_update, drawn, scratch, lines)
            array = FAST if layer[EVERY] != 0 else OWN
            pulse_rows = gather(rows, lines, gathered, layer[FAST_ROW] if array == FAST else 0)
            for j in range(pulse_rows if layer[CHOPPED] != 0 else 0):
                n[j] *= 1 - 2 * turned(layer, np.int64(gathered[0][j]) - layer[FAST_ROW], update)
            law = laws[array, i], tables[i, array]
            pulses[i] += change(law, pulse_rows, moved, layer_update, gathered, held, drawn, key)
            period, source = layer[EVERY], layer[FAST_ROW]
            for block in range(layer[TILES]):
                if (np.int64(update) + 1) % period == 0:
                    row = (np.int64(update) // period) % height
                    read_row(layer, source + row, block, layer_update, states, drawn, scratch)
                    reference = layer[AT_STATE] + (source + row + layer[TILES] * height) * width
                    for j in range(width):
                        a[j] = read_as(a[j] - np.int64(states[reference + j]))
                    chance = layer[PASS_RATE], layer[PASS_SHIFT]
                    trains(a[:width], chance, spec.TILES + block, layer_update, drawn, scratch, lines)
                    rows[0] = U32(0xFFFFFFFF)
                    own = block == layer[TILES] - 1
                    pulse_rows = gather(rows[:1], lines, gathered, row if own else source + height + row)
                    kind = OWN if own else FAST
                    law = laws[kind, i], tables[i, kind]
                    pulses[i] += change(law, pulse_rows, a, layer_update, gathered, held, drawn, key)
                period, source = period * layer[RATIO], source + height
            if array == FAST and layer[TILES] == 0 and (np.int64(update) + 1) % layer[EVERY] == 0:
                pulse_rows = carry(layer, layer_update, states, gathered, drawn, scratch)
                pulses[i] += change(
                    (layer, tables[i, OWN]), pulse_rows, a, layer_update, gathered, held, drawn, key
                )
            if layer[TUNED_BITS] == 0:
                continue
            law, moved = laws[TUNED, i], per_column[OF_NEURONS, begin:end]
            chance = law[COLUMN_RATE], held_in(law[COLUMN_SHIFT] - tuned_exponents[i], 0, 63)
            trains(moved, chance, spec.NEURONS, layer_update, drawn, scratch, lines)
            rows[0] = U32(0xFFFFFFFF)
            pulse_rows = gather(rows[:1], lines, gathered, height)
            pulses[i] += change(
                (law, tables[i, TUNED]), pulse_rows, moved, layer_update, gathered, held, drawn, key
            )
            tune(layer, columns, states)
    return right
