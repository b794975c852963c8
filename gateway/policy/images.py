"""Verdicts on how large pictures are once they are decoded."""

from gateway.dimensions import Dimensions
from gateway.policy.rules import Policy
from gateway.refusals import Refusal, image_too_large, image_too_many_frames, image_unreadable


def judge_picture(policy: Policy, name: str, dimensions: Dimensions | None) -> Refusal | None:
    """``dimensions`` is None where a picture that is decoded cannot be measured."""
    rules = policy.images
    if rules is None:
        return None
    if dimensions is None:
        return image_unreadable(name)
    if dimensions.pixels > rules.max_pixels:
        return image_too_large(name, dimensions.width, dimensions.height, rules.max_pixels)
    if dimensions.frames > rules.max_frames:
        return image_too_many_frames(name, dimensions.frames, rules.max_frames)
    return None
