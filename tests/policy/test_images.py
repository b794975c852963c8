"""How large pictures may be."""

import pytest

from gateway.dimensions import Dimensions
from gateway.policy.images import ImageRules, judge_picture

RULES = ImageRules(max_pixels=24_000_000, max_frames=500)


@pytest.mark.parametrize(
    ("rules", "dimensions", "reason"),
    [
        (RULES, Dimensions(6000, 4000), None),
        (RULES, Dimensions(6001, 4000), "image_too_large"),
        (RULES, Dimensions(1, 24_000_001, 900), "image_too_large"),
        (RULES, Dimensions(100, 100, 500), None),
        (RULES, Dimensions(100, 100, 501), "image_too_many_frames"),
        (RULES, None, "image_unreadable"),
        (ImageRules(max_frames=1), Dimensions(50_000, 50_000), None),
        (ImageRules(max_frames=1), None, "image_unreadable"),
        (ImageRules(max_pixels=1), Dimensions(1, 1, 9999), None),
    ],
)
def test_verdicts(rules: ImageRules, dimensions: Dimensions | None, reason: str | None) -> None:
    refusal = judge_picture(rules, "photo.png", dimensions)
    assert (refusal.reason if refusal else None) == reason


def test_a_refusal_tells_the_limit() -> None:
    refusal = judge_picture(RULES, "bomb.png", Dimensions(50_000, 50_000))
    assert refusal is not None
    assert "“bomb.png”" in refusal.message
    assert "50,000 by 50,000 pixels" in refusal.message
    assert "24,000,000" in refusal.message


def test_rules_let_something_pass() -> None:
    for limits in ({"max_pixels": 0}, {"max_frames": -1}):
        with pytest.raises(ValueError, match="no picture pass"):
            ImageRules(**limits)
