"""Number formats and analog effects: what a chip's arithmetic does to values."""
