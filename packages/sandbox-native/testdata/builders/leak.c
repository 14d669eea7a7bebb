/*
 * Two programs that work together. `leak give NAME DIRECTORY FILE` waits on an abstract socket and gives descriptors of
 * both to the first that connects. `leak take NAME` takes them and prints the numbers of the inodes; then, after a line
 * of standard input, it changes what it can through them, and prints whether the file could be written. `leak race
 * NAME` writes all the time, until standard input ends.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct msghdr message(struct iovec *part, char *control, size_t size)
{
    return (struct msghdr){.msg_iov = part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = size};
}

static int give(int listener, const char *directory, const char *file)
{
    int fds[2] = {open(directory, O_RDONLY | O_DIRECTORY), open(file, O_RDWR)};
    if (fds[0] < 0 || fds[1] < 0 || listen(listener, 1) != 0)
        return 1;
    int peer = accept(listener, NULL, NULL);
    char byte = 0, control[CMSG_SPACE(sizeof fds)] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr all = message(&part, control, sizeof control);
    struct cmsghdr *head = CMSG_FIRSTHDR(&all);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(head), fds, sizeof fds);
    return sendmsg(peer, &all, 0) != 1;
}

static int take(int peer, int fds[2])
{
    char byte, control[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr all = message(&part, control, sizeof control);
    if (recvmsg(peer, &all, 0) != 1)
        return -1;
    memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&all)), 2 * sizeof(int));
    struct stat directory, file;
    if (fstat(fds[0], &directory) != 0 || fstat(fds[1], &file) != 0)
        return -1;
    printf("%llu %llu\n", (unsigned long long)directory.st_ino, (unsigned long long)file.st_ino);
    return fflush(stdout);
}

static int change(const int fds[2])
{
    int wrote = pwrite(fds[1], "tampered", 8, 0) == 8;
    fchmod(fds[1], 0777);
    fchmod(fds[0], 0777);
    int again = openat(fds[0], "data", O_WRONLY | O_TRUNC);
    if (again >= 0)
        close(again);
    int added = openat(fds[0], "added", O_WRONLY | O_CREAT, 0666);
    if (added >= 0)
        close(added);
    return wrote;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strncpy(name.sun_path + 1, argv[2], sizeof name.sun_path - 2);
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argv[2]);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), fds[2];
    if (strcmp(argv[1], "give") == 0)
        return bind(fd, (struct sockaddr *)&name, length) != 0 || give(fd, argv[3], argv[4]);
    while (connect(fd, (struct sockaddr *)&name, length) != 0)
        if (poll(&(struct pollfd){.fd = 0, .events = 0}, 1, 10) > 0)
            return 3; /* nobody waits for this program any more */
    if (take(fd, fds) != 0)
        return 4;
    struct pollfd input = {.fd = 0, .events = POLLIN};
    if (strcmp(argv[1], "race") == 0)
        while (poll(&input, 1, 0) == 0)
            change(fds);
    else
        poll(&input, 1, -1);
    printf("%s\n", change(fds) ? "wrote" : "refused");
    return 0;
}
