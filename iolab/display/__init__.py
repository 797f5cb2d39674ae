"""Tables, texts and progress bars, for a notebook or a terminal alike. Pictures are drawn in `iolab.figures`."""
