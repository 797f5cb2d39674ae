# right
import ctypes, errno, os, threading, socket
def serve(listening, respond):
    # everything in one function, glibc by hand, lists of requests (lio_listio) handed over without waiting
    class cb(ctypes.Structure):
        _fields_ = [("fd", ctypes.c_int), ("op", ctypes.c_int), ("prio", ctypes.c_int), ("buf", ctypes.c_void_p),
                    ("n", ctypes.c_size_t), ("sig", ctypes.c_int * 3), ("notify", ctypes.c_int), ("rest", ctypes.c_char * 120)]
    class timespec(ctypes.Structure):
        _fields_ = [("s", ctypes.c_long), ("ns", ctypes.c_long)]
    libc = ctypes.CDLL(None, use_errno=True)
    for f in (libc.aio_error, libc.aio_return): f.argtypes = [ctypes.c_void_p]
    libc.aio_return.restype = ctypes.c_ssize_t
    libc.aio_init((ctypes.c_int * 8)(2000, 64, 0, 0, 0, 0, 1, 0))
    r, w = os.pipe()
    new, stop = [], []
    def accepting():
        listening.setblocking(True)
        while True:
            try: new.append(listening.accept()[0])
            except ConnectionAbortedError: continue
            except BaseException as e:
                stop.append(e); os.write(w, b"s"); return
            os.write(w, b"n")
    threading.Thread(target=accepting, daemon=True).start()
    under_way, conns, orders = {}, {}, []
    serve.keep = under_way  # helpers of aio that still read when we have ended need their memory
    def read(fd, keep):
        c = cb(fd=fd, op=0, buf=ctypes.addressof(keep), n=len(keep), notify=1)
        orders.append((c, keep))
    def write(fd, keep, at):
        c = cb(fd=fd, op=1, buf=ctypes.cast(keep, ctypes.c_void_p).value + at, n=len(keep) - at, notify=1)
        orders.append((c, (keep, at)))
    read(r, ctypes.create_string_buffer(128))
    half_minute = timespec(30, 0)
    try:
        while True:
            if orders:
                for c, keep in orders: under_way[ctypes.addressof(c)] = (c, keep)
                if libc.lio_listio(1, (ctypes.c_void_p * len(orders))(*[ctypes.addressof(c) for c, _ in orders]), len(orders), None):
                    raise OSError(ctypes.get_errno(), "lio_listio")
                orders = []
            everything = (ctypes.c_void_p * len(under_way))(*under_way)
            if libc.aio_suspend(everything, len(everything), ctypes.byref(half_minute)):
                if ctypes.get_errno() in (errno.EAGAIN, errno.EINTR): continue
                raise OSError(ctypes.get_errno(), "aio_suspend")
            for a in list(under_way):
                code = libc.aio_error(a)
                if code == errno.EINPROGRESS: continue
                c, keep = under_way.pop(a)
                got = libc.aio_return(a)
                if c.fd == r:
                    if stop: raise stop[0]
                    while new:
                        s = new.pop(0)
                        conns[s.fileno()] = s
                        read(s.fileno(), ctypes.create_string_buffer(12000))
                    read(r, keep)
                elif code or got <= 0:
                    conns.pop(c.fd).close()
                elif c.op == 0:
                    write(c.fd, bytes(respond(memoryview(keep).cast("B")[:got])), 0)
                elif keep[1] + got < len(keep[0]):
                    write(c.fd, keep[0], keep[1] + got)
                else:
                    read(c.fd, ctypes.create_string_buffer(12000))
    finally:
        for s in conns.values():
            try: s.shutdown(socket.SHUT_RDWR)
            except OSError: pass
