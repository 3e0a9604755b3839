"""The panel of the StrokeSynth module: each section of the panel is its own file, named as on the screen."""
