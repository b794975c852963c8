"""How large a picture is once it is decoded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Sizes are pixels, of the largest frame or page that any reader would make of the file."""

    width: int
    height: int
    frames: int = 1
    """Of an animation, or pages."""

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.frames) < 1:
            raise ValueError(f"{self} is no picture")

    @property
    def pixels(self) -> int:
        """Of one frame."""
        return self.width * self.height
