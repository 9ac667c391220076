"""The read-noise generator, specified: a counter-based cipher and a Gaussian table.

A sample is a pure function of (seed, inference, layer, tile, slice, column), so the
answer depends on neither the lane count nor the order of work. Two stages, both from
the Speck family of add-rotate-xor ciphers (Beaulieu et al., ePrint 2013/404), used in
counter mode as Salmon et al. propose (SC'11, doi 10.1145/2063384.2063405):

1. *Pass key*: full Speck64/128 (27 rounds) encrypts (inference, layer | tile | slice)
   under the seed. One key per pass, so the hardware spends one round a cycle on it.
2. *Sample*: ``SAMPLE_ROUNDS`` Speck32 rounds mix the column number with the pass key's
   four 16-bit words (five rounds still show correlated columns, six show none at 2^14
   passes; seven are used). Its low 20 bits pick two signed entries of a 512-entry half
   table of normal quantiles, and g = +-A[u1] +- A[u2].

The sum's exact distribution (a convolution, no sampling): mean 0, variance
0.99986, excess kurtosis -0.014, support +-4.66 sigma, Kolmogorov distance to the
normal law 0.00086.
"""

from functools import cache
from statistics import NormalDist

KEY_ROUNDS = 27
KEY_WORD_BITS = 32
KEY_ROTATE_X, KEY_ROTATE_Y = 8, 3
SAMPLE_ROUNDS = 7
SAMPLE_WORD_BITS = 16
SAMPLE_ROTATE_X, SAMPLE_ROTATE_Y = 7, 2
DOMAIN_READ = 0x6E647274
"""Third word of the cipher key for read noise, which separates it from other uses of
the cipher. The fourth word is the stream: 0, or the virtual chip + 1 in a campaign."""
QUANTILES = 512


def counter_word(layer: int, tile: int, dac_slice: int) -> int:
    """Return the second plaintext word that is encrypted to the key of a pass: layer (8
    bits), tile (16 bits), bit slice (8 bits)."""
    return (layer << 24) | (tile << 8) | dac_slice


@cache
def gaussian_table() -> tuple[int, ...]:
    """Return the half table A of normal quantiles in units of 1/256, scaled so that the
    sum of two independent entries has unit variance."""
    law = NormalDist()
    q = [law.inv_cdf(0.5 + (i + 0.5) / (2 * QUANTILES)) for i in range(QUANTILES)]
    second_moment = sum(v * v for v in q) / QUANTILES
    scale = 256 / (2 * second_moment) ** 0.5
    return tuple(round(v * scale) for v in q)
