"""Pixels on the device: uint8 images to what a network wants."""

from typing import Literal

import torch
from torch import Tensor

# ImageNet statistics of RGB in [0, 1], as in torchvision's models and the code of SimpleBaseline and HRNet.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
GREY = 128  # what lies outside the image for CPM and OpenPose; it becomes 0
HALF_RANGE = 256.0  # their pixels are (value - 128) / 256


def normalise(images: Tensor, channel_order: Literal["rgb", "bgr"] = "rgb") -> Tensor:
    """Subtract the ImageNet mean and divide by the deviation.

    Args:
        images: (B, 3, h, w) uint8 RGB.
        channel_order: ``bgr`` reverses the channels first and keeps the statistics in RGB order, as the code of
            SimpleBaseline does (it reads with OpenCV and never converts).

    Returns:
        (B, 3, h, w) float32, channels_last.
    """
    mean = torch.tensor(IMAGENET_MEAN, device=images.device)[:, None, None]
    std = torch.tensor(IMAGENET_STD, device=images.device)[:, None, None]
    pixels = images.flip(1) if channel_order == "bgr" else images
    return pixels.float().div_(255).sub_(mean).div_(std).contiguous(memory_format=torch.channels_last)


def centred_bgr(images: Tensor) -> Tensor:
    """Turn uint8 RGB images into float BGR ones in which the border's grey is 0."""
    return images.flip(1).float().sub_(GREY).div_(HALF_RANGE).contiguous(memory_format=torch.channels_last)
