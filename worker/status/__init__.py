"""How the whole installation is, for an operator's terminal and for programs."""
