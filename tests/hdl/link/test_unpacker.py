"""Samples out of a packet's payload, against a parser that shares nothing with the gateware."""

import dataclasses
from typing import Any

import numpy as np

from ndrite.emulator.spec import PRESETS
from ndrite.emulator.spec.geometry import whole_words
from ndrite.emulator.spec.packets import sparse
from ndrite.hdl.link.unpacker import WordUnpacker
from tests.hdl.interpreted import followed
from tests.stimulus import sparse_samples

MAPS = dataclasses.replace(PRESETS["tiny"], overlap=True, redraw=0, map_codes=1024)


def samples_of(payload: bytes, inputs: int, is_sparse: bool) -> list[list[int]] | None:
    """The codes of each sample; None where the payload is none of whole samples."""
    if is_sparse:
        found = sparse_samples(payload, inputs)
        return None if found is None else [x.tolist() for x in found]
    each = whole_words(inputs)
    whole, rest = divmod(len(payload), each)
    if rest not in (0, inputs) or not payload:
        return None
    return [list(payload[i * each :][:inputs]) for i in range(whole + (rest > 0))]


def test_samples_of_any_length_begin_with_a_word_each() -> None:
    """Payloads of 1 to 5 samples, sparse or not, a third of them damaged."""
    rng = np.random.default_rng(1)
    given: list[dict[str, Any]] = []
    wanted = []
    for trial in range(400):
        inputs, count, is_sparse = int(rng.integers(1, 27)), int(rng.integers(1, 6)), trial % 2
        x = rng.integers(0, 256, (count, inputs)).astype(np.uint8) * (rng.random((count, inputs)) < 0.5)
        padded = np.zeros((count, whole_words(inputs)), np.uint8)
        padded[:, :inputs] = x
        end = len(padded.tobytes()) - int(rng.integers(0, 2)) * (padded.shape[1] - inputs)
        payload = b"".join(sparse(x.astype(np.uint8))) if is_sparse else padded.tobytes()[:end]
        if trial % 3 == 0:
            at, kind = int(rng.integers(0, len(payload))), int(rng.integers(0, 4))
            flipped = bytes([payload[at] ^ 1 << int(rng.integers(8))])
            payload = (
                payload[:at],
                payload + payload[: at + 1],
                payload[:at] + flipped + payload[at + 1 :],
                payload[:at] + payload[at + 1 :],
            )[kind]
        most = int(rng.integers(1, 6))
        begins = {"clear": 1, "sparse": is_sparse, "inputs": inputs, "length": len(payload)}
        given += [begins | {"samples_max": most}, {"clear": 0}]
        begin = len(given)
        for byte in payload or b"\0":  # of an empty payload a byte is loaded all the same
            given.append({"valid": 1, "data": byte})
            if rng.random() < 0.2:
                given.append({"valid": 0})
        given += [{"valid": 0}, {}, {}, {}]
        wanted.append((begin, len(given), samples_of(payload, inputs, bool(is_sparse)), most, inputs))
    seen = followed(WordUnpacker(MAPS), given, "load", "word", "code", "samples", "wrong")
    compared = 0
    for begin, end, samples, most, inputs in wanted:
        *_, count, wrong = seen[end - 1]
        assert wrong == (samples is None or len(samples) > most)
        if samples is None or wrong:
            continue
        assert count == len(samples)
        memory: dict[int, int] = {}
        for load, word, code, *_ in seen[begin:end]:
            memory |= {8 * word + i: code for i in range(8) if load >> i & 1}
        for s, codes in enumerate(samples):
            first = s * whole_words(inputs)
            assert [memory[first + i] for i in range(inputs)] == codes
            compared += inputs
    assert compared > 5000
