"""AlexNet as DeepPose draws it: five convolutions, three poolings, two wide layers (Krizhevsky et al. 2012; CVPR 2014).

58,396,060 parameters with 28 outputs, 3,747,200 of them in the convolutions, and 1.13 GMACs an image of 220x220. The
DeepPose paper says "about 40M", which its own list of layers does not give; grouped convolutions, AlexNet's way of
using two GPUs, would make it 56,982,940. The list shows full channels, so nothing is grouped here.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from data.types import DataError

CHANNELS = (96, 256, 384, 384, 256)  # of the five convolutions; DeepPose's list of layers
KERNELS = (11, 5, 3, 3, 3)  # AlexNet's
POOLED = (0, 1, 4)  # the convolutions that a pooling follows
POOL, POOL_STRIDE = 3, 2  # AlexNet's overlapping poolings: 55 -> 27 -> 13 -> 6
LRN_SIZE, LRN_ALPHA, LRN_BETA, LRN_K = 5, 1e-4, 0.75, 2.0  # AlexNet's; DeepPose gives none
OUTPUT_STD = 0.001  # of the last layer's first weights: it begins by saying next to nothing


class AlexNet(nn.Module):
    """The network: normalised images (B, 3, size, size) -> (B, outputs), linear."""

    def __init__(
        self,
        outputs: int,
        size: int = 220,
        width: int = 96,
        hidden: int = 4096,
        stem_stride: int = 4,
        norm: Literal["lrn", "batch"] = "lrn",
        dropout: float = 0.6,
    ) -> None:
        """Stack and initialise.

        Args:
            outputs: Numbers to regress.
            size: Side of the input.
            width: Channels of the first convolution; the others keep their proportion to it.
            hidden: Units of the two wide layers.
            stem_stride: Of the first convolution.
            norm: What follows the first two convolutions; ``batch`` puts batch norm after all layers but the last.
            dropout: Share of the wide layers' units that is silent in training.

        Raises:
            DataError: for a size that leaves no cell after the poolings.
        """
        super().__init__()
        channels = [max(1, round(width * c / CHANNELS[0])) for c in CHANNELS]
        cells = cells_left(size, stem_stride)
        if min(cells, width, hidden) < 1 or not 0 <= dropout < 1:
            found = f"size {size}, stem_stride {stem_stride}, width {width}, hidden {hidden}, dropout {dropout}"
            raise DataError(f"{found}: expected a cell or more after three poolings, layers of 1 or more, dropout < 1")
        self.features = nn.Sequential()
        for i, (out, kernel) in enumerate(zip(channels, KERNELS, strict=True)):
            into, stride = (channels[i - 1], 1) if i else (3, stem_stride)
            self.features.extend([_same(size, kernel, stride)] if stride > 1 else [])
            padding = 0 if stride > 1 else kernel // 2
            convolution = nn.Conv2d(into, out, kernel, stride, padding, bias=norm == "lrn")  # batch norm has its own
            self.features.extend([convolution, *_after(i, out, norm)])
        wide = [(channels[-1] * cells**2, hidden), (hidden, hidden)]
        layers = [layer for sizes in wide for layer in _wide(*sizes, norm, dropout)]
        last = nn.Linear(hidden, outputs)
        self.regressor = nn.Sequential(*layers, last)
        self._initialise()
        nn.init.normal_(last.weight, std=OUTPUT_STD)

    def _initialise(self) -> None:
        """He's normal weights (unknown to both papers, which give none), zero biases."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Turn images (B, 3, size, size) into numbers (B, outputs)."""
        numbers: Tensor = self.regressor(self.features(images).flatten(1))
        return numbers


def _after(i: int, channels: int, norm: str) -> list[nn.Module]:
    """Return what follows the convolution ``i``: normalisation and pooling in the order of the paper's list."""
    layers: list[nn.Module] = [nn.BatchNorm2d(channels)] if norm == "batch" else []
    layers.append(nn.ReLU(inplace=True))
    if norm == "lrn" and i < 2:
        # PyTorch divides alpha by the number of channels summed over, AlexNet's formula does not.
        layers.append(nn.LocalResponseNorm(LRN_SIZE, LRN_ALPHA * LRN_SIZE, LRN_BETA, LRN_K))
    if i in POOLED:
        layers.append(nn.MaxPool2d(POOL, POOL_STRIDE))
    return layers


def _wide(into: int, out: int, norm: str, dropout: float) -> list[nn.Module]:
    """Return one wide layer and what follows it."""
    batch = norm == "batch"
    normed = [nn.BatchNorm1d(out)] if batch else []
    return [nn.Linear(into, out, bias=not batch), *normed, nn.ReLU(inplace=True), nn.Dropout(dropout)]


def _same(size: int, kernel: int, stride: int) -> nn.ZeroPad2d:
    """Pad so that a strided convolution gives ceil(size / stride) cells, the odd pixel right and below: 55 of 220."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    low = total // 2
    return nn.ZeroPad2d((low, total - low, low, total - low))


def cells_left(size: int, stem_stride: int) -> int:
    """Return the side of the last map; below 1 where nothing is left."""
    cells = -(-size // stem_stride)
    for _ in POOLED:
        cells = (cells - POOL) // POOL_STRIDE + 1
    return cells


def inherit_weights(net: nn.Module, other: nn.Module) -> None:
    """Give ``net`` all weights of ``other`` but those of the last layer."""
    *_, last = (name for name, _ in other.named_modules())
    taken = {name: tensor for name, tensor in other.state_dict().items() if not name.startswith(f"{last}.")}
    net.load_state_dict(taken, strict=False)
