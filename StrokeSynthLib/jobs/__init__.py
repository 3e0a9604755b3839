"""Work outside of the process that asks for it.

``client`` starts one persistent worker (``worker``, ``operations``) and speaks with it in JSON lines
(``protocol``), images through temporary files (``exchange``). ``longjobs`` starts trainings and databases
that outlive their starter (``runner``) and finds them again. Of these, everything but the worker and its
operations imports no more than the standard library and numpy, so that it works in Slicer before anything
is installed.
"""
