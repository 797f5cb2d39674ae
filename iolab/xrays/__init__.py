"""Any server from outside: which I/O model it runs, what its system calls cost a request, and what is wrong."""
