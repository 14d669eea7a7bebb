/*
 * `refuse RULE... -- PROGRAM ARGUMENTS...` runs a program for which system calls fail. A rule is `NUMBER=ERRNO`, or
 * `NUMBER.INDEX&MASK=ERRNO` for those calls only whose argument of that index has one of the bits.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { most = 256 };
static struct sock_filter code[most];
static unsigned short length;

static void add(unsigned short operation, unsigned char if_true, unsigned char if_false, unsigned value)
{
    code[length++] = (struct sock_filter){operation, if_true, if_false, value};
}

static void load(size_t offset)
{
    add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
}

static int add_rule(const char *rule)
{
    unsigned number, index = 0, mask = 0, error;
    if (sscanf(rule, "%u.%u&%u=%u", &number, &index, &mask, &error) != 4 && sscanf(rule, "%u=%u", &number, &error) != 2)
        return -1;
    load(offsetof(struct seccomp_data, nr));
    add(BPF_JMP | BPF_JEQ | BPF_K, 0, mask ? 3 : 1, number);
    if (mask) {
        load(offsetof(struct seccomp_data, args) + 8 * index); /* the lower half */
        add(BPF_JMP | BPF_JSET | BPF_K, 0, 1, mask);
    }
    add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error);
    return 0;
}

int main(int count, char **arguments)
{
    int at = 1;
    for (; at < count && strcmp(arguments[at], "--") != 0 && length + 6 < most; at++)
        if (add_rule(arguments[at]) != 0)
            return fprintf(stderr, "refuse: '%s' is no rule\n", arguments[at]), 2;
    if (at + 1 >= count)
        return 2;
    add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {length, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return perror("refuse"), 2;
    execvp(arguments[at + 1], arguments + at + 1);
    return perror(arguments[at + 1]), 2;
}
