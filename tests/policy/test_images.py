"""How large pictures may be."""

import pytest

from gateway.dimensions import Dimensions
from gateway.policy.images import judge_picture
from gateway.policy.rules import Agreement, ImageRules, Policy
from gateway.policy.selectors import EVERYTHING, NOTHING

RULES = ImageRules(max_pixels=24_000_000, max_frames=500)


def policy(images: ImageRules | None) -> Policy:
    return Policy(1000, EVERYTHING, NOTHING, frozenset(), Agreement.OFF, images=images)


@pytest.mark.parametrize(
    ("rules", "dimensions", "reason"),
    [
        (None, Dimensions(50_000, 50_000, 9999), None),
        (None, None, None),
        (RULES, Dimensions(6000, 4000), None),
        (RULES, Dimensions(6001, 4000), "image_too_large"),
        (RULES, Dimensions(1, 24_000_001, 900), "image_too_large"),
        (RULES, Dimensions(100, 100, 500), None),
        (RULES, Dimensions(100, 100, 501), "image_too_many_frames"),
        (RULES, None, "image_unreadable"),
    ],
)
def test_verdicts(
    rules: ImageRules | None, dimensions: Dimensions | None, reason: str | None
) -> None:
    refusal = judge_picture(policy(rules), "photo.png", dimensions)
    assert (refusal.reason if refusal else None) == reason


def test_a_refusal_tells_the_limit() -> None:
    refusal = judge_picture(policy(RULES), "bomb.png", Dimensions(50_000, 50_000))
    assert refusal is not None
    assert "“bomb.png”" in refusal.message
    assert "2,500,000,000 pixels (50,000 by 50,000)" in refusal.message
    assert "24,000,000" in refusal.message
