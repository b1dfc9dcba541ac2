"""Where that goes which cannot be used, and what operators do with it: look, bring back, throw away."""
