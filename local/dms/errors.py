"""The errors of the stand-in that a user can cause or must know of."""


class DmsError(Exception):
    """The task cannot go on; the text is one line that names what to change."""


class SettingsError(DmsError):
    """The task file is wrong; the text has one line per problem."""


class Disconnected(DmsError):
    """The source is away; while it sends changes, the task reconnects and resumes from its confirmed position."""


class Stopped(Exception):
    """The task was asked to stop while it waited for something."""
