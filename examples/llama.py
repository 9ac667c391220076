"""A language model of Llama's kind from a GGUF file: tensors, byte-pair tokens, and a
plain PyTorch module.

Read by language_model.py. Attention scores, norms and activations are what they are in
any framework; the head multiplies with the embedding in blocks of columns, each a
product of its own on a die, which bounds the memory of mapping.
"""

import copy
import math
import re
import struct
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import nn
from torch.nn import functional

HEAD = 3072
"""Words of a block of the head."""
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""GGUF's number of a type -> its letter for ``struct``."""
BLOCKS = {
    3: np.dtype([("d", "<f2"), ("m", "<f2"), ("q", "u1", 16)]),
    8: np.dtype([("d", "<f2"), ("q", "i1", 32)]),
}
"""GGUF's number of a quantised form (Q4_1, Q8_0) -> a block of 32 values."""
PIECES = re.compile(r"'(?:[sdmt]|ll|ve|re)| ?[^\W\d_]+|\d| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")
"""How the tokenizer cuts a text before it merges bytes; digits stand alone."""


class Gguf:
    """A GGUF file: ``meta`` by key, and tensors by name in float32. Numbers
    are little-endian."""

    def __init__(self, path: Path) -> None:
        self.path, self._at = path, {}
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise SystemExit(f"{path} is not a GGUF file")
            _, tensors, keys = _numbers(file, "IQQ")
            self.meta = {_text(file): _value(file, *_numbers(file, "I")) for _ in range(keys)}
            for _ in range(tensors):
                name = _text(file)
                shape = _numbers(file, f"{_numbers(file, 'I')[0]}Q")
                self._at[name] = (shape[::-1], *_numbers(file, "IQ"))
            align = int(self.meta.get("general.alignment", 32))
            self._start = -(-file.tell() // align) * align

    def tensor(self, name: str) -> Any:
        """Tensor ``name``."""
        shape, kind, offset = self._at[name]
        count, offset = math.prod(shape), self._start + offset
        if kind == 0:
            values = np.fromfile(self.path, "<f4", count, offset=offset)
        else:
            blocks = np.fromfile(self.path, BLOCKS[kind], count // 32, offset=offset)
            q = blocks["q"]
            values = np.concatenate([q & 15, q >> 4], axis=1) if kind == 3 else q
            values = values * blocks["d"].astype(np.float32)[:, None]
            if kind == 3:
                values += blocks["m"].astype(np.float32)[:, None]
        return torch.from_numpy(values.astype(np.float32).reshape(shape))


def _numbers(file: BinaryIO, letters: str) -> tuple[Any, ...]:
    return struct.unpack("<" + letters, file.read(struct.calcsize("<" + letters)))


def _text(file: BinaryIO) -> str:
    return file.read(*_numbers(file, "Q")).decode()


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == 8:
        return _text(file)
    if kind == 9:
        kind, count = _numbers(file, "IQ")
        return [_value(file, kind) for _ in range(count)]
    return _numbers(file, SCALARS[kind])[0]


class Tokens:
    """Byte-pair tokens of a GGUF file."""

    def __init__(self, file: Gguf) -> None:
        printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
        others = [byte for byte in range(256) if byte not in printable]
        letters = {byte: chr(byte) for byte in printable} | {b: chr(256 + n) for n, b in enumerate(others)}
        self.letters = letters  # GPT-2 writes every byte as a letter
        self.bytes = {letter: byte for byte, letter in letters.items()}
        self.words = file.meta["tokenizer.ggml.tokens"]
        self.numbers = {word: number for number, word in enumerate(self.words)}
        self.ranks = {tuple(m.split(" ")): n for n, m in enumerate(file.meta["tokenizer.ggml.merges"])}

    def encode(self, text: str) -> list[int]:
        """Numbers of the tokens of ``text``."""
        return [self.numbers[part] for piece in PIECES.findall(text) for part in self._merged(piece)]

    def decode(self, numbers: list[int]) -> str:
        """The text of tokens."""
        return bytes(self.bytes[c] for n in numbers for c in self.words[n]).decode(errors="replace")

    def _merged(self, piece: str) -> list[str]:
        parts = [self.letters[byte] for byte in piece.encode()]
        while len(parts) > 1:
            rank, at = min((self.ranks.get(pair, math.inf), i) for i, pair in enumerate(pairwise(parts)))
            if rank == math.inf:
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return parts


class Norm(nn.Module):  # type: ignore[misc]
    """Division by the root mean square, and a scale per channel."""

    def __init__(self, scale: Any, epsilon: float) -> None:
        super().__init__()
        self.scale, self.epsilon = nn.Parameter(scale), epsilon

    def forward(self, x: Any) -> Any:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon) * self.scale


class Block(nn.Module):  # type: ignore[misc]
    """Attention with rotated queries and keys, then a gated layer."""

    def __init__(self, file: Gguf, number: int) -> None:
        super().__init__()
        meta, place = file.meta, f"blk.{number}."
        epsilon = meta["llama.attention.layer_norm_rms_epsilon"]
        self.heads, self.shared = meta["llama.attention.head_count"], meta["llama.attention.head_count_kv"]
        for name, of in (("q", "attn_q"), ("k", "attn_k"), ("v", "attn_v"), ("o", "attn_output")):
            setattr(self, name, _linear(file.tensor(f"{place}{of}.weight")))
        for name in ("gate", "up", "down"):
            setattr(self, name, _linear(file.tensor(f"{place}ffn_{name}.weight")))
        self.before, self.between = (
            Norm(file.tensor(f"{place}{name}.weight"), epsilon) for name in ("attn_norm", "ffn_norm")
        )

    def forward(self, x: Any, turns: Any, cache: list[Any] | None) -> Any:
        y = self.before(x)
        q, k, v = (self._split(layer(y)) for layer in (self.q, self.k, self.v))
        q, k = _rotated(q, turns), _rotated(k, turns)
        if cache is not None:
            if cache:
                k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
            cache[:] = [k, v]
        k, v = (each.repeat_interleave(self.heads // self.shared, 1) for each in (k, v))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] > 1)
        x = x + self.o(y.transpose(1, 2).flatten(2))
        y = self.between(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))

    def _split(self, y: Any) -> Any:
        """(n, tokens, channels) to (n, heads, tokens, channels of a head)."""
        return y.unflatten(2, (-1, self.q.out_features // self.heads)).transpose(1, 2)


class Llama(nn.Module):  # type: ignore[misc]
    """Tokens (n, t) to logits (n, t, words); the head multiplies with the embedding."""

    def __init__(self, file: Gguf, blocks: int | None = None) -> None:
        super().__init__()
        meta, words = file.meta, file.tensor("token_embd.weight")
        self.embedding = nn.Embedding.from_pretrained(words, freeze=False)
        self.blocks = nn.ModuleList(Block(file, n) for n in range(blocks or meta["llama.block_count"]))
        self.norm = Norm(file.tensor("output_norm.weight"), meta["llama.attention.layer_norm_rms_epsilon"])
        size = meta["llama.rope.dimension_count"]
        self.register_buffer("turn", meta["llama.rope.freq_base"] ** (-torch.arange(0, size, 2) / size))

    def forward(self, tokens: Any, caches: list[list[Any]] | None = None) -> Any:
        """``caches``: a list per block, which this fills with keys and values
        and continues from."""
        first = caches[0][0].shape[2] if caches and caches[0] else 0
        angles = torch.outer(torch.arange(first, first + tokens.shape[1]).float(), self.turn)
        turns = torch.polar(torch.ones_like(angles), angles)
        x = self.embedding(tokens)
        for number, block in enumerate(self.blocks):
            x = block(x, turns, None if caches is None else caches[number])
        return self.logits(self.norm(x))

    def logits(self, x: Any) -> Any:
        """(n, t, channels) to (n, t, words)."""
        # The head in blocks of columns, each a product of its own: mapping it
        # whole would take 6 GB.
        parts = self.embedding.weight.split(HEAD)
        return torch.cat([functional.linear(x, part) for part in parts], -1)


class Adapted(nn.Linear):  # type: ignore[misc]
    """A full layer and beside it an adapter of low rank, which adds 0 until it is trained.

    ``tensordot`` is not among the products that go on tiles, so the adapter stays in
    floats on a die (Hu et al., LoRA, ICLR 2022, arXiv 2106.09685).
    """

    def __init__(self, layer: Any, rank: int) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=False, device="meta")
        self.weight = layer.weight
        self.narrow = nn.Parameter(torch.randn(layer.in_features, rank) / layer.in_features**0.5)
        self.wide = nn.Parameter(torch.zeros(rank, layer.out_features))

    def forward(self, x: Any) -> Any:
        return super().forward(x) + torch.tensordot(torch.tensordot(x, self.narrow, 1), self.wide, 1)


def adapted(model: Llama, rank: int) -> Llama:
    """A copy with adapters at every layer of the blocks; norms and adapters
    alone are trained."""
    mode, model = model.training, copy.deepcopy(model).requires_grad_(False)
    for block in model.blocks:
        for name in ("q", "k", "v", "o", "gate", "up", "down"):
            setattr(block, name, Adapted(getattr(block, name), rank))
    for module in model.modules():
        if isinstance(module, Norm):
            module.requires_grad_(True)
    return model.train(mode)


def tokens_per_second(model: Any, windows: Any, repeat: int = 3) -> dict[str, tuple[float, float]]:
    """Tokens a second of a ``Llama`` in decoding and in a batch of 4 windows, by
    the clock and by processor time: the best of ``repeat`` runs. Decoding reads
    one token after the other, with cached keys and values of all tokens of the
    window before it."""
    length, batch = windows.shape[1], windows[:4]
    counts = {f"decoding with {length} cached keys": 8, f"batch of {batch.numel()} tokens": batch.numel()}
    best = dict.fromkeys(counts, (math.inf, math.inf))
    with torch.no_grad():
        for _ in range(repeat):
            caches: list[list[Any]] = [[] for _ in model.blocks]
            model(windows[:1, :-9], caches)
            begun = clock()
            for token in range(length - 9, length - 1):
                model(windows[:1, token : token + 1], caches)
            between = clock()
            model(batch)
            ended = clock()
            for name, (a, b) in zip(counts, ((begun, between), (between, ended)), strict=True):
                best[name] = min(best[name][0], b[0] - a[0]), min(best[name][1], b[1] - a[1])
    return {name: (count / best[name][0], count / best[name][1]) for name, count in counts.items()}


def clock() -> tuple[float, float]:
    """Seconds now by the clock and by this process's processor time."""
    return time.perf_counter(), time.process_time()


def _linear(weight: Any) -> Any:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = nn.Parameter(weight)
    return layer


def _rotated(x: Any, turns: Any) -> Any:
    """Turn pairs of channels of (n, heads, tokens, channels) by each token's angles."""
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * turns).flatten(
        -2
    )
