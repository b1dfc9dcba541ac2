"""One row or document followed through everything that is stored of it."""
