/* The C load client: an independent instrument to check iolab's with.
 *
 * usage: client PORT CONNECTIONS SIZE_BYTES SECONDS REQUESTS RATE_PER_S WARM_UP_S PATIENCE_S SPIN CPU
 *
 * bench/floor.py calls it, with 0 for what is not asked for, and -1 for no CPU; the server is on 127.0.0.1. Without a
 * rate the loop is closed: a connection sends again when its reply has come. With one the loop is open: requests fall
 * due evenly, on one connection after the other, and are timed both from when they were due (response) and from when
 * they were sent (service). A connection has at most one request under way. A reply has come when the kernel stamped it
 * (SO_TIMESTAMPING). Every reply is compared byte by byte; a connection that fails, or waits longer than the patience,
 * is closed and counted as an error. With SPIN it never sleeps: it uses a whole CPU, and no time contains its wake-up.
 * Prints one line of JSON, and behind it due, sent, answered (ns, CLOCK_MONOTONIC) and connection of every request, as
 * 64-bit integers.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <math.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MOST_READY = 512, PERIOD = 4099, TICK_NS = 50000000 };

static struct {
    double port, connections, size_bytes, seconds, requests, rate_per_s, warm_up_s, patience_s, spin, cpu;
} asked;

struct request {
    int64_t due_ns, sent_ns, answered_ns, connection;
};

struct connection {
    int descriptor, busy, writing;
    int64_t turn; /* requests of its schedule that it has begun */
    int64_t offset, sent_bytes, received_bytes; /* where in the text its request begins, and how far it is */
    struct request request;
};

static int interest, timer;
static char *lower, *upper, received[262144], error[200];
static struct connection *connections;
static struct request *records;
static int64_t count, size, live, under_way, begun, counted, recorded, room, errors;
static int64_t turn, scheduled, warm_ups; /* the open loop: turns taken, all turns, those that do not count */
static int64_t start_ns, measured_from_ns, stop_ns;

static int64_t read_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Count an error, and keep the words of the first. */
static void note(const char *what, const char *why) {
    if (errors++ == 0)
        snprintf(error, sizeof error, "%s: %s", what, why);
}

static void report(void) {
    printf("{\"unsent\": %ld, \"errors\": %ld, \"error\": \"%s\"}\n", asked.rate_per_s ? scheduled - warm_ups - counted : 0, errors, error);
    fwrite(records, sizeof *records, recorded, stdout);
    exit(0);
}

static void give_up(const char *what) {
    note(what, strerror(errno));
    report();
}

static void drop(struct connection *connection, const char *why) {
    char what[64];
    snprintf(what, sizeof what, "connection %ld of %ld", connection - connections + 1, count);
    note(what, why);
    close(connection->descriptor);
    live--, under_way -= connection->busy;
    *connection = (struct connection){.descriptor = -1};
}

static void watch(struct connection *connection, int operation, int writing) {
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = connection};
    connection->writing = writing;
    if (epoll_ctl(interest, operation, connection->descriptor, &event) < 0)
        give_up("epoll_ctl");
}

static void send_more(struct connection *connection) {
    const char *rest = lower + connection->offset + connection->sent_bytes;
    ssize_t sent = send(connection->descriptor, rest, size - connection->sent_bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        drop(connection, strerror(errno));
        return;
    }
    connection->sent_bytes += sent < 0 ? 0 : sent;
    if (connection->writing != (connection->sent_bytes < size))
        watch(connection, EPOLL_CTL_MOD, !connection->writing);
}

static void begin(struct connection *connection, int64_t due_ns) {
    int64_t now_ns = read_ns(CLOCK_MONOTONIC);
    connection->request = (struct request){due_ns ? due_ns : now_ns, now_ns, 0, connection - connections};
    connection->sent_bytes = connection->received_bytes = 0;
    connection->offset = begun++ * 7919 % PERIOD;
    connection->busy = 1, under_way++;
    counted += connection->request.due_ns >= measured_from_ns;
    send_more(connection);
}

static int64_t due_ns_of(int64_t number) {
    return start_ns + (int64_t)(number * (1e9 / asked.rate_per_s));
}

/* Begin the next request of a free connection, if it has one now. */
static void begin_next(struct connection *connection, int64_t now_ns) {
    int64_t number = connection->turn * count + (connection - connections);
    if (now_ns >= stop_ns || (!asked.rate_per_s && asked.requests && counted >= asked.requests))
        return;
    if (!asked.rate_per_s) {
        begin(connection, 0);
    } else if (number < scheduled && due_ns_of(number) <= now_ns) {
        connection->turn++;
        begin(connection, due_ns_of(number));
    }
}

static void record(struct connection *connection, int64_t answered_ns) {
    connection->request.answered_ns = answered_ns;
    if (recorded == room) {
        room = room ? 2 * room : 1 << 20;
        if (!(records = realloc(records, room * sizeof *records)))
            recorded = 0, give_up("room for records");
    }
    records[recorded++] = connection->request;
}

/* Return how far CLOCK_REALTIME is ahead of CLOCK_MONOTONIC, or of an earlier one if this one cannot be told.
 *
 * Whoever is preempted between the two readings sees a distance that is too long by the time away: a reading counts only
 * if the monotonic clock moved by less than a microsecond around it. */
static int64_t ahead_ns(void) {
    static int64_t last_ns, known;
    for (int i = 0; i < 100; i++) {
        int64_t before_ns = read_ns(CLOCK_MONOTONIC), real_ns = read_ns(CLOCK_REALTIME);
        int64_t around_ns = read_ns(CLOCK_MONOTONIC) - before_ns;
        if (around_ns < 1000 || !known)
            last_ns = real_ns - before_ns - around_ns / 2;
        if (around_ns < 1000) {
            known = 1;
            break;
        }
    }
    return last_ns;
}

/* Return the kernel's stamp on the clock of the records, or now if there is none. */
static int64_t arrival_ns(struct msghdr *message, int64_t now_ns) {
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    struct timespec stamp = {0};
    if (header && header->cmsg_type == SCM_TIMESTAMPING)
        memcpy(&stamp, CMSG_DATA(header), sizeof stamp);
    return stamp.tv_sec ? stamp.tv_sec * 1000000000LL + stamp.tv_nsec - ahead_ns() : now_ns;
}

static void receive(struct connection *connection) {
    char control[CMSG_SPACE(3 * sizeof(struct timespec))];
    struct iovec part = {received, sizeof received};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(connection->descriptor, &message, 0);
    int64_t now_ns = read_ns(CLOCK_MONOTONIC);
    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0)
        drop(connection, length < 0 ? strerror(errno) : "closed by the server");
    else if (!connection->busy || connection->received_bytes + length > connection->sent_bytes)
        drop(connection, "more bytes came than were sent");
    else if (memcmp(received, upper + connection->offset + connection->received_bytes, length))
        drop(connection, "a reply is not its request in upper case");
    else if ((connection->received_bytes += length) == size) {
        if (connection->request.due_ns >= measured_from_ns)
            record(connection, arrival_ns(&message, now_ns));
        connection->busy = 0, under_way--;
        begin_next(connection, now_ns);
    }
}

/* Take all turns that are due; a busy connection takes its own when its reply has come. */
static void begin_due(int64_t now_ns) {
    for (; turn < scheduled && due_ns_of(turn) <= now_ns; turn++)
        if (connections[turn % count].descriptor >= 0 && !connections[turn % count].busy)
            begin_next(&connections[turn % count], now_ns);
}

static void drop_late(int64_t now_ns) {
    for (int64_t i = 0; i < count; i++)
        if (connections[i].busy && now_ns - connections[i].request.sent_ns > asked.patience_s * 1e9)
            drop(&connections[i], "no reply within the patience");
}

/* Set the timer to an absolute time. It has no slack, and costs nothing until then; a timeout on
 * every wait would arm and disarm one each time, which shows in p99. */
static void set_timer(int64_t at_ns) {
    static int64_t set_ns;
    struct itimerspec at = {.it_value = {at_ns / 1000000000, at_ns % 1000000000}};
    if (at_ns != set_ns && timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) < 0)
        give_up("timerfd_settime");
    set_ns = at_ns;
}

static void handle(struct epoll_event *ready) {
    struct connection *connection = ready->data.ptr;
    if (!connection) /* the timer: setting it again makes it unready */
        return;
    if (ready->events & ~EPOLLOUT)
        receive(connection);
    if (connection->writing)
        send_more(connection);
}

static void run(void) {
    struct epoll_event ready[MOST_READY];
    int64_t now_ns, tick_ns = start_ns + TICK_NS;
    for (int64_t i = 0; i < count && !asked.rate_per_s; i++)
        begin_next(&connections[i], start_ns);
    while (live > 0 && (under_way > 0 || turn < scheduled)) {
        if (!asked.spin)
            set_timer(turn < scheduled && due_ns_of(turn) < tick_ns ? due_ns_of(turn) : tick_ns);
        int ready_count = epoll_wait(interest, ready, MOST_READY, asked.spin ? 0 : -1);
        for (int i = 0; i < ready_count; i++)
            handle(&ready[i]);
        now_ns = read_ns(CLOCK_MONOTONIC);
        begin_due(now_ns);
        if (now_ns >= tick_ns) {
            drop_late(now_ns);
            tick_ns = now_ns + TICK_NS;
        }
    }
}

static void open_connection(struct connection *connection) {
    int on = 1, stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    struct timeval patience = {asked.patience_s, fmod(asked.patience_s, 1) * 1e6};
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(asked.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    connection->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(connection->descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience); /* bounds connect(2) */
    setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(connection->descriptor, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps);
    live++;
    if (connect(connection->descriptor, (void *)&address, sizeof address) < 0) {
        drop(connection, errno == EINPROGRESS ? "no answer to connect within the patience" : strerror(errno));
        report();
    }
    fcntl(connection->descriptor, F_SETFL, O_NONBLOCK);
    watch(connection, EPOLL_CTL_ADD, 0);
}

/* Make room for all, and printable text of which every stretch differs from its neighbours. */
static void make_room(void) {
    count = asked.connections, size = asked.size_bytes;
    lower = malloc(PERIOD + size), upper = malloc(PERIOD + size), connections = calloc(count, sizeof *connections);
    if (!lower || !upper || !connections)
        give_up("room for requests");
    for (int64_t i = 0; i < PERIOD + size; i++) {
        lower[i] = i < PERIOD ? ' ' + random() % 95 : lower[i - PERIOD];
        upper[i] = lower[i] >= 'a' && lower[i] <= 'z' ? lower[i] - 32 : lower[i];
    }
}

/* Set the times and, for an open loop, the schedule. */
static void plan(void) {
    double turns = ceil(asked.rate_per_s * asked.seconds - 1e-6);
    start_ns = read_ns(CLOCK_MONOTONIC);
    measured_from_ns = start_ns + (int64_t)(asked.warm_up_s * 1e9);
    stop_ns = asked.seconds ? measured_from_ns + (int64_t)(asked.seconds * 1e9) : INT64_MAX;
    if (!asked.rate_per_s)
        return;
    warm_ups = ceil(asked.rate_per_s * asked.warm_up_s - 1e-6);
    scheduled = warm_ups + (!asked.seconds || (asked.requests && asked.requests < turns) ? asked.requests : turns);
    measured_from_ns = due_ns_of(warm_ups);
    stop_ns = due_ns_of(scheduled) + (int64_t)(asked.patience_s * 1e9); /* what is late is still sent, up to here */
}

int main(int given, char **argument) {
    struct rlimit limit;
    cpu_set_t set;
    for (int i = 1; i < given; i++)
        ((double *)&asked)[i - 1] = strtod(argument[i], NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (asked.cpu >= 0) {
        CPU_ZERO(&set);
        CPU_SET((int)asked.cpu, &set);
        sched_setaffinity(0, sizeof set, &set);
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    interest = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    epoll_ctl(interest, EPOLL_CTL_ADD, timer, &(struct epoll_event){.events = EPOLLIN});
    make_room();
    for (int64_t i = 0; i < count; i++)
        open_connection(&connections[i]);
    plan();
    run();
    report();
}
