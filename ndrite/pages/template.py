"""Pages as Jinja templates: HTML files that need no other."""

import base64
from functools import lru_cache
from importlib.resources import files
from typing import Any

from emulator.spec import brief
from ndrite.pages import causes, drawing
from ndrite.pages.figures import used_share
from ndrite.results import plain


class Html(str):
    """Text that is not escaped again."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


@lru_cache(1)
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader(__package__ or "", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "source": lambda name: Html(files(__package__ or "").joinpath(name).read_text(encoding="utf-8")),
        "table": lambda head, rows: Html(brief.table(head, rows)),
        "shown": lambda result: Html(result._repr_html_()),
        "causes": causes.table,
        "used_share": used_share,
        "svg": lambda figure, name: base64.b64encode(drawing.written(figure, "svg", name)).decode(),
    }
    made.filters |= {"plain": plain, "percent": "{:.1%}".format, "grouped": "{:,}".format}
    return made


def rendered(name: str, **values: Any) -> str:
    """A template of this folder with its values; text of other people is escaped."""
    return str(_environment().get_template(name).render(values))
