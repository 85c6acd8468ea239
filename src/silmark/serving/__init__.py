"""Request traces on virtual engines: what each scheduler decides, step by step, and what users see."""
