"""HTML files that need no other: what every page begins and ends with."""

from __future__ import annotations

from importlib.resources import files

from emulator.spec.brief import text


def held(name: str) -> str:
    """A file of this folder: style, script or body of a page."""
    return files(__package__ or "").joinpath(name).read_text(encoding="utf-8")


def document(title: str, header: str, main: str, mark: str = "", after: str = "") -> str:
    """One HTML file: ``title`` as words, the rest as HTML; ``mark``: attributes of header and main."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{text(title)}</title>'
        f"<style>{held('style.css')}</style></head>\n"
        f"<body><header{mark}><h1>{text(title)}</h1>{header}</header>\n"
        f"<main{mark}>{main}</main>{after}</body></html>\n"
    )
