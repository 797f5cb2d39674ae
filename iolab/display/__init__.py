"""Tables, texts and a progress bar, for a notebook and a terminal alike. Pictures are drawn in `iolab.figures`."""
