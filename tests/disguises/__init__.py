"""Files that are not what they seem, and the proof that the strict example refuses them."""
