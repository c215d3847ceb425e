/* The server of the generator benchmark: answers every request with the same small JSON, so that whoever asks is the
 * bottleneck and not who answers. One thread, epoll, keep-alive, bodies by Content-Length. Prints its port.
 *
 *     cc -O2 -o server generator_server.c && ./server [STALL_AFTER STALL_MS [LOG]]
 *
 * After STALL_AFTER requests it stands still once for STALL_MS. LOG gets the monotonic time of each answer, in ns.
 * `GET /served` is answered with how many requests have been served, and is none of them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 65536
#define CONNECTIONS 4096

static const char ANSWER[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{\"id\":\"one\",\"saved\":\"true\"}";

struct connection {
    int used;
    char data[BUFFER];
};

static long stall_after, stall_ms, served;
static FILE *log_file;

/* Note that one more is answered, and stand still if it was the one. */
static void answered(void) {
    struct timespec now, pause = {stall_ms / 1000, stall_ms % 1000 * 1000000};
    if (log_file) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        fprintf(log_file, "%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec);
        fflush(log_file);
    }
    if (++served == stall_after) nanosleep(&pause, NULL);
}

static struct connection *open_ones[CONNECTIONS];

/* The length of the first whole request in `data`, or 0 while it is not whole. */
static int request_length(const char *data, int used) {
    const char *end = memmem(data, used, "\r\n\r\n", 4);
    if (!end) return 0;
    int head = (int)(end - data) + 4, body = 0;
    for (const char *at = data; at < end; at++)
        if (*at == '\n' && !strncasecmp(at + 1, "content-length:", 15)) body = atoi(at + 16);
    return used >= head + body ? head + body : 0;
}

/* Tell how many are served. */
static int tell_served(int fd) {
    char answer[160], count[24];
    int length = snprintf(count, sizeof count, "%ld", served);
    length = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, count);
    return write(fd, answer, length);
}

static void drop(int fd) {
    close(fd);
    free(open_ones[fd]);
    open_ones[fd] = NULL;
}

static void serve(int fd) {
    struct connection *one = open_ones[fd];
    int got = read(fd, one->data + one->used, BUFFER - one->used);
    if (got <= 0) {
        drop(fd);
        return;
    }
    one->used += got;
    for (int length; (length = request_length(one->data, one->used)) > 0;) {
        int asks = !strncmp(one->data, "GET /served ", 12);
        if ((asks ? tell_served(fd) : write(fd, ANSWER, sizeof ANSWER - 1)) < 0) {
            drop(fd);
            return;
        }
        if (!asks) answered();
        memmove(one->data, one->data + length, one->used - length);
        one->used -= length;
    }
}

int main(int argc, char **argv) {
    if (argc > 2) stall_after = atol(argv[1]), stall_ms = atol(argv[2]);
    if (argc > 3) log_file = fopen(argv[3], "w");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int one = 1, listening = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listening}, ready[256];
    if (bind(listening, (struct sockaddr *)&address, size) || listen(listening, 1024)) return 1;
    getsockname(listening, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    epoll_ctl(poll, EPOLL_CTL_ADD, listening, &event);
    for (;;) {
        int count = epoll_wait(poll, ready, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd != listening) {
                serve(fd);
                continue;
            }
            fd = accept(listening, NULL, NULL);
            if (fd < 0 || fd >= CONNECTIONS) {
                if (fd >= 0) close(fd);
                continue;
            }
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            open_ones[fd] = calloc(1, sizeof(struct connection));
            event.data.fd = fd;
            epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
