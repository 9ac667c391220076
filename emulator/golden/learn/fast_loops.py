"""The compiled loops of ``emulator.golden.learn.fast``: importing this needs numba.

Pulses are events. Those of a layer are gathered first; then their words, and what they do, are worked out
side by side. One file, because numba's cache knows no other.
"""

from typing import Any

import numpy as np
from numba import njit

from emulator.golden.fast_loops import deviation, rounds
from emulator.golden.learn.words import pair_constants
from emulator.spec import learning as spec
from emulator.spec import noise as noise_spec

U16, U32 = np.uint16, np.uint32
KEY_ROUNDS = noise_spec.KEY_ROUNDS
PAIR_CONSTANTS = pair_constants()
C0, C1, C2, C3, C4, C5 = (U16(spec.round_constant(i)) for i in range(6))
assert spec.MIX_ROUNDS == 6
S1, S2, S8, S14, S15 = U16(1), U16(2), U16(8), U16(14), U16(15)
CODE_SHIFT, WEIGHT_MAX = spec.CODE_SHIFT, spec.WEIGHT_MAX
FACTOR_ONE, FACTOR_MAX, SLOPE_SHIFT = spec.FACTOR_ONE, spec.FACTOR_MAX, spec.SLOPE_SHIFT
COUNT_SHIFT, ROOTS = spec.COUNT_SHIFT, spec.ROOTS
SLOTS_MAX, STATE_MIN, STATE_MAX = spec.SLOTS_MAX, spec.STATE_MIN, spec.STATE_MAX
DERIVATIVE_MIN, DERIVATIVE_MAX = spec.DERIVATIVE_MIN, spec.DERIVATIVE_MAX

# Places in a layer's row of parameters.
(
    INPUTS, OUTPUTS, AT_STATE, AT_WEIGHT, AT_COLUMN, ANALOG, DAC_BITS, ADC_BITS, SHIFT, VSHIFT, SEGMENT_BITS,
    TABLE_BITS, SIGMA_OUT, VAR_CELL, BIAS_GAIN, BIAS_SHIFT, ROW_RATE, ROW_SHIFT, COLUMN_RATE, COLUMN_SHIFT,
    BACK_GAIN, BACK_SHIFT, BACK_BITS, BACK_SIGMA, BACK_VAR, SLOPE_OF_SHIFT, SLOPE_UP, SLOPE_DOWN, STEP_SHIFT,
    TILE_ROWS, AT_INPUT, TUNED_BITS, EVERY, THRESHOLD, FAST_ROW,
) = range(35)  # fmt: skip
# Rows of the columns' parameters.
BIAS, GAIN, OFFSET, SCALE, CURVE, FIRST = range(6)
# Schedules of keys.
READ, BACK, TRAIN, CYCLE = range(4)


@njit(cache=True, nogil=True, inline="always")
def rounded(v: Any, shift: Any) -> Any:
    """rshift_round of int64."""
    if shift == 0:
        return v
    return (v + (np.int64(1) << (shift - 1))) >> shift


@njit(cache=True, nogil=True)
def key_of(schedule: Any, counter: Any, update: Any, key: Any) -> None:
    """Four key words of (update, counter) into ``key`` uint16 (4,)."""
    x, y = U32(counter), U32(update)
    for i in range(KEY_ROUNDS):
        x = U32(U32(U32(U32(x >> U32(8)) | U32(x << U32(24))) + y) ^ schedule[i])
        y = U32(U32(U32(y << U32(3)) | U32(y >> U32(29))) ^ x)
    key[0], key[1] = U16(y & U32(0xFFFF)), U16(y >> U32(16))
    key[2], key[3] = U16(x & U32(0xFFFF)), U16(x >> U32(16))


@njit(cache=True, nogil=True, inline="always")
def words(key: Any, row: Any, column: Any, x: Any, y: Any) -> None:
    """Cipher texts of (column, row) uint16 (n,) under a key."""
    k0, k1, k2, k3 = key[0], key[1], key[2], key[3]
    for i in range(x.shape[0]):
        x[i], y[i] = rounds(column[i], U16(row[i] ^ k3), k0, k1, k2, k3)


@njit(cache=True, nogil=True, inline="always")
def simon(x: Any, y: Any, c: Any) -> Any:
    """One round of the mixing on uint16 numbers."""
    f = U16(
        U16(U16(U16(x << S1) | U16(x >> S15)) & U16(U16(x << S8) | U16(x >> S8)))
        ^ U16(U16(x << S2) | U16(x >> S14))
    )
    return U16(U16(y ^ f) ^ c), x


@njit(cache=True, nogil=True)
def trains(
    values: Any, rate: Any, shift: Any, schedule: Any, counter: Any, update: Any, scratch: Any, out: Any
) -> None:
    """Trains uint32 (n,) of ``values`` (n,): of each the chance of a pulse in a slot is ``|value| * rate >>
    shift`` of 65,536, at most 1. ``counter`` says whose they are."""
    key, numbers, zeros, x, y, thresholds, count = scratch
    n = out.shape[0]
    for j in range(n):
        thresholds[j] = np.int32(min((abs(np.int64(values[j])) * rate) >> shift, np.int64(65536)))
    key_of(schedule, counter, update, key)
    words(key, zeros[:n], numbers[:n], x[:n], y[:n])
    out[:] = U32(0)
    for p in range((count + 1) // 2):
        c, first, second = PAIR_CONSTANTS[p], U32(2 * p), U32(2 * p + 1)
        both = U32(1) if 2 * p + 1 < count else U32(0)
        for i in range(n):
            a, b = simon(U16(x[i] ^ c), y[i], C0)
            a, b = simon(a, b, C1)
            a, b = simon(a, b, C2)
            a, b = simon(a, b, C3)
            a, b = simon(a, b, C4)
            a, b = simon(a, b, C5)
            low = U32(np.int32(a) < thresholds[i])
            high = U32(np.int32(b) < thresholds[i])
            out[i] = U32(out[i] | U32(U32(low << first) | U32(U32(high & both) << second)))


@njit(cache=True, nogil=True)
def gather(rows: Any, columns: Any, width: Any, k: Any, m: Any, n: Any, used: Any) -> Any:
    """Devices whose row and column pulse together: their row, column and count; how many they are.

    ``used`` int64 (M,): scratch.
    """
    live = 0
    for j in range(width):
        if columns[j] != U32(0):
            used[live] = j
            live += 1
    found = 0
    for i in range(rows.shape[0]):
        train = rows[i]
        if train == U32(0):
            continue
        for j in range(live):
            column = used[j]
            both = U32(train & columns[column])
            if both != U32(0):
                both = U32(both - U32(U32(both >> U32(1)) & U32(0x55555555)))
                both = U32(U32(both & U32(0x33333333)) + U32(U32(both >> U32(2)) & U32(0x33333333)))
                both = U32(U32(both + U32(both >> U32(4))) & U32(0x0F0F0F0F))
                k[found], m[found] = U16(i), U16(column)
                n[found] = np.int64(U32(U32(both * U32(0x01010101)) >> U32(24)))
                found += 1
    return found


@njit(cache=True, nogil=True, inline="always")
def read_as(s: Any) -> Any:
    """The code of a state."""
    return np.int16(min(max((s + np.int64(1 << (CODE_SHIFT - 1))) >> CODE_SHIFT, -WEIGHT_MAX), WEIGHT_MAX))


@njit(cache=True, nogil=True)
def change(
    layer: Any, count: Any, gathered: Any, error: Any, cycle: Any, states: Any, own: Any, weights: Any
) -> Any:
    """What the gathered pulses do to the states of one layer; how many there were."""
    (k, m, n, x, y), (up, down, low, high) = gathered, own
    width, at, at_weight, inputs = layer[OUTPUTS], layer[AT_STATE], layer[AT_WEIGHT], layer[INPUTS]
    shift, slope_up, slope_down = layer[STEP_SHIFT], layer[SLOPE_UP], layer[SLOPE_DOWN]
    total = np.int64(0)
    for i in range(count):
        row, column = np.int64(k[i]), np.int64(m[i])
        where = at + row * width + column
        s = np.int64(states[where])
        rises = error[column] > 0
        slope = slope_up if rises else slope_down
        factor = FACTOR_ONE - rounded(slope * s, SLOPE_SHIFT)
        factor = min(max(factor, 0), FACTOR_MAX)
        step = rounded(np.int64(up[where] if rises else down[where]) * factor, 8)
        deviation = cycle[y[i] & U16(15)] + cycle[U16(y[i] >> U16(4)) & U16(15)]
        pulses = (n[i] << COUNT_SHIFT) + rounded(ROOTS[n[i]] * deviation, 8)
        moved = (pulses * step + np.int64(x[i] >> U16(16 - shift))) >> shift
        s = s + moved if rises else s - moved
        s = min(max(s, np.int64(low[where])), np.int64(high[where]))
        states[where] = np.int32(s)
        if row < inputs:
            w = read_as(s)
            weights[at_weight + row * width + column] = w
        total += n[i]
    return total


@njit(cache=True, nogil=True)
def noisy(values: Any, s: Any, table: Any, scratch: Any) -> None:
    """Read noise of scale ``s`` added to values int64 (n,), under the key of ``scratch``."""
    key, numbers, zeros, x, y, _, _ = scratch
    n = values.shape[0]
    words(key, zeros[:n], numbers[:n], x[:n], y[:n])
    for i in range(n):
        a = y[i] & U16(1023)
        b = U16(U16(y[i] >> U16(10)) | U16(x[i] << U16(6))) & U16(1023)
        values[i] += (s * np.int64(table[a] + table[b]) + 128) >> 8


@njit(cache=True, nogil=True)
def forward(
    layer: Any,
    number: int,
    update: Any,
    x: Any,
    weights: Any,
    columns: Any,
    bias_row: Any,
    schedule: Any,
    with_noise: bool,
    table: Any,
    scratch: Any,
    sums: Any,
    a: Any,
    z: Any,
) -> None:
    """z int64 (M,) of codes x uint8 (K,); ``sums`` int32 and ``a`` int64 (M,) are scratch."""
    inputs, width, at, rows_per_tile = layer[INPUTS], layer[OUTPUTS], layer[AT_COLUMN], layer[TILE_ROWS]
    d, top = layer[DAC_BITS], np.int64(1) << (layer[ADC_BITS] - 1)
    reads_noise = with_noise and (layer[SIGMA_OUT] != 0 or layer[VAR_CELL] != 0)
    for j in range(width):
        w = read_as(np.int64(bias_row[j]))
        z[j] = columns[BIAS, at + j] + rounded(np.int64(w) * layer[BIAS_GAIN], layer[BIAS_SHIFT])
    for tile in range((inputs + rows_per_tile - 1) // rows_per_tile):
        begin = tile * rows_per_tile
        end = min(inputs, begin + rows_per_tile)
        for part in range(8 // d):
            energy = np.int64(0)
            sums[:width] = 0
            for k in range(begin, end):
                code = np.int32(np.int32(x[k]) >> np.int32(part * d)) & np.int32((1 << d) - 1)
                if code != 0:
                    energy += code * code
                    row = weights[layer[AT_WEIGHT] + k * width : layer[AT_WEIGHT] + (k + 1) * width]
                    for j in range(width):
                        sums[j] = np.int32(sums[j] + np.int32(np.int32(row[j]) * np.int32(code)))
            for j in range(width):
                a[j] = np.int64(sums[j])
            if reads_noise:
                key_of(schedule, (number << 24) | (tile << 8) | part, update, scratch[0])
                s = deviation(energy, layer[SIGMA_OUT], layer[VAR_CELL])
                noisy(a[:width], s, table, scratch)
            for j in range(width):
                c = a[j]
                if layer[ANALOG] == 0:
                    c = rounded(c * columns[GAIN, at + j], layer[SHIFT]) + columns[OFFSET, at + j]
                    c = min(max(c, -top), top - 1)
                z[j] += c << (part * d)


@njit(cache=True, nogil=True)
def code_of(base: Any, slope: Any, curve: Any, segment: Any, r: Any, f: Any, h: Any) -> Any:
    """A curve's line, rounded."""
    return rounded((np.int64(base[curve, segment]) << f) + np.int64(slope[curve, segment]) * r, f + h)


@njit(cache=True, nogil=True)
def neurons(
    layer: Any, columns: Any, base: Any, slope: Any, z: Any, y: Any, change_of: Any, state_of: Any
) -> None:
    """Codes y uint8 (M,) of z, and their change with z and with the neurons' ECRAMs, int64 (M,)."""
    at, f, h = layer[AT_COLUMN], layer[SEGMENT_BITS], layer[TABLE_BITS]
    for j in range(layer[OUTPUTS]):
        v = rounded(z[j] * columns[SCALE, at + j], layer[VSHIFT])
        v = min(max(v, -2048), 2047)
        curve, segment, r = columns[CURVE, at + j], (v + 2048) >> f, (v + 2048) & ((1 << f) - 1)
        steep = np.int64(slope[curve, segment])
        line = code_of(base, slope, curve, segment, r, f, h)
        y[j] = np.uint8(min(max(line, 0), 255))
        if v == -2048 or v == 2047 or line < 0 or line > 255:
            change_of[j] = 0
        else:
            moved = rounded(steep * columns[SCALE, at + j], layer[SLOPE_OF_SHIFT])
            change_of[j] = min(max(moved, DERIVATIVE_MIN), DERIVATIVE_MAX)
        state_of[j] = 0
        if layer[TUNED_BITS] != 0:
            above = min(curve + 1, columns[FIRST, at + j] + (1 << layer[TUNED_BITS]) - 1)
            here = min(max(code_of(base, slope, above - 1, segment, r, f, h), 0), 255)
            there = min(max(code_of(base, slope, above, segment, r, f, h), 0), 255)
            state_of[j] = there - here


@njit(cache=True, nogil=True)
def backward(
    layer: Any,
    number: int,
    update: Any,
    weights: Any,
    error: Any,
    change_of: Any,
    schedule: Any,
    with_noise: bool,
    table: Any,
    scratch: Any,
    state_of: Any,
    t: Any,
    tuned: Any,
) -> None:
    """What errors int64 (K,) of the layer before are made of, into ``t``, and of its neurons, ``tuned``."""
    inputs, width = layer[INPUTS], layer[OUTPUTS]
    energy = np.int64(0)
    for j in range(width):
        energy += error[j] * error[j]
    for k in range(inputs):
        total = np.int64(0)
        row = weights[layer[AT_WEIGHT] + k * width : layer[AT_WEIGHT] + (k + 1) * width]
        for j in range(width):
            total += np.int64(row[j]) * error[j]
        t[k] = total
    if with_noise and (layer[BACK_SIGMA] != 0 or layer[BACK_VAR] != 0):
        key_of(schedule, number << 24, update, scratch[0])
        s = deviation(energy, layer[BACK_SIGMA], layer[BACK_VAR])
        noisy(t[:inputs], s, table, scratch)
    half = np.int64(1) << (layer[BACK_BITS] - 1)
    for k in range(inputs):
        c = rounded(t[k] * layer[BACK_GAIN], layer[BACK_SHIFT])
        c = min(max(c, -half), half - 1)
        t[k], tuned[k] = c * change_of[k], c * state_of[k]


@njit(cache=True, nogil=True)
def scaled(t: Any) -> Any:
    """t int64 (K,) to 8 bits and a sign, and the exponent of two that they are to be taken times."""
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
        t[k] = min(max(value, -255), 255)
    return exponent


@njit(cache=True, nogil=True)
def tune(layer: Any, columns: Any, states: Any) -> None:
    """The curve of every neuron at its ECRAM's state."""
    at, width, bits = layer[AT_COLUMN], layer[OUTPUTS], layer[TUNED_BITS]
    first = layer[AT_STATE] + (layer[INPUTS] + 1) * width
    for j in range(width):
        columns[CURVE, at + j] = columns[FIRST, at + j] + (
            (read_as(np.int64(states[first + j])) + 256) >> (9 - bits)
        )


@njit(cache=True, nogil=True)
def carry(layer: Any, update: Any, states: Any, k: Any, m: Any, n: Any, up: Any) -> Any:
    """Read the row of fast devices whose turn it is into its sums: pulses that the layer's own devices get,
    by row, column, count and direction; how many devices."""
    width, height, found = layer[OUTPUTS], layer[INPUTS] + 1, 0
    row = (np.int64(update) // layer[EVERY]) % height
    fast = layer[AT_STATE] + (layer[FAST_ROW] + row) * width
    held, reference = fast + height * width, fast + 2 * height * width
    for j in range(width):
        total = np.int64(states[held + j]) + read_as(
            np.int64(states[fast + j]) - np.int64(states[reference + j])
        )
        whole = min(abs(total) // layer[THRESHOLD], SLOTS_MAX)
        rest = total - whole * layer[THRESHOLD] if total > 0 else total + whole * layer[THRESHOLD]
        states[held + j] = np.int32(min(max(rest, STATE_MIN), STATE_MAX))
        up[j] = total
        if whole:
            k[found], m[found], n[found] = U16(row), U16(j), whole
            found += 1
    return found


@njit(cache=True, nogil=True)
def learn(
    samples: Any,
    labels: Any,
    first: Any,
    layers: Any,
    tuned_layers: Any,
    fast_layers: Any,
    slots: int,
    with_noise: bool,
    schedules: Any,
    table: Any,
    base: Any,
    slope: Any,
    columns: Any,
    cycles: Any,
    states: Any,
    own: Any,
    weights: Any,
    pulses: Any,
) -> Any:
    """Updates ``first`` and on of all layers; how many answers were right. ``pulses`` int64 (L,) is added to.

    Everything of all layers lies in one array, one behind the other.
    """
    count = layers.shape[0]
    widest = max(layers[:, INPUTS].max() + 1, layers[:, OUTPUTS].max())
    devices = ((layers[:, INPUTS] + 2) * layers[:, OUTPUTS]).max()
    numbers, zeros = np.arange(widest).astype(np.uint16), np.zeros(widest, np.uint16)
    hx, hy, key = np.empty(widest, np.uint16), np.empty(widest, np.uint16), np.empty(4, np.uint16)
    sums, a = np.empty(widest, np.int32), np.empty(widest, np.int64)
    used, thresholds = np.empty(widest, np.int64), np.empty(widest, np.int32)
    rows, lines = np.empty(widest, np.uint32), np.empty(widest, np.uint32)
    k, m, n = np.empty(devices, np.uint16), np.empty(devices, np.uint16), np.empty(devices, np.int64)
    x, y = np.empty(devices, np.uint16), np.empty(devices, np.uint16)
    scratch, gathered = (key, numbers, zeros, hx, hy, thresholds, slots), (k, m, n, x, y)
    inside = layers[count - 1, AT_INPUT] + layers[count - 1, INPUTS] + 1
    codes = np.empty(inside, np.uint8)
    outside = layers[count - 1, AT_COLUMN] + layers[count - 1, OUTPUTS]
    z, change_of, error = (
        np.empty(outside, np.int64),
        np.empty(outside, np.int64),
        np.empty(outside, np.int64),
    )
    state_of, of_neurons = np.empty(outside, np.int64), np.empty(outside, np.int64)
    answer = np.empty(widest, np.uint8)
    exponents, tuned_exponents = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for i in range(count):
        if layers[i, TUNED_BITS] != 0:
            tune(layers[i], columns, states)
    right = 0
    for sample in range(samples.shape[0]):
        update = U32((first + sample) & 0xFFFFFFFF)
        codes[: samples.shape[1]] = samples[sample]
        codes[samples.shape[1]] = np.uint8(255)
        for i in range(count):
            layer = layers[i]
            at, width, seen = layer[AT_COLUMN], layer[OUTPUTS], layer[AT_INPUT]
            bias = layer[AT_STATE] + layer[INPUTS] * width
            forward(
                layer, i, update, codes[seen : seen + layer[INPUTS]], weights, columns,
                states[bias : bias + width], schedules[READ], with_noise, table, scratch, sums, a,
                z[at : at + width],
            )  # fmt: skip
            to = answer[:width]
            if i + 1 < count:
                after = layers[i + 1, AT_INPUT]
                to = codes[after : after + width]
                codes[after + width] = np.uint8(255)
            end = at + width
            neurons(layer, columns, base, slope, z[at:end], to, change_of[at:end], state_of[at:end])
        last = layers[count - 1]
        at, width, label = last[AT_COLUMN], last[OUTPUTS], labels[sample]
        best = 0
        for j in range(width):
            error[at + j] = (255 if j == label else 0) - np.int64(answer[j])
            if z[at + j] > z[at + best]:
                best = j
        right += best == label
        exponents[count - 1] = 0
        for i in range(count - 1, 0, -1):
            at, before = layers[i, AT_COLUMN], layers[i - 1, AT_COLUMN]
            behind = before + layers[i, INPUTS]
            backward(
                layers[i], i, update, weights, error[at : at + layers[i, OUTPUTS]],
                change_of[before:behind], schedules[BACK], with_noise, table, scratch,
                state_of[before:behind], error[before:behind], of_neurons[before:behind],
            )  # fmt: skip
            tuned_exponents[i - 1] = exponents[i] + scaled(of_neurons[before:behind])
            exponents[i - 1] = exponents[i] + scaled(error[before:behind])
        for i in range(count):
            layer = layers[i]
            at, width = layer[AT_COLUMN], layer[OUTPUTS]
            seen, height = layer[AT_INPUT], layer[INPUTS] + 1
            train, ours, moved = schedules[TRAIN], i << 24, error[at : at + width]
            rate, down_by = layer[ROW_RATE], layer[ROW_SHIFT]
            trains(codes[seen : seen + height], rate, down_by, train, ours, update, scratch, rows[:height])
            rate, down_by = layer[COLUMN_RATE], min(max(layer[COLUMN_SHIFT] - exponents[i], 0), 63)
            trains(moved, rate, down_by, train, ours | (1 << 8), update, scratch, lines[:width])
            found = gather(rows[:height], lines[:width], width, k, m, n, used)
            law, cycle = layer, cycles[i, 0]
            if layer[EVERY] != 0:
                law, cycle = fast_layers[i], cycles[i, 2]
                for j in range(found):
                    k[j] = U16(k[j] + U16(layer[FAST_ROW]))
            key_of(schedules[CYCLE], i << 24, update, key)
            words(key, k[:found], m[:found], x[:found], y[:found])
            pulses[i] += change(law, found, gathered, moved, cycle, states, own, weights)
            if layer[EVERY] != 0 and (np.int64(update) + 1) % layer[EVERY] == 0:
                found = carry(layer, update, states, k, m, n, a[:width])
                words(key, k[:found], m[:found], x[:found], y[:found])
                pulses[i] += change(layer, found, gathered, a[:width], cycles[i, 0], states, own, weights)
            if layer[TUNED_BITS] == 0 or i == count - 1:
                continue
            law, moved = tuned_layers[i], of_neurons[at : at + width]
            rate, down_by = law[COLUMN_RATE], min(max(law[COLUMN_SHIFT] - tuned_exponents[i], 0), 63)
            trains(moved, rate, down_by, train, ours | (2 << 8), update, scratch, lines[:width])
            rows[0] = U32(0xFFFFFFFF)
            found = gather(rows[:1], lines[:width], width, k, m, n, used)
            for j in range(found):
                k[j] = U16(height)
            key_of(schedules[CYCLE], i << 24, update, key)
            words(key, k[:found], m[:found], x[:found], y[:found])
            pulses[i] += change(law, found, gathered, moved, cycles[i, 1], states, own, weights)
            tune(layer, columns, states)
    return right
