"""The values: what was asked, what was measured, where it ran; objectives, seeds, errors."""
