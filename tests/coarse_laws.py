"""Devices of few levels, whose pulses are taken one after the other."""

from ndrite.emulator.device.ecram.pulses import EcramSpread, LinearStep


def _coarse(
    step: float, spread: float, cycle: float, bound: float = 0.0, *, log_normal: bool = False
) -> tuple[LinearStep, EcramSpread]:
    """Soft bounds: a step falls to 0 at the nominal bound."""
    law = LinearStep(
        step_up=step, step_down=step, w_min=-1, w_max=1, gamma_up=1, gamma_down=1, cycle_sigma=cycle
    )
    sigmas = {"step_sigma": spread, "asymmetry_sigma": 0.01, "bound_sigma": bound}
    return law, EcramSpread(**sigmas, log_normal=log_normal)


COARSE = {
    "ReRamArrayOM": _coarse(0.0949, 0.7829, 0.4158, 0.5, log_normal=True),
    "ReRamArrayHfO2": _coarse(0.4622, 0.7125, 0.2174, 0.5, log_normal=True),
    "16 levels": _coarse(2 / 16, 0.3, 0.3),
    "4 levels": _coarse(2 / 4, 1.0, 0.3),
    "2 levels": _coarse(2.0, 0.0, 0.0),
}
"""Step, spread and noise of the arrays are those of aihwkit's presets of these names, whose two bounds spread
differently."""
