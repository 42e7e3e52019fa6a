"""HRNet without its classifier: four branches at strides 4 to 32 that were kept side by side all the way (timm)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

_WIDTHS = (18, 32, 48)
_COARSE = 32


class HRNet(nn.Module):
    """Image to the four branches of the last stage; parameter names are timm's under ``body.``.

    Attributes:
        channels: of each branch, width times 1, 2, 4, 8.
        strides: of each branch.
        reach: pixels on each side of a cell of the last branch that the cell sees.
        pads_to: images are padded to a multiple of so many pixels.
    """

    strides: tuple[int, ...] = (4, 8, 16, 32)
    reach = 1391
    pads_to = _COARSE

    def __init__(self, width: int = 48, *, pretrained: bool = False) -> None:
        """Args: channels of the finest branch: 18, 32 or 48; start from timm's ImageNet weights (``ms_in1k``).

        Raises:
            ValueError: the width does not exist.
            OSError: the ImageNet weights cannot be had.
        """
        super().__init__()
        if width not in _WIDTHS:
            raise ValueError(f"no HRNet of width {width}; there are {', '.join(map(str, _WIDTHS))}")
        self.channels = tuple(width * factor for factor in (1, 2, 4, 8))
        self.body = _body(width, pretrained)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Returns four maps [B, channels[i], ceil(H / strides[i]), ceil(W / strides[i])] of images [B, 3, H, W]."""
        height, width = images.shape[-2:]
        # Branches exchange maps by whole factors: sides must divide by 32. Zero is the mean colour.
        padded = functional.pad(images, (0, -width % _COARSE, 0, -height % _COARSE))
        levels: list[Tensor] = self.body(padded)
        return [
            level[..., : (height + stride - 1) // stride, : (width + stride - 1) // stride]
            for level, stride in zip(levels, self.strides, strict=True)
        ]


def _body(width: int, pretrained: bool) -> nn.Module:
    import timm

    name = f"hrnet_w{width}.ms_in1k"
    # Without a feature location timm appends the classifier's widening blocks; without the indices, the stem.
    settings = {"features_only": True, "feature_location": "", "out_indices": (1, 2, 3, 4)}
    try:
        body: nn.Module = timm.create_model(name, pretrained=pretrained, **settings)
    except Exception as error:
        if not pretrained:
            raise
        # The hub raises a dozen types for a network that is not there.
        raise OSError(
            f"ImageNet weights {name} cannot be fetched ({type(error).__name__}: {error}): put them into the "
            "Hugging Face cache ($HF_HOME), or build without pretrained"
        ) from error
    return body
