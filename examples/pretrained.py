"""Networks as packages carry them, on a chip: a wake word, a speech detector, two
stages of a face detector.

    python examples/pretrained.py              # all
    python examples/pretrained.py faces --chip ibm-cmo-hfox-2 --dies 5

- words: okay_nabu of pyopen-wakeword (Apache-2.0), 1536-32-32-1 with layer
  normalisation, on features that the package's own networks make of speech. The speech
  is synthesised: espeak-ng (Debian) says the wake word and other phrases in several
  voices. Its file is TensorFlow Lite, which no importer of ndrite reads: the package
  tflite does. pip install 'ndrite[pretrained,train]'
- speech: silero-vad (MIT), which says for every 32 ms whether someone speaks, on such
  phrases with pauses and noise. First its products on tiles; then its ONNX file, whose
  state is an input, whole on the chip, from the spectrum to the LSTM. The package asks
  for torchaudio and is not imported:
  pip install --no-deps silero-vad; pip install 'ndrite[onnx]'
- faces: P-Net and R-Net of facenet-pytorch (MIT), on photographs: one of a face that
  comes with Matplotlib, and two without that come with scikit-learn. Only their weights
  are read, the package is not imported, for it asks for an old PyTorch: pip install
  --no-deps facenet-pytorch

What is compared: the network in floats with the same network on dies, read noise on,
and what both decide. Nobody says here how well the networks recognise; inputs are few.
"""

import argparse
import importlib.util
import io
import shutil
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import nn
from torch.nn.functional import interpolate, layer_norm

import ndrite

CHUNK, WINDOW, FEATURES = 1280, 16, 96
CALLS = 8
"""Frames that a speech detector on the chip is given for one result."""
HEARD, CANDIDATE, FACE = 0.5, 0.6, 0.7
"""Thresholds: of the wake word, and of P-Net and R-Net as their package has them."""
VOICES = "en-us en-gb en-gb-scotland en-gb-x-rp en-029 en-us+f1 en-us+f4 en-us+m1 en-us+m4 en-us+m7".split()
"""Those of espeak-ng whose breath is not random, so that a run can be repeated."""
OTHERS = ("okay google", "hey computer", "turn on the light", "a new day", "okay I will do that", "banana")


class WakeWord(nn.Module):  # type: ignore[misc]
    """(n, 16, 96) to probabilities (n,); constants in the order of the file."""

    def __init__(self, constants: list[Any]) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for weight, bias in zip(constants[0::4], constants[1::4], strict=True):
            layer = nn.Linear(weight.shape[1], weight.shape[0])
            layer.weight.data, layer.bias.data = torch.tensor(weight), torch.tensor(bias)
            self.layers.append(layer)
        self.scales = [torch.tensor(v) for v in constants[2::4]]
        self.shifts = [torch.tensor(v) for v in constants[3::4]]

    def forward(self, x: Any) -> Any:
        x = x.flatten(1)
        for layer, scale, shift in zip(self.layers, self.scales, self.shifts, strict=False):
            x = torch.relu(layer_norm(layer(x), (len(scale),), scale, shift))
        return torch.sigmoid(self.layers[-1](x))[:, 0]


def constants(path: Path) -> list[Any]:
    """Float constants with 32 values and more, and the last bias, of full layers,
    products and sums."""
    import tflite

    model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    graph, found = model.Subgraphs(0), []
    for k in range(graph.OperatorsLength()):
        operator = graph.Operators(k)
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = tflite.opcode2name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
        if kind in ("FULLY_CONNECTED", "MUL", "ADD"):
            for i in operator.InputsAsNumpy():
                tensor = graph.Tensors(i)
                raw = model.Buffers(tensor.Buffer()).DataAsNumpy()
                shape = np.atleast_1d(tensor.ShapeAsNumpy())
                if not isinstance(raw, int) and len(shape) and (kind == "FULLY_CONNECTED" or len(raw) >= 128):
                    found.append(np.frombuffer(raw.tobytes(), np.float32).reshape(shape))
    return found


def features(audio: Any) -> Any:
    """Windows (n, 16, 96) of a recording int16 (samples,) at 16 kHz, by the
    package's own networks."""
    from pyopen_wakeword import OpenWakeWordFeatures

    made = OpenWakeWordFeatures.from_builtin()
    rows = [
        row
        for start in range(0, len(audio) - CHUNK + 1, CHUNK)
        for part in made.process_streaming(audio[start : start + CHUNK].tobytes())
        for row in part[0, 0]
    ]
    return torch.tensor(
        np.lib.stride_tricks.sliding_window_view(np.array(rows), WINDOW, 0).swapaxes(1, 2).copy()
    )


def check_voice(what: str) -> None:
    """Exit with a line on how to get espeak-ng where it is missing."""
    if shutil.which("espeak-ng") is None:
        raise SystemExit(f"{what}: speech is synthesised by espeak-ng; apt-get install espeak-ng")


def spoken(text: str, voice: str, speed: int) -> Any:
    """espeak-ng's speech with a second of silence around it, int16 at 16 kHz."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "--stdout", text]
    done = subprocess.run(command, capture_output=True, check=True)
    with wave.open(io.BytesIO(done.stdout)) as file:
        raw, rate = file.readframes(1 << 22), file.getframerate()
    heard = resample_poly(np.frombuffer(raw, "<i2").astype(np.float64), 16_000, rate)
    return np.clip(np.pad(heard, 16_000), -32768, 32767).astype(np.int16)


def data_of(package: str, what: str) -> Path:
    """The folder ``data`` of a package that is installed and not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        name = package.replace("_", "-")
        raise SystemExit(f"{what}: the weights come with a package; pip install --no-deps {name}")
    return Path(spec.submodule_search_locations[0]) / "data"


class SpeechDetector(nn.Module):  # type: ignore[misc]
    """silero-vad at 16 kHz: frames (recordings, n, 576) to probabilities of
    speech (recordings, n)."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        import onnx

        parts = {
            t.name: torch.tensor(onnx.numpy_helper.to_array(t)) for t in onnx.load(path).graph.initializer
        }
        self.spectrum = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.spectrum.weight.data = parts["model.stft.forward_basis_buffer"]
        self.encoder = nn.ModuleList()
        for i, stride in enumerate((1, 2, 2, 1)):
            weight, bias = (parts[f"model.encoder.{i}.reparam_conv.{name}"] for name in ("weight", "bias"))
            layer = nn.Conv1d(weight.shape[1], weight.shape[0], 3, stride=stride, padding=1)
            layer.weight.data, layer.bias.data = weight, bias
            self.encoder.append(layer)
        self.recurrent = nn.LSTM(128, 128, batch_first=True)
        self.recurrent.load_state_dict(
            {
                f"{k}_l0": parts[f"model.decoder.rnn.{k}"]
                for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            }
        )
        self.last = nn.Conv1d(128, 1, 1)
        self.last.weight.data, self.last.bias.data = (
            parts[f"model.decoder.decoder.2.{name}"] for name in ("weight", "bias")
        )

    def forward(self, x: Any) -> Any:
        y = nn.functional.pad(x.flatten(0, 1)[:, None], (0, 64), mode="reflect")
        real, imaginary = self.spectrum(y).chunk(2, dim=1)
        y = (real**2 + imaginary**2).sqrt()
        for layer in self.encoder:
            y = torch.relu(layer(y))
        y, _ = self.recurrent(y.reshape(*x.shape[:2], 128))
        return torch.sigmoid(self.last(torch.relu(y).transpose(1, 2)))[:, 0]


def frames(audio: Any) -> Any:
    """Frames (n, 576) of a recording at 16 kHz: 512 samples, and the 64 before them."""
    joined = np.concatenate([np.zeros(64), audio])
    return np.lib.stride_tricks.sliding_window_view(joined, 576)[::512].astype(np.float32)


def net(stage: str) -> Any:
    """P-Net ("p") or R-Net ("r") with its weights, up to the layer that says face or not."""
    if stage == "p":
        layers = [
            ("conv1", nn.Conv2d(3, 10, 3)),
            ("prelu1", nn.PReLU(10)),
            ("pool1", nn.MaxPool2d(2, 2, ceil_mode=True)),
            ("conv2", nn.Conv2d(10, 16, 3)),
            ("prelu2", nn.PReLU(16)),
            ("conv3", nn.Conv2d(16, 32, 3)),
            ("prelu3", nn.PReLU(32)),
            ("conv4_1", nn.Conv2d(32, 2, 1)),
        ]
    else:
        layers = [
            ("conv1", nn.Conv2d(3, 28, 3)),
            ("prelu1", nn.PReLU(28)),
            ("pool1", nn.MaxPool2d(3, 2, ceil_mode=True)),
            ("conv2", nn.Conv2d(28, 48, 3)),
            ("prelu2", nn.PReLU(48)),
            ("pool2", nn.MaxPool2d(3, 2, ceil_mode=True)),
            ("conv3", nn.Conv2d(48, 64, 2)),
            ("prelu3", nn.PReLU(64)),
            ("turn", Turned()),
            ("dense4", nn.Linear(576, 128)),
            ("prelu4", nn.PReLU(128)),
            ("dense5_1", nn.Linear(128, 2)),
        ]
    model = nn.Sequential()
    for name, layer in layers:
        model.add_module(name, layer)
    path = data_of("facenet_pytorch", "faces") / f"{stage}net.pt"
    held = torch.load(path, weights_only=True)
    model.load_state_dict({k: v for k, v in held.items() if k in model.state_dict()})
    return model.eval()


class Turned(nn.Module):  # type: ignore[misc]
    """Maps (n, C, H, W) to vectors, as the published weights count them."""

    def forward(self, x: Any) -> Any:
        return x.permute(0, 3, 2, 1).flatten(1)


def photographs() -> Iterator[Any]:
    """(3, H, W) in 0..255: a face, then two without."""
    import matplotlib.image
    from sklearn.datasets import load_sample_images

    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    for image in (matplotlib.image.imread(path), *load_sample_images().images):
        yield torch.tensor(image.copy()).permute(2, 0, 1).float()


def pyramid(image: Any) -> Iterator[Any]:
    """The picture at scales of 0.6 to 0.05, as P-Net is shown it: (1, 3, h, w)."""
    scale = 0.6
    while scale > 0.05:
        size = [int(side * scale + 1) for side in image.shape[1:]]
        yield (interpolate(image[None], size, mode="area") - 127.5) / 128
        scale *= 0.709


def picked(model: Any, images: list[Any]) -> tuple[Any, Any]:
    """Windows (n, 3, 12, 12) at every scale that P-Net takes for a face, and as many others."""
    yes, no = [], []
    for x in (x for image in images for x in pyramid(image)):
        face = torch.softmax(model(x), dim=1)[0, 1]
        cut = x[0].unfold(1, 12, 2).unfold(2, 12, 2).permute(1, 2, 0, 3, 4)
        face = face[: len(cut), : cut.shape[1]]  # a window beyond the border is left out
        yes.append(cut[face > CANDIDATE])
        no.append(cut[face <= CANDIDATE])
    found, others = torch.cat(yes), torch.cat(no)
    return found, others[:: len(others) // len(found)][: len(found)]


def compared(name: str, model: Any, samples: list[Any], decide: Any, options: Any) -> None:
    """Print what floats and dies decide of the same inputs; ``decide(model)``: bool
    (n,) of all of them."""
    with torch.no_grad():
        known = decide(model)
        print(f"\n{name}: {int(known.sum())} of {len(known)} yes in floats")
        for die in range(options.dies):
            chip = ndrite.analog(model, options.chip, samples=samples, seed=die, progress=lambda *_: None)
            found = decide(chip)
            same, yes = (found == known).float().mean(), int((found & known).sum())
            print(
                f"die {die}    {100 * float(same):.2f} % decided alike: {yes} of the {int(known.sum())} yes, "
                f"{int((found & ~known).sum())} more",
                flush=True,
            )
    account = ndrite.cost_of(chip, samples[0][:16])
    low, typical, high = (f"{v / 1e3:.3g}" for v in account.total.energy_pJ)
    print(
        f"products on tiles: {chip.ndrite.table().weights:,} weights, {account.macs:,} MACs, "
        f"{typical} nJ ({low} .. {high}), modelled at {account.constants.node_nm:g} nm"
    )


def words(options: Any) -> None:
    import pyopen_wakeword

    check_voice("words")
    model = WakeWord(constants(Path(pyopen_wakeword.__file__).parent / "models" / "okay_nabu.tflite")).eval()
    said = [(t, v, s) for t in ("okay nabu", *OTHERS) for v in VOICES for s in (140, 170)]
    typical = [features(spoken(t, VOICES[0], 155)) for t in ("okay nabu", *OTHERS)]
    heard = [features(spoken(*what)) for what in said]

    def decide(net: Any) -> Any:
        scores = net(torch.cat(heard))
        return torch.stack([part.max() > HEARD for part in scores.split([len(h) for h in heard])])

    with torch.no_grad():
        right = sum(bool(d) == (w[0] == "okay nabu") for d, w in zip(decide(model), said, strict=True))
    print(f"words: {len(said)} synthesised phrases, {right} told rightly in floats")
    compared("okay_nabu, phrases", model, [torch.cat(typical)], decide, options)


def speech(options: Any) -> None:
    check_voice("speech")
    path = data_of("silero_vad", "speech") / "silero_vad_16k_op15.onnx"
    rng, model = np.random.default_rng(0), SpeechDetector(path).eval()

    def recordings(texts: tuple[str, ...], voices: list[str]) -> Any:
        """Phrases with a second of silence around each and noise over all, (voices, n, 576)."""
        said = [np.concatenate([spoken(t, v, 155) for t in texts]) / 32768 for v in voices]
        length = min(len(s) for s in said)
        return torch.tensor(np.stack([frames(s[:length] + rng.normal(0, 0.003, length)) for s in said]))

    typical, heard = recordings(OTHERS[:2], VOICES[:4]), recordings(OTHERS[2:4], VOICES[4:])
    compared("silero-vad, frames", model, [typical], lambda m: m(heard).flatten() > HEARD, options)

    with torch.no_grad():
        known = (model(heard) > HEARD)[:, CALLS - 1 :].flatten().numpy()
    some, every = (r.unfold(1, CALLS, 1).movedim(-1, 2).flatten(0, 1).numpy() for r in (typical, heard))
    for chip in dict.fromkeys(("ideal", options.chip)):
        program = ndrite.compile(
            path,
            chip,
            samples=some[:: max(1, len(some) // 256)],
            model_inputs={"sr": 16_000, "state": "stateN"},
            node="output",
        )
        answers = ndrite.infer(program, every.reshape(len(every), -1), model_unit=True)
        same = float(((answers.outputs[:, 0] > HEARD) == known).mean())
        print(
            f"whole on {chip}, {CALLS} calls a sample: {100 * same:.2f} % of {len(known)} frames as in floats"
        )


def faces(options: Any) -> None:
    first, second = net("p"), net("r")
    images = list(photographs())
    print("faces: photographs of one face and of none (Matplotlib, scikit-learn)")
    with torch.no_grad():
        parts, others = picked(first, images)

    def windows(model: Any) -> Any:
        return torch.cat(
            [
                torch.softmax(model(x), dim=1)[0, 1].flatten() > CANDIDATE
                for image in images
                for x in pyramid(image)
            ]
        )

    # Converters take their ranges from samples: they must see what is rare and decides.
    compared("P-Net, windows of 12 x 12", first, [torch.cat([parts[::2], others])], windows, options)
    larger = interpolate(parts, (24, 24), mode="bilinear", align_corners=False)

    def face(model: Any) -> Any:
        return torch.softmax(model(larger), dim=1)[:, 1] > FACE

    compared("R-Net, windows that P-Net picks in floats", second, [larger[::2]], face, options)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", choices=["words", "speech", "faces", []], help="default: all")
    parser.add_argument("--chip", default="wan2022")
    parser.add_argument("--dies", type=int, default=3)
    options = parser.parse_args()
    for what in options.what or ("words", "speech", "faces"):
        {"words": words, "speech": speech, "faces": faces}[what](options)


if __name__ == "__main__":
    main()
