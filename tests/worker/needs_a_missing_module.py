"""A command's module that cannot be imported, for the tests of the program."""

import a_module_nobody_has  # type: ignore[import-not-found]  # noqa: F401
