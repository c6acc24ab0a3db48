"""The one exception that users see as a plain message."""


class UserError(Exception):
    """Bad input from a user: the message names the file, what was expected, what was found and what to do.

    The command line prints it on stderr without a stack trace and exits with status 2.
    """
