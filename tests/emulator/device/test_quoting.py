"""Text of other people's files in decks, Verilog-A and HTML: it is text
there, whatever it is."""

import dataclasses
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndrite
from ndrite.emulator.device.description import Chip, load_chip, parse_chip
from ndrite.emulator.device.quoting import spice_word, verilog_comment
from ndrite.emulator.device.verilog_a import verilog_a
from ndrite.emulator.errors import ChipError, NetworkError
from ndrite.emulator.mapping import map_network
from ndrite.emulator.mapping.deck import drawn
from ndrite.emulator.network.activation import Sampled
from ndrite.emulator.spec import brief
from ndrite.emulator.spec.errors import ProgramError
from ndrite.emulator.yaml_file import write_yaml
from tests.chips import changed, random_network, samples
from tests.emulator.device.ngspice import needs_ngspice

SHELLS = (
    "x\n.control\nshell touch pwned\n.endc\n*",
    "x\r.control\rshell touch pwned\r.endc\r*",
    "x\u2028.control\u2028shell touch pwned\u2028.endc\u2028*",
    "`touch pwned`",
    "a;shell touch pwned",
    "$(touch pwned) 'touch pwned' \"`touch pwned`\"",
    "x\n+ `touch pwned`\n.include pwned\n.end",
)
TEXTS = (
    st.text(max_size=80)
    | st.sampled_from(SHELLS)
    | st.text("\n\r\\`\"';$(){}<>/*\x0b\x0c\x85 .a", max_size=30)
)


def named(name: str, description: str = "") -> Chip:
    """A chip whose texts no check has seen."""
    chip = dataclasses.replace(load_chip("ideal"))
    object.__setattr__(chip, "name", name)
    object.__setattr__(chip, "description", description)
    return chip


@pytest.fixture(scope="module")
def mapped() -> Any:
    network = random_network((4, 3, 2), seed=1)
    return map_network(network, changed("ideal"), samples(network, 50))


def deck_of(mapped: Any, name: str, results: str) -> str:
    die = dataclasses.replace(mapped.die)
    object.__setattr__(die, "chip", named(name))
    return drawn(die, 0, np.full((1, 4), 100), results)[0]


@needs_ngspice
@pytest.mark.parametrize("text", SHELLS)
def test_ngspice_runs_nothing_of_a_name(text: str, mapped: Any, tmp_path: Path) -> None:
    (tmp_path / "deck.cir").write_text(deck_of(mapped, text, text))
    subprocess.run(["ngspice", "-b", "deck.cir"], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["deck.cir", spice_word(text)])


@given(TEXTS, TEXTS)
def test_a_deck_has_the_same_lines_whatever_a_name_is(mapped: Any, name: str, results: str) -> None:
    usual, deck = (deck_of(mapped, *texts).split("\n") for texts in (("x", "x"), (name, results)))
    assert len(deck) == len(usual)
    for line, known in zip(deck, usual, strict=True):
        assert len(line.splitlines()) == len(known.splitlines())  # every kind of line's end
        assert (
            line == known
            or re.fullmatch(r"\* product 0 of die 0 of [\w.+-]*", line, re.ASCII)
            or (re.fullmatch(r"wrdata [\w.+-]*( v\([iy]\d+\))+", line, re.ASCII))
        )


@given(TEXTS, TEXTS)
def test_verilog_a_has_the_same_lines_whatever_a_name_is(name: str, description: str) -> None:
    usual = verilog_a(named("x")).split("\n")
    lines = verilog_a(named(name, description)).split("\n")
    assert lines[1:] == usual[1:]
    (line,) = lines[0].splitlines()  # every kind of line's end
    assert line.startswith("// ")
    assert "\\" not in verilog_comment(name)


class _Read(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@given(TEXTS)
def test_html_has_the_same_tags_whatever_a_name_is(text: str) -> None:
    read, usual = (_Read(brief.titled(t, [t], [[t]])) for t in (text, "x"))
    assert [tag for tag in read.tags if tag != "wbr"] == usual.tags
    assert _Read(f"<p>{brief.text(text)}</p>").tags == ["p"]
    assert "".join(_Read(brief.text(text)).words).replace("\r", "\n") == text.replace("\r", "\n")


BAD = ("x\n.control", "a\tb", "\x1b[31mred", "", "x\u2028y", "n" * 1001)


@pytest.mark.parametrize("text", BAD)
def test_names_are_one_printable_line(text: str, mapped: Any, tmp_path: Path) -> None:
    content = load_chip("ideal").as_dict()
    with pytest.raises(ChipError, match="name"):
        parse_chip(content | {"name": text})
    card = dict.fromkeys(("data", "conditions", "licence", "error", "extrapolated"), "none")
    with pytest.raises(ChipError, match="cards, a part's name"):
        parse_chip(content | {"cards": {text: card}})
    with pytest.raises(ChipError, match="sources, a field's name"):
        parse_chip(content | {"sources": {text: "a paper"}})
    with pytest.raises(ProgramError, match="name is"):
        dataclasses.replace(mapped.program, name=text)
    with pytest.raises(NetworkError, match="name is"):
        dataclasses.replace(random_network((4, 3, 2), seed=1), name=text)
    with pytest.raises(NetworkError, match="activation name"):
        Sampled(text, np.array([[0.0, 1.0], [0.0, 1.0]], np.float32))
    write_yaml(tmp_path / "bad.yaml", content | {"name": text})
    with pytest.raises(ChipError, match=r"bad\.yaml: name is"):
        load_chip(tmp_path / "bad.yaml")


@pytest.mark.parametrize("field", ["description", "sources", "cards"])
def test_longer_texts_have_no_control_characters(field: str) -> None:
    content = load_chip("ideal").as_dict()
    text = "in two\nlines, \x1b[31mred"
    card = dict.fromkeys(("data", "conditions", "licence", "error", "extrapolated"), text)
    values = {"description": text, "sources": {"cell.g_max_uS": text}, "cards": {"mine": card}}
    with pytest.raises(ChipError, match=rf"{field}.*printable"):
        parse_chip(content | {field: values[field]})
    clean = parse_chip(content | {"description": "in two\nlines", "sources": {"cell.g_max_uS": "a\n b"}})
    assert (clean.description, clean.sources["cell.g_max_uS"]) == ("in two lines", "a b")
    assert ndrite.load_chip("ideal").description
