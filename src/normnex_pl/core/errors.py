"""The exceptions that users see as a plain message."""


class UserError(Exception):
    """Bad input from a user: the message names the file, what was expected, what was found and what to do.

    The command line prints it on stderr without a stack trace and exits with status 2.
    """


class RunStoppedError(Exception):
    """A run that was asked to stop has saved its checkpoint; the message says at which step.

    The command line prints it on stderr and exits with `STOPPED`, which tells a cluster's script that the
    same command resumes the run.
    """


STOPPED = 75  # EX_TEMPFAIL of sysexits.h: try again
