"""The mapping language: YAML text to a compiled mapping, or all its problems with file, line and column."""
