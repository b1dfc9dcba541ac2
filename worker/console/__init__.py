"""`nearview console`: a read-only web page on the operator's own machine."""
