"""One file a command of the command line: its arguments and what it does with them.

A command module offers ``HELP``, ``EXAMPLE``, ``add_arguments(parser)`` and
``run(arguments, console)``, and ``DETAILS`` where one line of help does not say it all. Heavy
libraries are imported inside ``run``, so that ``--help`` answers at once.
"""
