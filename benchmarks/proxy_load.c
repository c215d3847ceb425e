/* Echo server and load for the fault proxy's benchmark. A client in Python would measure itself.
 *
 *   proxy_load serve                                  echoes; prints its port
 *   proxy_load rtt PORT CONNECTIONS SECONDS BYTES     one message in flight a connection; prints
 *                                                     round trips, then median and p99 in us of those after
 *                                                     WARM_UP_NS, for dialling is none of it
 *   proxy_load bulk PORT CONNECTIONS SECONDS BYTES    keeps so many bytes in flight a connection, 0: all that the
 *                                                     kernel's buffers take; prints bytes received
 *   proxy_load churn PORT SECONDS                     connects, one round trip of a byte, closes; prints how often
 *   proxy_load hold PORT CONNECTIONS                  opens them, prints "held", keeps them until stdin ends
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 128 * 1024, WARM_UP_NS = 200 * 1000 * 1000, EVENTS = 256, SAMPLES = 8 * 1000 * 1000, DESCRIPTORS = 65536 };

static char buffer[BUFFER];
static char *pending[DESCRIPTORS];
static size_t pending_size[DESCRIPTORS];

static void fail(const char *what) { perror(what); exit(1); }

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct sockaddr_in loopback(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void quick(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void watch(int ep, int fd, int op, uint32_t events) {
    struct epoll_event e = {.events = events, .data.fd = fd};
    if (epoll_ctl(ep, op, fd, &e)) fail("epoll_ctl");
}

static int dial(int port) {
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a)) fail("connect");
    quick(fd);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void echo(int ep, int fd) {
    ssize_t n = read(fd, buffer, BUFFER);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) { close(fd); return; }
    ssize_t sent = write(fd, buffer, n);
    if (sent < 0) { if (errno != EAGAIN) { close(fd); return; } sent = 0; }
    if (sent < n) {
        pending[fd] = malloc(n - sent);
        memcpy(pending[fd], buffer + sent, n - sent);
        pending_size[fd] = n - sent;
        watch(ep, fd, EPOLL_CTL_MOD, EPOLLOUT);
    }
}

static void flush(int ep, int fd) {
    ssize_t sent = write(fd, pending[fd], pending_size[fd]);
    if (sent < 0) { if (errno != EAGAIN) close(fd); return; }
    pending_size[fd] -= sent;
    memmove(pending[fd], pending[fd] + sent, pending_size[fd]);
    if (!pending_size[fd]) { free(pending[fd]); watch(ep, fd, EPOLL_CTL_MOD, EPOLLIN); }
}

static void serve(void) {
    struct sockaddr_in a = loopback(0);
    socklen_t size = sizeof a;
    struct epoll_event got[EVENTS];
    int ep = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&a, size) || listen(listener, 4096)) fail("listen");
    getsockname(listener, (struct sockaddr *)&a, &size);
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    watch(ep, listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int n = epoll_wait(ep, got, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = got[i].data.fd;
            if (fd == listener) {
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    quick(fd);
                    watch(ep, fd, EPOLL_CTL_ADD, EPOLLIN);
                }
            } else if (got[i].events & EPOLLOUT) flush(ep, fd);
            else echo(ep, fd);
        }
    }
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void rtt(int port, int connections, double seconds, int bytes) {
    struct epoll_event got[EVENTS];
    int64_t *sent = calloc(DESCRIPTORS, sizeof *sent);
    int *left = calloc(DESCRIPTORS, sizeof *left);
    uint32_t *samples = malloc(SAMPLES * sizeof *samples);
    int ep = epoll_create1(0);
    long count = 0, trips = 0;
    for (int i = 0; i < connections; i++) {
        int fd = dial(port);
        watch(ep, fd, EPOLL_CTL_ADD, EPOLLIN);
        left[fd] = bytes;
        sent[fd] = now_ns();
        if (write(fd, buffer, bytes) != bytes) fail("write");
    }
    int64_t start = now_ns() + WARM_UP_NS, end = start + (int64_t)(seconds * 1e9);
    while (now_ns() < end) {
        int n = epoll_wait(ep, got, EVENTS, 1000);
        for (int i = 0; i < n; i++) {
            int fd = got[i].data.fd;
            ssize_t size = read(fd, buffer, left[fd]);
            if (size <= 0) fail("read");
            if ((left[fd] -= size)) continue;
            int64_t now = now_ns();
            trips++;
            if (now >= start && count < SAMPLES) samples[count++] = (now - sent[fd]) / 10;
            left[fd] = bytes;
            sent[fd] = now;
            if (write(fd, buffer, bytes) != bytes) fail("write");
        }
    }
    if (!count) { fprintf(stderr, "no round trip\n"); exit(1); }
    qsort(samples, count, sizeof *samples, by_size);
    printf("%ld %.2f %.2f\n", trips, samples[count / 2] / 100.0, samples[(count * 99 + 99) / 100 - 1] / 100.0);
}

static void bulk(int port, int connections, double seconds, long most) {
    struct epoll_event got[EVENTS];
    long *flying = calloc(DESCRIPTORS, sizeof *flying);
    int ep = epoll_create1(0);
    long long received = 0;
    if (!most) most = LONG_MAX;
    for (int i = 0; i < connections; i++) watch(ep, dial(port), EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT | EPOLLET);
    int64_t end = now_ns() + (int64_t)(seconds * 1e9);
    while (now_ns() < end) {
        int n = epoll_wait(ep, got, EVENTS, 1000);
        for (int i = 0; i < n; i++) {
            int fd = got[i].data.fd;
            ssize_t size;
            while ((size = read(fd, buffer, BUFFER)) > 0) { received += size; flying[fd] -= size; }
            if (!size || errno != EAGAIN) fail("read");
            for (long left; (left = most - flying[fd]) > 0; flying[fd] += size)
                if ((size = write(fd, buffer, left < BUFFER ? left : BUFFER)) < 0) break;
            if (size < 0 && errno != EAGAIN) fail("write");
        }
    }
    printf("%lld\n", received);
}

static void churn(int port, double seconds) {
    int64_t end = now_ns() + (int64_t)(seconds * 1e9);
    long count = 0;
    for (; now_ns() < end; count++) {
        int fd = dial(port);
        fcntl(fd, F_SETFL, 0);
        if (write(fd, "a", 1) != 1 || read(fd, buffer, 1) != 1) fail("churn");
        close(fd);
    }
    printf("%ld\n", count);
}

static void hold(int port, int connections) {
    for (int i = 0; i < connections; i++) dial(port);
    puts("held");
    fflush(stdout);
    while (read(0, buffer, BUFFER) > 0) continue;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && !strcmp(argv[1], "serve")) serve();
    else if (argc == 6 && !strcmp(argv[1], "rtt")) rtt(atoi(argv[2]), atoi(argv[3]), atof(argv[4]), atoi(argv[5]));
    else if (argc == 6 && !strcmp(argv[1], "bulk")) bulk(atoi(argv[2]), atoi(argv[3]), atof(argv[4]), atol(argv[5]));
    else if (argc == 4 && !strcmp(argv[1], "churn")) churn(atoi(argv[2]), atof(argv[3]));
    else if (argc == 4 && !strcmp(argv[1], "hold")) hold(atoi(argv[2]), atoi(argv[3]));
    else return 2;
    return 0;
}
