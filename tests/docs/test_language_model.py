"""The example of a language model, on a small GGUF file written here: values,
tokens, logits, tiles."""

import math
import runpy
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.extras import needs

needs("torch")

import torch

import ndrite

EXAMPLE = Path(__file__).parents[2] / "examples" / "language_model.py"
SIZE, HEADS, SHARED, TURNED, WIDE, BLOCKS, BASE, EPSILON = 64, 4, 2, 16, 96, 2, 1000.0, 1e-5
MERGES = ["h e", "t he", "\u0120 the", "s e", "\u0120 a"]
LETTERS = [chr(n) for n in (*range(33, 127), *range(161, 173), *range(174, 324))]
WORDS = [*LETTERS, *(merge.replace(" ", "") for merge in MERGES)]
TEXT = "the sea, a cat: 'the 42 \u00e4nts'\n\n see the cat  "


def text_of(words: str) -> bytes:
    return struct.pack("<Q", len(words.encode())) + words.encode()


def value_of(value: Any) -> bytes:
    """A value with its type: a whole number, a real one, or a list of texts."""
    if isinstance(value, list):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text_of, value))
    return struct.pack("<If", 6, value) if isinstance(value, float) else struct.pack("<II", 4, value)


def block_of(rng: Any, kind: int) -> tuple[bytes, list[float]]:
    """32 values in the form Q4_1 (3) or Q8_0 (8): their bytes, and the values one by one."""
    scale, least = np.float16(rng.uniform(0.01, 0.03)), np.float16(-0.1)
    if kind == 8:
        codes = rng.integers(-127, 128, 32)
        return scale.tobytes() + codes.astype("i1").tobytes(), [float(scale) / 9 * 9 * int(c) for c in codes]
    codes = rng.integers(0, 16, 32)
    packed = bytes(int(codes[i]) | int(codes[i + 16]) << 4 for i in range(16))
    values = [float(scale) * int(code) + float(least) for code in codes]
    return scale.tobytes() + least.tobytes() + packed, values


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The example's names, the file, and its tensors by name."""
    rng = np.random.default_rng(0)
    shapes = {"token_embd": (len(WORDS), SIZE, 8), "output_norm": (1, SIZE, 0)}
    for n in range(BLOCKS):
        kv = SIZE * SHARED // HEADS
        shapes |= {f"blk.{n}.attn_norm": (1, SIZE, 0), f"blk.{n}.ffn_norm": (1, SIZE, 0)}
        shapes |= {f"blk.{n}.attn_q": (SIZE, SIZE, 3), f"blk.{n}.attn_output": (SIZE, SIZE, 8)}
        shapes |= {f"blk.{n}.attn_k": (kv, SIZE, 3), f"blk.{n}.attn_v": (kv, SIZE, 0)}
        shapes |= {f"blk.{n}.ffn_{name}": (WIDE, SIZE, 3) for name in ("gate", "up")}
        shapes |= {f"blk.{n}.ffn_down": (SIZE, WIDE, 3)}
    heads, data, tensors = b"", b"", {}
    for name, (rows, columns, kind) in shapes.items():
        own = [*((columns, rows) if rows > 1 else (columns,))]
        heads += text_of(f"{name}.weight") + struct.pack(f"<I{len(own)}QIQ", len(own), *own, kind, len(data))
        if kind:
            parts, values = zip(*(block_of(rng, kind) for _ in range(rows * columns // 32)), strict=True)
            content, flat = b"".join(parts), np.concatenate(values)
        else:
            flat = rng.normal(0.2, 0.2, rows * columns).astype("<f4")
            content = flat.tobytes()
        data += content + b"\0" * (-len(content) % 32)
        tensors[name] = np.asarray(flat, np.float64).reshape(rows, columns)
    meta = {
        "llama.block_count": BLOCKS,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": SHARED,
        "llama.rope.dimension_count": TURNED,
        "llama.rope.freq_base": BASE,
        "llama.attention.layer_norm_rms_epsilon": EPSILON,
        "tokenizer.ggml.tokens": WORDS,
        "tokenizer.ggml.merges": MERGES,
    }
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(meta))
    head += b"".join(text_of(key) + value_of(value) for key, value in meta.items()) + heads
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    path.write_bytes(head + b"\0" * (-len(head) % 32) + data)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE.parent)
        names = runpy.run_path(str(EXAMPLE))
    return SimpleNamespace(**names, path=path, tensors=tensors)


def test_tensors_are_what_was_written(model: Any) -> None:
    file = model.Gguf(model.path)
    for name, wanted in model.tensors.items():
        np.testing.assert_allclose(file.tensor(f"{name}.weight").numpy().reshape(wanted.shape), wanted, 1e-6)


def test_tokens_are_merged_by_rank_within_words(model: Any) -> None:
    tokens = model.Tokens(model.Gguf(model.path))
    numbers = tokens.encode(TEXT)
    words = [WORDS[number] for number in numbers]
    assert words[:6] == ["the", "\u0120", "se", "a", ",", "\u0120a"]
    assert words.count("\u0120the") == 1, "after a quote the word has no space"
    assert words[words.index("4") - 1 :][:3] == ["\u0120", "4", "2"]
    assert tokens.decode(numbers) == TEXT


def logits_by_hand(t: dict[str, Any], tokens: list[int]) -> Any:
    """Logits (t, words) of a Llama, position by position and head by head."""

    def norm(x: Any, scale: Any) -> Any:
        return x / math.sqrt(sum(x * x) / len(x) + EPSILON) * scale[0]

    def turned(x: Any, position: int) -> Any:
        y = x.copy()
        for i in range(0, TURNED, 2):
            angle = position * BASE ** (-i / TURNED)
            y[i] = x[i] * math.cos(angle) - x[i + 1] * math.sin(angle)
            y[i + 1] = x[i] * math.sin(angle) + x[i + 1] * math.cos(angle)
        return y

    states = [t["token_embd"][token] for token in tokens]
    for n in range(BLOCKS):
        own = {name.removeprefix(f"blk.{n}."): value for name, value in t.items() if f"blk.{n}." in name}
        inputs = [norm(x, own["attn_norm"]) for x in states]
        q, k, v = ([(own[f"attn_{name}"] @ x).reshape(-1, TURNED) for x in inputs] for name in "qkv")
        for i in range(len(states)):
            heads = []
            for h in range(HEADS):
                query, of = turned(q[i][h], i), h * SHARED // HEADS
                scores = [math.exp(query @ turned(k[j][of], j) / math.sqrt(TURNED)) for j in range(i + 1)]
                heads.append(sum(s / sum(scores) * v[j][of] for j, s in enumerate(scores)))
            states[i] = states[i] + own["attn_output"] @ np.concatenate(heads)
            x = norm(states[i], own["ffn_norm"])
            gate = own["ffn_gate"] @ x
            states[i] = states[i] + own["ffn_down"] @ (gate / (1 + np.exp(-gate)) * (own["ffn_up"] @ x))
    return np.array([t["token_embd"] @ norm(x, t["output_norm"]) for x in states])


def test_logits_are_those_worked_out_by_hand_with_cached_keys_too(model: Any) -> None:
    module, tokens = model.Llama(model.Gguf(model.path)).eval(), [5, 250, 7, 7, 31, 260]
    wanted, caches = logits_by_hand(model.tensors, tokens), [[] for _ in range(BLOCKS)]
    with torch.no_grad():
        whole = module(torch.tensor([tokens]))[0]
        parts = [module(torch.tensor([part]), caches)[0] for part in (tokens[:3], tokens[3:4], tokens[4:5])]
    np.testing.assert_allclose(whole.numpy(), wanted, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(torch.cat(parts).numpy(), wanted[:5], rtol=1e-3, atol=1e-3)


def test_scales_that_are_moved_change_weights_and_no_logits(model: Any) -> None:
    module, tokens = model.Llama(model.Gguf(model.path)).eval(), torch.arange(40).view(2, 20)
    with torch.no_grad():
        wanted, weights = module(tokens), [v.clone() for v in module.parameters()]
        moved = model.moved(module, tokens)(tokens)
    np.testing.assert_allclose(moved.numpy(), wanted.numpy(), rtol=1e-3, atol=1e-4)
    changed = [not torch.equal(v, w) for v, w in zip(module.parameters(), weights, strict=True)]
    assert changed.count(False) == 2, "the embedding and the last norm"
    assert not any(layer._forward_pre_hooks for layer in module.modules())


def test_adapters_change_nothing_until_they_are_trained_and_stay_off_the_die(model: Any) -> None:
    module, tokens = model.Llama(model.Gguf(model.path)).eval(), torch.arange(40).view(2, 20)
    adapted = model.adapted(module, 3)
    with torch.no_grad():
        assert torch.equal(adapted(tokens), module(tokens))
        adapted.blocks[1].up.wide += 0.1
        changed = adapted(tokens)
    assert not torch.equal(changed, module(tokens))
    names = {name for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert len(names) == BLOCKS * (2 + 7 * 2) + 1, "norms of blocks, adapters, the last norm"
    tiled, plain = (ndrite.analog(m, "ideal", samples=tokens).ndrite.table() for m in (adapted, module))
    assert [r.name for r in tiled.rows if r.tiles] == [r.name for r in plain.rows if r.tiles]
    assert tiled.share < plain.share


def test_the_model_goes_onto_dies(model: Any) -> None:
    """All products; its perplexity is that of floats on the ideal chip, and higher
    with weight errors."""
    module = model.Llama(model.Gguf(model.path)).eval()
    windows = torch.randint(len(WORDS), (4, 32), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():  # what the model itself says follows, so that floats know the text
        for i in range(31):
            windows[:, i + 1] = module(windows)[:, i].argmax(1)
    plain = model.perplexity(module, windows)
    ideal = ndrite.analog(module, "ideal", samples=windows)
    assert [row.where for row in ideal.ndrite.table().rows if row.tiles] == ["die"] * (7 * BLOCKS + 1)
    assert model.perplexity(ideal, windows) == pytest.approx(plain, rel=0.1)
    chip = model.noisy_chip(10.0)
    noisy = ndrite.analog(module, chip, samples=windows)
    assert model.perplexity(noisy, windows) > 1.1 * plain
    (product,) = (p for p in noisy.ndrite.products.values() if p.name == "blocks.0.up")
    weight, span = module.blocks[0].up.weight.detach().T, float(product.watched.input_range.span[0])
    mapped = product.die(weight, None).arrays[0].mapped
    errors = (mapped.effective - span * weight.numpy()) / mapped.limits
    assert np.std(errors) == pytest.approx(0.10, rel=0.1), "of the largest weight of each column"
    adapted = ndrite.analog(model.adapted(module, 2), chip, samples=windows)
    with torch.no_grad():  # an adapter adds nothing until it is trained
        assert torch.equal(adapted(windows), noisy(windows))


@pytest.mark.parametrize(
    # options, and what is printed for them, in this order
    ("options", "lines"),
    [
        ("", ["2 blocks", "float: ", "ideal): ", "10 % weight error, 2 dies: ", "a day: ", "a month: "]),
        (
            "--causes --moved --channel-ranges 0.5",
            ["each cause alone", "programming error", "each product alone", "embedding"],
        ),
        ("--place 0.01 --minutes 1", ["products in floats", "the same products digital on 2 dies: "]),
        ("--tune 0.02", ["before tuning: ", "steps of 512 tokens", "after tuning: "]),
        (
            "--speed",
            [
                *("v: ", "weights mapped in", "1 blocks and the head: ", "2 blocks and the head: "),
                *("weights mapped in", "at the peak", "tokens a second"),
            ],
        ),
    ],
)
def test_the_script_prints_what_is_asked_for(
    options: str, lines: list[str], model: Any, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    text = tmp_path / "text.txt"
    text.write_text(TEXT * 80)
    words = f"x --model {model.path} --text {text} --windows 1 --percent 10 --dies 2 {options}"
    monkeypatch.setattr("sys.argv", words.split())
    model.main()
    out, place = capsys.readouterr().out, 0
    for line in lines:
        place = out.find(line, place)
        assert place >= 0, (line, out)
