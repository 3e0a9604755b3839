"""StrokeSynth: synthetic diffusion MR images of ischemic stroke, and lesion segmentation.

The folders are the table of contents, in the order in which data pass through them:
``volume``/``schema`` -> ``cohort`` -> ``anatomy`` -> ``lesions`` -> ``scanner`` ->
``segment`` -> ``translate`` -> ``evaluate`` -> ``pipeline`` -> ``study`` -> ``cli``.
A room imports only from rooms before it. Importing this package imports nothing else, so
that the command line and the Slicer panel start quickly.

For research use only. Not for diagnosis.
"""

__version__ = "0.1.0"

RESEARCH_NOTICE = "For research use only. Not for diagnosis or treatment decisions."
