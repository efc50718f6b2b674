"""The layer that Tompson's networks and GoogLeNet are made of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class ConvReLU(nn.Conv2d):
    """A convolution and its ReLU; a batch norm between them takes the place of the bias."""

    def __init__(self, into: int, out: int, kernel: int, stride: int = 1, *, batch_norm: bool = False) -> None:
        """Keep the size, but for the stride; the kernel is odd."""
        super().__init__(into, out, kernel, stride, kernel // 2, bias=not batch_norm)
        self.norm = nn.BatchNorm2d(out) if batch_norm else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """Convolve, normalise, cut."""
        return F.relu(self.norm(super().forward(maps)))
