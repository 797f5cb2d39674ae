/* The C floor: a level-triggered epoll server that answers every chunk in upper case (ASCII).
 *
 * It listens on a free port of 127.0.0.1, prints the port, and ends when standard input ends, on
 * SIGTERM, or with the thread that started it. The order is that of iolab/servers/epoll.py.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { RECEIVE_BYTES = 65536, BACKLOG = 4096, MOST_READY = 512, MOST_DESCRIPTORS = 1 << 20 };

struct connection {
    char *unsent; /* what a slow peer is owed; nothing more is read from it until it has that */
    const char *rest;
    size_t length;
};

static struct connection *connections; /* by descriptor */
static int interest, listening;

static void fail(const char *step) {
    fprintf(stderr, "server: %s: %s\n", step, strerror(errno));
    exit(1);
}

static void watch(int operation, int descriptor, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = descriptor};
    if (epoll_ctl(interest, operation, descriptor, &event) < 0)
        fail(descriptor == 0 ? "standard input must be a pipe, a socket or a terminal" : "epoll_ctl");
}

static void accept_all(void) {
    int descriptor;
    while ((descriptor = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        watch(EPOLL_CTL_ADD, descriptor, EPOLLIN);
    if (errno == EMFILE || errno == ENFILE) /* it would stay ready, and the loop would spin */
        watch(EPOLL_CTL_MOD, listening, 0);
}

static void close_connection(int descriptor) {
    free(connections[descriptor].unsent);
    connections[descriptor] = (struct connection){0};
    close(descriptor);
    watch(EPOLL_CTL_MOD, listening, EPOLLIN); /* there is room for one more */
}

static void keep_unsent(int descriptor, const char *rest, size_t length) {
    struct connection *connection = &connections[descriptor];
    if (!connection->unsent) {
        if (!(connection->unsent = malloc(length)))
            fail("room for what a peer is owed");
        rest = memcpy(connection->unsent, rest, length);
        watch(EPOLL_CTL_MOD, descriptor, EPOLLOUT);
    }
    connection->rest = rest, connection->length = length;
}

static void paid(int descriptor) {
    free(connections[descriptor].unsent);
    connections[descriptor].unsent = NULL;
    watch(EPOLL_CTL_MOD, descriptor, EPOLLIN);
}

static void send_reply(int descriptor, const char *reply, size_t length) {
    ssize_t sent = send(descriptor, reply, length, MSG_NOSIGNAL);
    size_t taken = sent < 0 ? 0 : sent;
    if (sent < 0 && errno != EAGAIN)
        close_connection(descriptor);
    else if (taken < length)
        keep_unsent(descriptor, reply + taken, length - taken);
    else if (connections[descriptor].unsent)
        paid(descriptor);
}

static void receive(int descriptor) {
    static char chunk[RECEIVE_BYTES];
    ssize_t length = recv(descriptor, chunk, sizeof chunk, 0);
    if (length == 0 || (length < 0 && errno != EAGAIN)) /* end of file, or a reset */
        close_connection(descriptor);
    for (ssize_t i = 0; i < length; i++)
        if (chunk[i] >= 'a' && chunk[i] <= 'z')
            chunk[i] -= 'a' - 'A';
    if (length > 0)
        send_reply(descriptor, chunk, length);
}

static void serve(void) {
    struct epoll_event ready[MOST_READY];
    for (;;) {
        int count = epoll_wait(interest, ready, MOST_READY, -1);
        for (int i = 0; i < count; i++) {
            int descriptor = ready[i].data.fd;
            if (descriptor == 0 && read(0, (char[256]){0}, 256) <= 0) /* standard input has ended */
                return;
            if (descriptor == listening)
                accept_all();
            else if (connections[descriptor].unsent)
                send_reply(descriptor, connections[descriptor].rest, connections[descriptor].length);
            else if (descriptor != 0)
                receive(descriptor);
        }
    }
}

static void listen_on_loopback(void) {
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listening, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted ones inherit it */
    if (bind(listening, (void *)&address, size) < 0 || listen(listening, BACKLOG) < 0)
        fail("listening on 127.0.0.1");
    getsockname(listening, (void *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void make_room(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < MOST_DESCRIPTORS ? limit.rlim_max : MOST_DESCRIPTORS;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || !(connections = calloc(limit.rlim_cur, sizeof *connections)))
        fail("room for connections");
}

int main(int argc, char **argv) {
    if (argc > 1)
        return fprintf(stderr, "server: expected no argument, not '%s'\n", argv[1]), 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a parent that is dead already has closed standard input */
    make_room();
    interest = epoll_create1(EPOLL_CLOEXEC);
    watch(EPOLL_CTL_ADD, 0, EPOLLIN);
    listen_on_loopback();
    watch(EPOLL_CTL_ADD, listening, EPOLLIN);
    serve();
    return 0; /* the kernel closes what is open */
}
