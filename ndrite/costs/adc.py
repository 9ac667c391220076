"""What a converter costs: the law of hwcomponents-adc, from Andrulis et al., arXiv 2404.06553.

Energy from Schreier's figure of merit, bounded by resolution and rate, with a correction by technology node;
area from a regression on node, rate and energy. Fitted by its authors to Murmann's ADC survey; coefficients
of version 1.0.21. It answers for the best fifth of the survey.
"""

from __future__ import annotations

import math

BITS_MIN = 4.0
"""The law ends here; converters of fewer bits cost as much."""


def adc_energy_pJ(bits: float, node_nm: float, rate_Hz: float) -> float:
    """Energy of one conversion at ``bits`` effective bits, picojoules."""
    bits = max(float(bits), BITS_MIN)
    by_rate = 213.7806687348118 - 2.8719030399529957 * math.log(rate_Hz)
    by_bits = 128.3068287398817 + 3.2205115 * math.ceil(bits)
    merit_dB = min(by_rate, by_bits)
    noise_dB = 20 * math.log10(2) * bits + 10 * math.log10(1.5)
    best = 0.5 * 10 ** ((noise_dB - merit_dB) / 10)
    correction = (
        26.0496215686518 + 1.8800369206815004 * math.log(node_nm) - 2.8291256050594527 * math.log(bits)
    )
    return best * math.exp(correction - 1.4702022133784405)


def adc_area_um2(bits: float, node_nm: float, rate_Hz: float) -> float:
    """Area of one converter, square micrometres."""
    return math.exp(
        1.3461916439910742
        + 0.9932794744745022 * math.log(node_nm)
        + 0.18071538424508238 * math.log(rate_Hz)
        + 0.29912426192653485 * math.log(adc_energy_pJ(bits, node_nm, rate_Hz))
    )
