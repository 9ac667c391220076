"""Attention on tiles: the projections on the die; scores, softmax and what they weigh in PyTorch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from emulator.learning.training.extra import torch
from host import InputError
from ndrite.tiles.layer import Matrix, TiledLayer, rows_of
from ndrite.tiles.placement import Placement

if TYPE_CHECKING:
    from torch import Tensor

PROJECTIONS = ("q", "k", "v")


class TiledAttention(TiledLayer, torch.nn.MultiheadAttention):
    """``torch.nn.MultiheadAttention``; its output projection is a ``TiledLinear`` of its own."""

    def refused(self) -> str | None:
        """Keys and values added to those of the inputs are not built."""
        if self.bias_k is not None or self.add_zero_attn:
            return "it adds keys of its own; accepted: add_bias_kv and add_zero_attn off"
        return None

    def put(self, name: str, first: int, placement: Placement) -> int:
        """As every layer; PyTorch's fused encoder layer, which reads parameters itself, is kept away."""
        self._qkv_same_embed_dim = False
        return super().put(name, first, placement)

    def matrices(self) -> dict[str, Matrix]:
        """Of queries, keys and values."""
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        if self.in_proj_weight is not None:
            weights = self.in_proj_weight.chunk(3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        return {
            name: Matrix(weight.t(), bias)
            for name, weight, bias in zip(PROJECTIONS, weights, biases, strict=True)
        }

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As PyTorch's."""
        single = query.dim() == 2
        given = [x.unsqueeze(0) if single else x for x in (query, key, value)]
        if not single and not self.batch_first:
            given = [x.transpose(0, 1) for x in given]
        q, k, v = (self._heads(name, x) for name, x in zip(PROJECTIONS, given, strict=True))
        scores = (q / math.sqrt(self.head_dim)) @ k.transpose(-2, -1)
        scores = scores + self._mask(scores, attn_mask, key_padding_mask, is_causal=is_causal)
        weights = torch.softmax(scores, dim=-1)
        weights = torch.nn.functional.dropout(weights, self.dropout, self.training)
        y = (weights @ v).transpose(1, 2).flatten(2)
        y = self.out_proj(y)
        shown = weights.mean(dim=1) if average_attn_weights else weights
        if single:
            y, shown = y[0], shown[0]
        elif not self.batch_first:
            y = y.transpose(0, 1)
        return y, shown if need_weights else None

    def _heads(self, name: str, x: Tensor) -> Tensor:
        """Projected (n, heads, length, head size) of (n, length, features)."""
        product = self.tiles[name]
        rows, each = rows_of(x, product.patches.inputs, product.name)
        y = self.reader(name)(rows, each).view(len(x), each, self.num_heads, self.head_dim)
        return y.transpose(1, 2)

    def _mask(self, scores: Tensor, mask: Any, padding: Any, *, is_causal: bool) -> Tensor:
        """What is added to scores (n, heads, L, S)."""
        n, heads, length, keys = scores.shape
        if is_causal and mask is None:
            raise InputError(
                f"{self.tiles['q'].name}: is_causal is a hint; accepted: together with attn_mask"
            )
        total = scores.new_zeros(1, 1, length, keys)
        if mask is not None:
            each = (1, 1) if mask.dim() == 2 else (n, heads)
            total = total + _added(mask, scores).view(*each, length, keys)
        if padding is not None:
            total = total + _added(padding, scores).view(n, 1, 1, keys)
        return total


def _added(mask: Tensor, scores: Tensor) -> Tensor:
    """A mask as it is added: -inf where a boolean one is true."""
    if mask.dtype != torch.bool:
        return mask.to(scores.dtype)
    return torch.zeros_like(mask, dtype=scores.dtype).masked_fill(mask, -math.inf)
