/* The command line of the C load client; client.c alone includes this.
 *
 * usage: client HOST:PORT (--seconds S | --requests R) [--connections N] [--size BYTES] [--rate PER_S]
 *               [--warmup S] [--patience S] [--cpu N] [--spin] [--records FILE]
 *
 * --spin never sleeps: it uses a whole CPU, and no time contains a wake-up of the client. --records writes
 * due, sent, answered (ns, CLOCK_MONOTONIC) and connection of every request as 64-bit integers.
 */
#include <arpa/inet.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { RESERVED = 16 }; /* descriptors beside the connections */

static struct {
    struct sockaddr_in address;
    double connections, size_bytes, seconds, requests, rate_per_s, warm_up_s, patience_s, cpu;
    int spin;
    FILE *records;
} asked = {.address.sin_family = AF_INET, .connections = 10, .size_bytes = 64, .patience_s = 5, .cpu = -1};

static const struct {
    const char *name;
    double *value, least, most;
    int whole;
} numbers[] = {
    {"--connections", &asked.connections, 1, 1 << 20, 1}, {"--size", &asked.size_bytes, 1, 1 << 28, 1},
    {"--requests", &asked.requests, 1, 1e9, 1},           {"--cpu", &asked.cpu, 0, CPU_SETSIZE - 1, 1},
    {"--rate", &asked.rate_per_s, 1e-3, 1e7, 0},          {"--seconds", &asked.seconds, 1e-3, 3600, 0},
    {"--warmup", &asked.warm_up_s, 0, 3600, 0},           {"--patience", &asked.patience_s, 1e-3, 3600, 0},
};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static void refuse(const char *expected, const char *given) {
    fprintf(stderr, "client: expected %s, not '%s'\n", expected, given);
    exit(2);
}

static void parse_address(const char *text) {
    char host[INET_ADDRSTRLEN], port[6], more;
    if (sscanf(text, "%15[0-9.]:%5[0-9]%c", host, port, &more) != 2 || atoi(port) < 1 || atoi(port) > 65535 ||
        inet_pton(AF_INET, host, &asked.address.sin_addr) != 1)
        refuse("an IPv4 address and a port, such as 127.0.0.1:8000, as first argument", text);
    asked.address.sin_port = htons(atoi(port));
}

static void parse_number(int which, const char *text) {
    double least = numbers[which].least, most = numbers[which].most, value;
    char expected[100], *end;
    value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most) || (numbers[which].whole && value != floor(value))) {
        const char *kind = numbers[which].whole ? "a whole number" : "a number";
        snprintf(expected, sizeof expected, "%s from %.10g to %.10g after %s", kind, least, most, numbers[which].name);
        refuse(expected, text);
    }
    *numbers[which].value = value;
}

/* Take one option and its value, and return how many arguments that were. */
static int parse_option(char **argument) {
    int which = 0;
    while (which < NUMBERS && strcmp(*argument, numbers[which].name))
        which++;
    if (strcmp(*argument, "--spin") == 0)
        return asked.spin = 1;
    if (which == NUMBERS && strcmp(*argument, "--records"))
        refuse("--connections, --size, --seconds, --requests, --rate, --warmup, --patience, --cpu, --spin or --records", *argument);
    if (!argument[1])
        refuse("a value after it", *argument);
    if (which < NUMBERS)
        parse_number(which, argument[1]);
    else if (!(asked.records = fopen(argument[1], "wb")))
        refuse("a file that can be written after --records", argument[1]);
    return 2;
}

/* Raise the limit on descriptors as far as it goes, and check that it is enough. */
static void check_descriptors(void) {
    char expected[100], given[32];
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    snprintf(expected, sizeof expected, "at most %ld connections (descriptor limit, ulimit -Hn)", (long)limit.rlim_max - RESERVED);
    snprintf(given, sizeof given, "%.0f", asked.connections);
    if (limit.rlim_max != RLIM_INFINITY && asked.connections > limit.rlim_max - RESERVED)
        refuse(expected, given);
}

static void pin_to_cpu(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((int)asked.cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        refuse("a CPU that this process may use after --cpu", strerror(errno));
}

static void parse(int given, char **argument) {
    parse_address(given > 1 ? argument[1] : "");
    for (int i = 2; i < given;)
        i += parse_option(argument + i);
    if (!asked.seconds && !asked.requests)
        refuse("--seconds or --requests", "neither");
    check_descriptors();
    if (asked.cpu >= 0)
        pin_to_cpu();
}
