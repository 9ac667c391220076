"""CIFAR-10 and Speech Commands from a folder: what is read, and what is refused by name."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from emulator.errors import DatasetError
from studies.cifar10 import TEST, TRAIN, cifar10
from studies.speech_commands import WORDS, cepstrum, speech_commands


def test_cifar_planes_and_labels(tmp_path: Path) -> None:
    for k, name in enumerate((*TRAIN, TEST)):
        record = bytes([k]) + bytes([10 + k]) * 1024 + bytes([20]) * 1024 + bytes([30]) * 1024
        (tmp_path / name).write_bytes(record * 2)
    x, y, test_x, test_y = cifar10(tmp_path)
    assert y.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert test_y.tolist() == [5, 5]
    assert x.shape == (10, 3072)
    assert x[4].reshape(3, 32, 32)[:, 5, 7].tolist() == [12, 20, 30]
    assert (x[4, 0], test_x[0, 0]) == (12, 15)
    (tmp_path / TEST).write_bytes(b"\x0a" + bytes(3072))
    with pytest.raises(DatasetError, match=r"test_batch\.bin: a label is 10; accepted: 0\.\.9"):
        cifar10(tmp_path)
    (tmp_path / TEST).write_bytes(bytes(3072))
    with pytest.raises(DatasetError, match="length is 3072 bytes; accepted: whole records of 3073"):
        cifar10(tmp_path)
    (tmp_path / TRAIN[2]).unlink()
    with pytest.raises(DatasetError, match=r"data_batch_3\.bin: cannot be read"):
        cifar10(tmp_path)


def tone(hertz: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000).astype(np.float32)


def test_a_cepstrum_is_that_of_its_bands() -> None:
    low, high, louder = cepstrum(tone(300)), cepstrum(tone(3000)), cepstrum(0.1 * tone(300))
    assert low.shape == (51, 40)
    # The first coefficient is the mean of the bands' logarithms, the second falls where energy is high up.
    assert low[25, 1] > 0 > high[25, 1]
    # A tenth of the amplitude is a hundredth of the power in each of the 160 bands that are above the floor.
    assert np.log(100) * np.sqrt(160) >= low[25, 0] - louder[25, 0] > 0
    np.testing.assert_allclose(cepstrum(tone(300)[:8000])[40], cepstrum(np.zeros(16_000, np.float32))[40])


def recorded(path: Path, rate: int = 16_000) -> None:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((8000 * tone(500)).astype("<i2").tobytes())


def test_words_and_lists(tmp_path: Path) -> None:
    for word in WORDS:
        for k in range(3):
            recorded(tmp_path / word / f"{k}.wav")
    (tmp_path / "testing_list.txt").write_text("\n".join(f"{w}/2.wav" for w in WORDS))
    (tmp_path / "validation_list.txt").write_text("yes/0.wav\n")
    x, y, test_x, test_y = speech_commands(tmp_path)
    assert x.shape == (19, 51, 40)
    assert y.tolist() == [0, *(w for w in range(1, 10) for _ in range(2))]
    assert test_y.tolist() == list(range(10))
    assert len(test_x) == 10
    recorded(tmp_path / "go" / "1.wav", rate=8000)
    with pytest.raises(DatasetError, match=r"1\.wav: rate, bytes and channels are \(8000, 2, 1\)"):
        speech_commands(tmp_path)
    (tmp_path / "go" / "1.wav").write_bytes(b"no")
    with pytest.raises(DatasetError, match=r"1\.wav: no WAV file"):
        speech_commands(tmp_path)
    for path in (tmp_path / "go").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"go: no \.wav file; accepted: recordings of each of yes"):
        speech_commands(tmp_path)
    (tmp_path / "testing_list.txt").unlink()
    with pytest.raises(DatasetError, match=r"testing_list\.txt: cannot be read"):
        speech_commands(tmp_path)
