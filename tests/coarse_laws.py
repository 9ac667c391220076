"""Devices of few levels, whose pulses are taken one after the other."""

from ndrite.emulator.device.ecram.pulses import EcramSpread, LinearStep


def _coarse(
    step: float, spread: float, cycle: float, bounds: tuple[float, float] | None = None
) -> tuple[LinearStep, EcramSpread]:
    """Soft bounds: a step falls to 0 at the nominal bound. With ``bounds`` these
    spread, and steps spread log-normally."""
    law = LinearStep(
        step_up=step, step_down=step, w_min=-1, w_max=1, gamma_up=1, gamma_down=1, cycle_sigma=cycle
    )
    sigmas = {"step_sigma": spread, "asymmetry_sigma": 0.01}
    if bounds is None:
        return law, EcramSpread(**sigmas)
    lower, upper = bounds
    return law, EcramSpread(**sigmas, bound_sigma=upper, lower_bound_sigma=lower, log_normal=True)


COARSE = {
    "ReRamArrayOM": _coarse(0.0949, 0.7829, 0.4158, (0.5695, 0.3499)),
    "ReRamArrayHfO2": _coarse(0.4622, 0.7125, 0.2174, (0.5990, 0.4295)),
    "16 levels": _coarse(2 / 16, 0.3, 0.3),
    "4 levels": _coarse(2 / 4, 1.0, 0.3),
    "2 levels": _coarse(2.0, 0.0, 0.0),
}
"""Step, noise, and spread of steps and of both bounds are those of aihwkit's
presets of these names."""
