"""Errors that speak to the person who can mend them.

Every error raised on purpose is a :class:`StrokeSynthError`. The command line prints its
text on one line and turns it into an exit status; nothing else is printed, no traceback.
"""

from __future__ import annotations


class StrokeSynthError(Exception):
    """Something could not be done, for a reason that the text explains (exit status 1)."""


class BadInputError(StrokeSynthError):
    """A file or an argument is not usable (exit status 2).

    The text is one sentence: which file or argument, what is wrong with it, what to do.
    """


class CancelledError(StrokeSynthError):
    """The user asked to stop; what was finished before is kept."""
