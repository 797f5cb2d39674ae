"""The processes of a server that has many: forked and reaped in a parent of their own, counted in shared memory.

How a load is put on them is in `traffic`, what their CPU time and memory are in `measurement`.

Theory of operation

A notebook has threads, and a process with threads must not fork: the child would hold their locks (`fork(2)`). So a
server page with workers runs its `parent` in a fresh process, which `apart` starts; that process has one thread, and
forks what it likes (`crew`). All of them share the listening socket: once the notebook shuts it down, the parent sees
POLLHUP, or its `accept` raises Stopped, and it kills and reaps every worker. Each process is killed by the kernel when
the one that started it ends (PR_SET_PDEATHSIG), so that a notebook that is killed leaves nothing.

What each worker does is counted in a table in memory that they all map (`ledger`); errors and deaths are told in lines
through one pipe, whose end of file says that the parent has ended.
"""
