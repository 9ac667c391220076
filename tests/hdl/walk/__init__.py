"""Gateware that walks through programs by itself."""


def place_fields(
    base: int, plane: int, pixel: int, channels: int, groups: int, **sizes: tuple[int, int]
) -> dict[str, int]:
    """The fields that say where one sample's results go; ``sizes``: rows and columns of
    the ``map``, ``grid``, ``block`` and ``pool``."""
    fields = {"base": base, "plane": plane, "pixel": pixel, "channels": channels, "groups": groups}
    fields |= {"samples": 1, "span": 0}
    for name, both in sizes.items():
        prefix = "" if name == "map" else f"{name}_"
        fields |= dict(zip((f"{prefix}rows", f"{prefix}columns"), both, strict=True))
    return fields
