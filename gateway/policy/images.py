"""How large pictures may be once they are decoded."""

from dataclasses import dataclass

from gateway.dimensions import Dimensions
from gateway.refusals import Refusal, image_too_large, image_too_many_frames, image_unreadable


@dataclass(frozen=True, slots=True)
class ImageRules:
    """What pictures may pass; None for no limit."""

    max_pixels: int | None = None
    """Of one frame: width times height."""
    max_frames: int | None = None

    def __post_init__(self) -> None:
        for limit in (self.max_pixels, self.max_frames):
            if limit is not None and limit < 1:
                raise ValueError(f"a limit of {limit} lets no picture pass")


def judge_picture(rules: ImageRules, name: str, dimensions: Dimensions | None) -> Refusal | None:
    """``dimensions`` is None where a picture that is decoded cannot be measured."""
    if dimensions is None:
        return image_unreadable(name)
    if rules.max_pixels is not None and dimensions.pixels > rules.max_pixels:
        return image_too_large(name, dimensions.width, dimensions.height, rules.max_pixels)
    if rules.max_frames is not None and dimensions.frames > rules.max_frames:
        return image_too_many_frames(name, dimensions.frames, rules.max_frames)
    return None
