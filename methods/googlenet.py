"""GoogLeNet (Szegedy et al., CVPR 2015, arXiv:1409.4842), without its side classifiers, over an image and further maps.

Layers are named as in Caffe's bvlc_googlenet, a dot for its slash. No model hub has weights that fit: torchvision's and
timm's networks have batch norms for the response normalisation and the biases, and a 3x3 for each 5x5.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data.types import DataError
from methods.conv_relu import ConvReLU

STEM = (64, 64, 192)  # channels of conv1, of conv2's reduction, of conv2
MODULES = {  # table 1: 1x1, reduction and 3x3, reduction and 5x5, 1x1 after the pool
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
STRIDES = {"3": 8, "4": 16, "5": 32}  # input pixels a cell, by the group of modules
BIAS = 0.2  # of new convolutions, whose weights are Xavier's; bvlc_googlenet
FC_STD = 0.01  # of new weights of the last layer; default, so that a network begins with small answers
RESPONSE_NORM = (5, 1e-4, 0.75)  # channels, alpha, beta; bvlc_googlenet
CLASSIFIERS = ("loss1", "loss2", "loss3", "cls3_fc")  # never taken from a file


class Layer(ConvReLU):
    """A layer as Caffe's GoogLeNet begins it."""

    def __init__(self, into: int, out: int, kernel: int, stride: int = 1, *, batch_norm: bool) -> None:
        """Draw the weights."""
        super().__init__(into, out, kernel, stride, batch_norm=batch_norm)
        fan_in = into * kernel**2
        nn.init.uniform_(self.weight, -((3 / fan_in) ** 0.5), (3 / fan_in) ** 0.5)  # Caffe's "xavier"
        if self.bias is not None:
            nn.init.constant_(self.bias, BIAS)


class WidenedLayer(Layer):
    """A layer over an image and further maps, whose weights are new: parameters of their own, to be trained faster."""

    def __init__(self, extra: int, out: int, kernel: int, stride: int, *, std: float, batch_norm: bool) -> None:
        """Draw the new weights from a Gaussian of deviation ``std``."""
        super().__init__(3, out, kernel, stride, batch_norm=batch_norm)
        self.extra = nn.Parameter(torch.empty(out, extra, kernel, kernel))
        nn.init.normal_(self.extra, std=std)

    @property
    def whole(self) -> Tensor:
        """All weights (out, 3 + extra, kernel, kernel)."""
        return torch.cat([self.weight, self.extra], 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Convolve image and maps at once, normalise, cut."""
        return F.relu(self.norm(self._conv_forward(maps, self.whole, self.bias)))


class Inception(nn.ModuleDict):
    """Four branches side by side."""

    def __init__(self, into: int, channels: Sequence[int], *, batch_norm: bool) -> None:
        """Give the channels as in ``MODULES``."""
        one, reduce3, three, reduce5, five, pooled = channels
        sizes = {
            "1x1": (into, one, 1),
            "3x3_reduce": (into, reduce3, 1),
            "3x3": (reduce3, three, 3),
            "5x5_reduce": (into, reduce5, 1),
            "5x5": (reduce5, five, 5),
            "pool_proj": (into, pooled, 1),
        }
        super().__init__({name: Layer(*size, batch_norm=batch_norm) for name, size in sizes.items()})
        self.out = one + three + five + pooled

    def forward(self, maps: Tensor) -> Tensor:
        """Join the branches in Caffe's order."""
        three, five = (self[f"{k}x{k}"](self[f"{k}x{k}_reduce"](maps)) for k in (3, 5))
        pooled = self["pool_proj"](F.max_pool2d(maps, 3, 1, 1))
        return torch.cat([self["1x1"](maps), three, five, pooled], 1)


class GoogLeNet(nn.Module):
    """Image and further maps in, a few numbers out."""

    def __init__(
        self,
        extra: int,
        outputs: int,
        side: int,
        *,
        extra_std: float,
        modules: Sequence[str] = tuple(MODULES),
        width: float = 1.0,
        dropout: float = 0.4,
        batch_norm: bool = False,
        flatten: bool = False,
    ) -> None:
        """Build and initialise all.

        Args:
            extra: Maps beside the image's three channels.
            outputs: Numbers an image.
            side: Pixels of the square input.
            extra_std: Deviation of conv1's weights for the further maps.
            modules: Keys of ``MODULES``, in their order; a pool comes before the first of the 4s and of the 5s.
            width: Factor of all channels.
            dropout: Before the last layer.
            batch_norm: After each convolution, in place of biases and of the response normalisation.
            flatten: Keep the last map's cells apart instead of averaging them.
        """
        super().__init__()
        self.modules_in_order = tuple(modules)
        first, reduced, channels = (max(1, round(width * c)) for c in STEM)
        widened = WidenedLayer(extra, first, 7, 2, std=extra_std, batch_norm=batch_norm)
        self.conv1 = nn.ModuleDict({"7x7_s2": widened})
        reduce = Layer(first, reduced, 1, batch_norm=batch_norm)
        self.conv2 = nn.ModuleDict({"3x3_reduce": reduce, "3x3": Layer(reduced, channels, 3, batch_norm=batch_norm)})
        self.norm = nn.Identity() if batch_norm else nn.LocalResponseNorm(*RESPONSE_NORM)
        for name in modules:
            module = Inception(channels, [max(1, round(width * c)) for c in MODULES[name]], batch_norm=batch_norm)
            self.add_module(f"inception_{name}", module)
            channels = module.out
        self.gather = nn.Flatten() if flatten else nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.dropout = nn.Dropout(dropout)
        self.cls3_fc = nn.Linear(channels * ((side // stride_of(modules)) ** 2 if flatten else 1), outputs)
        nn.init.normal_(self.cls3_fc.weight, std=FC_STD)
        nn.init.zeros_(self.cls3_fc.bias)

    def new_parameters(self) -> dict[str, nn.Parameter]:
        """Return what no file brings: conv1's weights for the further maps, and the last layer."""
        return {name: p for name, p in self.named_parameters() if name.endswith(".extra") or name.startswith("cls3_fc")}

    def forward(self, inputs: Tensor) -> Tensor:
        """Turn image and maps (B, 3 + extra, side, side) into numbers (B, outputs)."""
        x = self.norm(_halve(self.conv1["7x7_s2"](inputs)))
        x = _halve(self.norm(self.conv2["3x3"](self.conv2["3x3_reduce"](x))))
        stride = STRIDES["3"]
        for name in self.modules_in_order:
            while stride < STRIDES[name[0]]:
                x, stride = _halve(x), 2 * stride
            x = self.get_submodule(f"inception_{name}")(x)
        numbers: Tensor = self.cls3_fc(self.dropout(self.gather(x)))
        return numbers


def stride_of(modules: Sequence[str]) -> int:
    """Return the input pixels a cell of the last map."""
    return STRIDES[modules[-1][0]]


def _halve(maps: Tensor) -> Tensor:
    """Pool 3x3 windows two apart; as in Caffe the last may hang over the border."""
    return F.max_pool2d(maps, 3, 2, ceil_mode=True)


def load_trunk(net: GoogLeNet, path: Path) -> None:
    """Load all but conv1's new weights and the last layer from a file; classifiers in it are left out.

    Args:
        net: Takes the weights.
        path: A state dict of torch with the entries of Caffe, such as ``inception_3a/5x5_reduce.weight``; conv1 is for
            RGB in [0, 255] less its mean.

    Raises:
        DataError: naming every entry that is missing, left over or of another shape.
    """
    own = {name: t.shape for name, t in net.state_dict().items() if not name.startswith("cls3_fc.")}
    del own["conv1.7x7_s2.extra"]
    theirs = {name.replace("/", "."): t for name, t in _read(path).items() if not name.startswith(CLASSIFIERS)}
    wrong = {
        "missing": sorted(own.keys() - theirs.keys()),
        "unexpected": sorted(theirs.keys() - own.keys()),
        "of another shape": sorted(n for n in own.keys() & theirs.keys() if own[n] != theirs[n].shape),
    }
    if any(wrong.values()):
        found = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in wrong.items() if names)
        raise DataError(f"{path}: does not fit this GoogLeNet, check width and batch_norm ({found})")
    net.load_state_dict(theirs, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    """Read a state dict; DataError if the file is missing or something else."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        found = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"{path}: no weights could be read ({found}); expected a GoogLeNet state dict") from error
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise DataError(f"{path}: holds {type(state).__name__}, not names of tensors; expected a GoogLeNet state dict")
    return state
