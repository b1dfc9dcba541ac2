"""Tests that share one running shop; a package, so that it is stopped as soon as the last of them is done."""
