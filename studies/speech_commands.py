"""Speech Commands (P. Warden, arXiv 1804.03209) from a user's folder, as coefficients of a mel cepstrum.

No package carries it. A folder of WAV files a word, 16 kHz, 16 bits, one channel; ``testing_list.txt`` and
``validation_list.txt`` name the files that are not trained with.
"""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emulator.errors import DatasetError

RATE = 16_000
WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
WINDOW, HOP = 641, 320
COEFFICIENTS, BANDS = 40, 160
LOW_HZ, HIGH_HZ = 20.0, 4000.0
FRAMES = 1 + RATE // HOP
"""Frames of one second, its ends mirrored."""

Sequences = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]


def speech_commands(
    folder: str | os.PathLike[str], *, most: int | None = None
) -> tuple[Sequences, Labels, Sequences, Labels]:
    """Training sequences float32 (n, 51, 40) and words (n,), then the test set; ten words, no others.

    ``most``: of each word and set at most so many files, in the order of their names. Raises DatasetError
    when a word's folder, the list or a file is missing or of another format; what it is and what is accepted.
    """
    root = Path(folder)
    lists = {name: _listed(root / f"{name}_list.txt") for name in ("testing", "validation")}
    parts: dict[bool, tuple[list[Sequences], list[int]]] = {False: ([], []), True: ([], [])}
    for word, name in enumerate(WORDS):
        files = sorted(p for p in (root / name).glob("*.wav"))
        if not files:
            raise DatasetError(
                f"{root / name}: no .wav file; accepted: recordings of each of {', '.join(WORDS)}"
            )
        for test in (False, True):
            of = [
                f
                for f in files
                if (f"{name}/{f.name}" in lists["testing"]) == test
                and f"{name}/{f.name}" not in lists["validation"]
            ][:most]
            parts[test][0].extend(cepstrum(_samples(f)) for f in of)
            parts[test][1].extend([word] * len(of))
    for test, (series, _) in parts.items():
        if not series:
            raise DatasetError(
                f"{root}: no recording is in the {'test' if test else 'training'} set; accepted: some in each"
            )
    (x, y), (test_x, test_y) = parts[False], parts[True]
    return np.stack(x), np.array(y, np.uint8), np.stack(test_x), np.array(test_y, np.uint8)


def cepstrum(samples: npt.NDArray[np.float32]) -> Sequences:
    """Mel-frequency cepstral coefficients float32 (51, 40) of a second of samples in -1..1, (16000,).

    Frames under a Hann window, power, 160 triangular bands from 20 Hz to 4 kHz on the mel scale (2595
    log10(1 + f / 700)), logarithm, orthonormal cosine transform.
    """
    held = np.zeros(RATE, np.float32)
    held[: min(len(samples), RATE)] = samples[:RATE]
    mirrored = np.pad(held, WINDOW // 2, mode="reflect")
    starts = HOP * np.arange(FRAMES)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    frames = mirrored[np.minimum(starts[:, None] + np.arange(WINDOW), len(mirrored) - 1)] * window
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))
    bands = np.log(power @ _filters() + 1e-6)
    k, n = np.arange(COEFFICIENTS)[:, None], np.arange(BANDS)
    transform = np.sqrt(2 / BANDS) * np.cos(np.pi * k * (n + 0.5) / BANDS)
    transform[0] /= np.sqrt(2)
    return np.asarray(bands @ transform.T, np.float32)


def _filters() -> npt.NDArray[np.float64]:
    """Triangles (bins, bands)."""
    ends = 2595 * np.log10(1 + np.array([LOW_HZ, HIGH_HZ]) / 700)
    corners = 700 * (10 ** (np.linspace(ends[0], ends[1], BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(WINDOW, 1 / RATE)[:, None]
    rising = (bins - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - bins) / (corners[2:] - corners[1:-1])
    return np.asarray(np.clip(np.minimum(rising, falling), 0, None))


def _listed(path: Path) -> set[str]:
    try:
        return set(path.read_text().split())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}); accepted: Speech "
            f"Commands' own list"
        ) from None


def _samples(path: Path) -> npt.NDArray[np.float32]:
    try:
        with wave.open(str(path), "rb") as file:
            kind = (file.getframerate(), file.getsampwidth(), file.getnchannels())
            raw = file.readframes(RATE)
    except (OSError, EOFError, wave.Error) as error:
        raise DatasetError(f"{path}: no WAV file ({error})") from None
    if kind != (RATE, 2, 1):
        raise DatasetError(f"{path}: rate, bytes and channels are {kind}; accepted: {(RATE, 2, 1)}")
    return (np.frombuffer(raw, "<i2") / np.float32(32768)).astype(np.float32)
