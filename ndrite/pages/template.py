"""Pages as Jinja templates: HTML files that need no other."""

import base64
from functools import lru_cache
from typing import Any

from emulator.spec import brief
from ndrite.pages import causes, drawing
from ndrite.pages.figures import used_share
from ndrite.results import plain


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
        "table": brief.table,
        "causes": causes.table,
        "used_share": used_share,
        "svg": lambda figure, name: base64.b64encode(drawing.written(figure, "svg", name)).decode(),
    }
    made.filters |= {"plain": plain, "percent": "{:.1%}".format, "grouped": "{:,}".format}
    return made


def rendered(name: str, **values: Any) -> str:
    """A template of this folder with its values; text of other people is escaped."""
    return str(_environment().get_template(name).render(values))
