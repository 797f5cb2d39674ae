/* A thread that sleeps, is woken, is preempted and copies known amounts, and writes down the truth.
 *
 *   truth wait|copy|found|spin ROUNDS BYTES CPU OTHER_CPU
 *
 * The main thread runs on CPU, its partner, another process, on OTHER_CPU. It prints its number, waits for one on
 * its standard input, and prints for each round, in ns: start, end, arrival (CLOCK_REALTIME, the kernel's
 * stamp; 0 for none), the partner's clock before and after its write, CPU time of the call, time that was seen
 * to be missing.
 *
 *   wait   read(2) from a pipe, which is empty; the partner writes 0.3 to 1 ms later
 *   copy   recvmsg(2) on TCP, which is empty; it wakes when all bytes are there (SO_RCVLOWAT)
 *   found  read(2) from a Unix socket in which all bytes are already; over 128 KiB of them need root
 *   spin   look at the clock for 30 ms, while the partner wants the same CPU (give the same number twice)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_ROUNDS 10000
#define GAP_NS 20000 /* a jump of the clock by more is time on no CPU */

static struct {
    _Atomic int round;   /* the last round that the main thread began */
    _Atomic int written; /* the last round that the partner has written for */
    _Atomic int done;    /* the last round that the main thread has ended */
    long before[MOST_ROUNDS], after[MOST_ROUNDS];
} *shared;

struct row { long start, end, arrived, cpu, gap; };

static long now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static void must(int good, const char *what) {
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    must(sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

static void connect_pair(int ends[2], int bytes) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0), stamps = 1 << 3 | 1 << 4, on = 1;
    must(bind(listening, (struct sockaddr *)&address, size) == 0 && listen(listening, 1) == 0, "listen");
    getsockname(listening, (struct sockaddr *)&address, &size);
    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(ends[1], (struct sockaddr *)&address, size) == 0, "connect");
    ends[0] = accept(listening, NULL, NULL);
    must(setsockopt(ends[0], SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps) == 0, "SO_TIMESTAMPING");
    must(setsockopt(ends[0], SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0, "SO_RCVLOWAT");
    setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    close(listening);
}

static void socket_pair(int ends[2], int bytes) {
    int room = 4 * bytes;
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    if (bytes > 128 << 10)
        must(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) == 0, "SO_SNDBUFFORCE, for root");
}

/* A reader that full buffers woke early has copied a part; what is left is less than SO_RCVLOWAT, and nobody
 * would wake it again. After 20 ms this does. */
static void see_it_done(int in, int bytes, int round) {
    int one = 1;
    for (int looks = 0; shared->done < round; looks++) {
        usleep(50);
        if (looks == 400)
            setsockopt(in, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one);
    }
    setsockopt(in, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

static void partner(const int ends[2], int bytes, int rounds, int at_once, int tcp) {
    char *buffer = calloc(1, bytes);
    for (int round = 1; round <= rounds; round++) {
        while (shared->round < round)
            usleep(50);
        if (!at_once)
            usleep(300 + random() % 700);
        shared->before[round - 1] = now(CLOCK_MONOTONIC);
        for (int sent = 0; sent < bytes;) {
            int part = write(ends[1], buffer + sent, bytes - sent);
            must(part > 0, "write");
            sent += part;
        }
        shared->after[round - 1] = now(CLOCK_MONOTONIC);
        shared->written = round;
        if (tcp)
            see_it_done(ends[0], bytes, round);
    }
    free(buffer);
}

static long stamp_of(struct msghdr *message) {
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    struct timespec time;
    if (!header)
        return 0;
    memcpy(&time, CMSG_DATA(header), sizeof time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static void receive(int in, char *buffer, int bytes, int tcp, struct row *row) {
    char control[256];
    struct iovec part = {.iov_base = buffer, .iov_len = bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    long cpu = now(CLOCK_THREAD_CPUTIME_ID);
    row->start = now(CLOCK_MONOTONIC);
    int received = tcp ? recvmsg(in, &message, 0) : read(in, buffer, bytes);
    row->end = now(CLOCK_MONOTONIC);
    row->cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
    must(received == bytes, "a read of all bytes at once");
    row->arrived = tcp ? stamp_of(&message) : 0;
}

static void spin(struct row *row) {
    long cpu = now(CLOCK_THREAD_CPUTIME_ID), last = row->start = now(CLOCK_MONOTONIC);
    while (last < row->start + 30000000) {
        long next = now(CLOCK_MONOTONIC);
        if (next - last > GAP_NS)
            row->gap += next - last;
        last = next;
    }
    row->end = last;
    row->cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
}

int main(int argc, char **argv) {
    must(argc == 6, "usage: truth wait|copy|found|spin ROUNDS BYTES CPU OTHER_CPU");
    int rounds = atoi(argv[2]), bytes = atoi(argv[3]), ends[2];
    int tcp = argv[1][0] == 'c', found = argv[1][0] == 'f', spins = argv[1][0] == 's';
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    must(rounds <= MOST_ROUNDS, "so many rounds");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct row *rows = calloc(rounds, sizeof *rows);
    char *buffer = calloc(1, bytes);
    if (tcp)
        connect_pair(ends, bytes);
    else if (found)
        socket_pair(ends, bytes);
    else
        must(pipe(ends) == 0, "pipe");
    int child = fork();
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(atoi(argv[5]));
        while (spins && shared->round < 1)
            usleep(50);
        while (spins)
            ;
        partner(ends, bytes, rounds, found, tcp);
        _exit(0);
    }
    pin(atoi(argv[4]));
    memset(buffer, 1, bytes); /* so that no page is touched first in a call */
    printf("%d\n", getpid());
    fflush(stdout);
    must(getchar() != EOF, "go");
    for (int round = 1; round <= rounds; round++) {
        shared->round = round;
        while (found && shared->written < round)
            usleep(50);
        if (spins)
            spin(&rows[round - 1]);
        else
            receive(ends[0], buffer, bytes, tcp, &rows[round - 1]);
        shared->done = round;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (int round = 0; round < rounds; round++)
        printf("%ld %ld %ld %ld %ld %ld %ld\n", rows[round].start, rows[round].end, rows[round].arrived,
               shared->before[round], shared->after[round], rows[round].cpu, rows[round].gap);
    puts("end");
    fflush(stdout);
    getchar();
    return 0;
}
