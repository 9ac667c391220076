"""aihwkit's measured arrays."""

from typing import Any

import aihwkit.simulator.presets.devices as presets
from aihwkit.simulator.configs.devices import LinearStepDevice

SAME = (
    "dw_min dw_min_dtod dw_min_dtod_log_normal dw_min_std mult_noise up_down up_down_dtod w_max w_min "
    "w_max_dtod w_min_dtod"
)
"""Fields that a preset, a SoftBoundsReferenceDevice, and a LinearStepDevice share."""


def array(name: str, *, nominal: bool = False) -> Any:
    """Return the preset ``name`` as a device of which every state is read without error. Its steps fall to 0
    at the bound of each device or, with ``nominal``, at the mean of all devices' bounds, as ndrite's do."""
    device = getattr(presets, f"{name}PresetDevice")
    preset = device(subtract_symmetry_point=False, reference_std=0.0, write_noise_std=0.0)
    if not nominal:
        return preset
    same = {field: getattr(preset, field) for field in SAME.split()}
    slopes = {"gamma_up": 1.0, "gamma_down": 1.0, "gamma_up_dtod": 0.0, "gamma_down_dtod": 0.0}
    return LinearStepDevice(**same, **slopes, mean_bound_reference=True, write_noise_std=0.0)
