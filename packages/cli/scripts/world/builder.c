// Prints what a builder sees, as `key: value` lines: to $out, or to the log where the output has to be fixed.
// `world`: everything; `files OUTPUT…`: the environment and the files of the build directory; `copy TEXT…`: its arguments.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

extern char **environ;
static FILE *out;
static const char *line_start = "";

/* One line; bytes that would end it or are not printable, and the backslash, are escaped. */
static void put_bytes(const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = bytes[i];
    if (byte == '\\' || byte < 32 || byte > 126) fprintf(out, "\\x%02x", byte);
    else fputc(byte, out);
  }
}

static void say(const char *key, const char *format, ...) {
  char value[65536];
  va_list args;
  va_start(args, format);
  vsnprintf(value, sizeof value, format, args);
  va_end(args);
  fputs(line_start, out);
  put_bytes(key, strlen(key));
  fputs(": ", out);
  put_bytes(value, strlen(value));
  fputc('\n', out);
}

static const char *join(const char *kind, const char *name) {
  static char key[4096];
  snprintf(key, sizeof key, "%s %s", kind, name);
  return key;
}

static void say_file(const char *key, const char *path) {
  static char content[1 << 20];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read(fd, content, sizeof content);
  if (length < 0) say(key, "(%s)", strerrorname_np(errno));
  else {
    fputs(line_start, out);
    put_bytes(key, strlen(key));
    fputs(": ", out);
    put_bytes(content, length);
    fputc('\n', out);
  }
  if (fd >= 0) close(fd);
}

static char *read_text(const char *path) {
  static char content[1 << 20];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? 0 : read(fd, content, sizeof content - 1);
  if (fd >= 0) close(fd);
  content[length < 0 ? 0 : length] = 0;
  return content;
}

static void environment(void) {
  for (char **entry = environ; *entry != NULL; entry++) {
    char *equals = strchr(*entry, '=');
    char name[4096];
    snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - *entry) : 4000, *entry);
    say(join("environment", name), "%s", equals ? equals + 1 : "(no equals sign)");
  }
}

/* How a file looks in a listing. Sizes and link counts of folders belong to the file system below, not to the view. */
static void list_entry(const char *folder, const char *name) {
  char path[4096], target[4096] = "", kind[64] = "", key[4200];
  struct stat st;
  snprintf(path, sizeof path, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
  snprintf(key, sizeof key, "list %s", strcmp(name, ".") == 0 ? folder : path);
  if (lstat(path, &st) != 0) return say(key, "(%s)", strerrorname_np(errno));
  const char *type = S_ISDIR(st.st_mode) ? "d" : S_ISLNK(st.st_mode) ? "l" : S_ISCHR(st.st_mode) ? "c" : S_ISREG(st.st_mode) ? "-" : "?";
  if (S_ISLNK(st.st_mode)) {
    ssize_t length = readlink(path, target + 4, sizeof target - 5);
    memcpy(target, " -> ", 4);
    target[length < 0 ? 4 : length + 4] = 0;
  }
  if (S_ISCHR(st.st_mode)) snprintf(kind, sizeof kind, " %u,%u", major(st.st_rdev), minor(st.st_rdev));
  if (S_ISREG(st.st_mode)) snprintf(kind, sizeof kind, " %lld bytes", (long long)st.st_size);
  say(key, "%s%04o %u:%u%s%s", type, st.st_mode & 07777, st.st_uid, st.st_gid, kind, target);
}

static void list(const char *folder) {
  DIR *dir = opendir(folder);
  if (dir == NULL) return say(join("list", folder), "(%s)", strerrorname_np(errno));
  if (strcmp(folder, "/") == 0) list_entry(folder, ".");
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) list_entry(folder, entry->d_name);
  closedir(dir);
}

static void contents(const char *folder) {
  DIR *dir = opendir(folder);
  if (dir == NULL) return;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) say_file(join("content", path), path);
  }
  closedir(dir);
}

/* Target, type and options; ids of mounts and of peer groups are the machine's. */
static void mounts(void) {
  char *rest = read_text("/proc/self/mountinfo");
  for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != 0;) {
    char target[4096], options[1024], type[256], source[4096], super[4096], propagation[256] = "";
    char *after = strstr(line, " - ");
    if (after == NULL || sscanf(line, "%*s %*s %*s %*s %4095s %1023s", target, options) != 2) continue;
    if (sscanf(after + 3, "%255s %4095s %4095s", type, source, super) != 3) continue;
    *after = 0;
    if (strstr(line, " shared:") != NULL) strcat(propagation, " shared");
    if (strstr(line, " master:") != NULL) strcat(propagation, " master");
    if (strstr(line, " unbindable") != NULL) strcat(propagation, " unbindable");
    say(join("mount", target), "%s %s%s; file system %s", type, options, propagation, super);
  }
}

static void process(void) {
  static const char *fields[] = {"Umask", "Uid", "Gid", "Groups", "NStgid", "NSpid", "NSpgid", "NSsid", "SigPnd", "ShdPnd",
    "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters",
    "THP_enabled", "Speculation_Store_Bypass", "SpeculationIndirectBranch", "Cpus_allowed_list", "Mems_allowed_list",
    "TracerPid", "CoreDumping", "Threads"};
  char *rest = read_text("/proc/self/status");
  for (char *line; (line = strsep(&rest, "\n")) != NULL;)
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
      size_t length = strlen(fields[i]);
      if (strncmp(line, fields[i], length) == 0 && line[length] == ':') say(join("status", fields[i]), "%s", line + length + 1 + strspn(line + length + 1, " \t"));
    }
  rest = read_text("/proc/self/limits");
  strsep(&rest, "\n");
  for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != 0;) {
    char name[27], soft[32] = "", hard[32] = "";
    snprintf(name, sizeof name, "%.26s", line);
    for (int i = strlen(name); i > 0 && name[i - 1] == ' ';) name[--i] = 0;
    sscanf(line + 26, "%31s %31s", soft, hard);
    say(join("limit", name), "%s of %s", soft, hard);
  }
  for (int number = 1; number < 65; number++) {
    struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } action;
    if (syscall(SYS_rt_sigaction, number, NULL, &action, 8) != 0 || action.handler == SIG_DFL) continue;
    char key[32];
    snprintf(key, sizeof key, "signal %d", number);
    say(key, action.handler == SIG_IGN ? "ignored" : "handled");
  }
  char cwd[4096];
  say("cwd", "%s", getcwd(cwd, sizeof cwd) ? cwd : strerrorname_np(errno));
  mode_t mask = umask(0);
  umask(mask);
  say("umask", "%04o", mask);
  say("ids", "pid %d ppid %d pgrp %d session %d", getpid(), getppid(), getpgrp(), getsid(0));
  int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
  say("controlling terminal", "%s", tty < 0 ? strerrorname_np(errno) : "yes");
  if (tty >= 0) close(tty);
  say("priority", "%d scheduler %d io %ld", getpriority(PRIO_PROCESS, 0), sched_getscheduler(0), syscall(SYS_ioprio_get, 1, 0));
  int death = -1, reaper = -1;
  prctl(PR_GET_PDEATHSIG, &death);
  prctl(PR_GET_CHILD_SUBREAPER, &reaper);
  say("death signal", "%d", death);
  say("subreaper", "%d", reaper);
  say("dumpable", "%d", prctl(PR_GET_DUMPABLE));
  say("securebits", "%d", prctl(PR_GET_SECUREBITS));
  say("timer slack", "%d", prctl(PR_GET_TIMERSLACK));
  say("secure execution", "%lu", getauxval(AT_SECURE));
  say("executed file", "%s", (char *)getauxval(AT_EXECFN));
  say_file("arguments", "/proc/self/cmdline");
  static const char *files[] = {"personality", "oom_score_adj", "uid_map", "gid_map", "setgroups", "cgroup", "loginuid", "coredump_filter"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/%s", files[i]);
    say_file(files[i], path);
  }
  say("personality by call", "%08x", personality(0xffffffff));
  static const char *spaces[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
  for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
    char path[64], target[256];
    snprintf(path, sizeof path, "/proc/self/ns/%s", spaces[i]);
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = 0;
    say(join("namespace", spaces[i]), "%s", target);
  }
}

static void descriptors(void) {
  for (int fd = 0; fd < 4096; fd++) {
    char path[64], target[4096], key[32];
    struct stat st;
    if ((fd > 2 && fd == fileno(out)) || fstat(fd, &st) != 0) continue;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = 0;
    char *number = strpbrk(target, "0123456789");
    if (number != NULL) strcpy(number, "N");
    snprintf(key, sizeof key, "descriptor %d", fd);
    say(key, "%s %06o %u:%u flags %o close on exec %d", target, st.st_mode, st.st_uid, st.st_gid, fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
    struct termios modes;
    struct winsize size = {0};
    if (tcgetattr(fd, &modes) != 0) continue;
    ioctl(fd, TIOCGWINSZ, &size);
    snprintf(key, sizeof key, "terminal %d", fd);
    say(key, "in %o out %o control %o local %o min %d time %d size %dx%d foreground %s", modes.c_iflag, modes.c_oflag, modes.c_cflag,
      modes.c_lflag, modes.c_cc[VMIN], modes.c_cc[VTIME], size.ws_row, size.ws_col, tcgetpgrp(fd) < 0 ? strerrorname_np(errno) : "yes");
  }
  char byte;
  ssize_t got = read(0, &byte, 1);
  say("reading standard input", "%s", got == 0 ? "end" : got < 0 ? strerrorname_np(errno) : "a byte");
}

static int reach(const char *address, int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, address, &to.sin_addr);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int error = fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ? errno : 0;
  if (fd >= 0) close(fd);
  return error;
}

static void machine(void) {
  struct utsname names;
  uname(&names);
  say("host name", "%s", names.nodename);
  say("domain name", "%s", names.domainname);
  say("system", "%s %s %s", names.sysname, names.release, names.machine);
  struct if_nameindex *interfaces = if_nameindex();
  for (struct if_nameindex *each = interfaces; each != NULL && each->if_index != 0; each++) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, each->if_name, IFNAMSIZ - 1);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ioctl(fd, SIOCGIFFLAGS, &request);
    close(fd);
    say(join("interface", each->if_name), "%s flags %x", request.ifr_flags & IFF_UP ? "up" : "down", request.ifr_flags & 0xffff);
  }
  if_freenameindex(interfaces);
  struct ifaddrs *addresses = NULL;
  getifaddrs(&addresses);
  for (struct ifaddrs *each = addresses; each != NULL; each = each->ifa_next) {
    char text[128] = "", key[256];
    if (each->ifa_addr == NULL) continue;
    if (each->ifa_addr->sa_family == AF_INET) inet_ntop(AF_INET, &((struct sockaddr_in *)each->ifa_addr)->sin_addr, text, sizeof text);
    else if (each->ifa_addr->sa_family == AF_INET6) inet_ntop(AF_INET6, &((struct sockaddr_in6 *)each->ifa_addr)->sin6_addr, text, sizeof text);
    else continue;
    snprintf(key, sizeof key, "address %s %s", each->ifa_name, text);
    say(key, "yes");
  }
  say("route to loopback", "%s", reach("127.0.0.1", 9) ? strerrorname_np(reach("127.0.0.1", 9)) : "yes");
  say("route outside", "%s", reach("192.0.2.1", 9) ? strerrorname_np(reach("192.0.2.1", 9)) : "yes");
  DIR *proc = opendir("/proc");
  char pids[4096] = "";
  for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;)
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && strlen(pids) < 4000) strcat(strcat(pids, " "), entry->d_name);
  if (proc != NULL) closedir(proc);
  say("processes", "%s", pids + (*pids == ' '));
  say_file("command of process 1", "/proc/1/cmdline");
}

/* Keys that this process possesses; their numbers are the machine's. */
static void keyrings(void) {
  static const struct { const char *name; int id; } rings[] = {{"thread", -1}, {"process", -2}, {"session", -3}, {"user", -4}, {"user session", -5}};
  for (size_t i = 0; i < sizeof rings / sizeof *rings; i++) {
    char description[512];
    long id = syscall(SYS_keyctl, 0, rings[i].id, 0);
    if (id < 0) { say(join("keyring", rings[i].name), "(%s)", strerrorname_np(errno)); continue; }
    long length = syscall(SYS_keyctl, 6, rings[i].id, description, sizeof description - 1);
    if (length < 0) { say(join("keyring", rings[i].name), "(%s)", strerrorname_np(errno)); continue; }
    int keys[256];
    long held = syscall(SYS_keyctl, 11, rings[i].id, keys, sizeof keys);
    say(join("keyring", rings[i].name), "%s holds %ld", description, held < 0 ? -1 : held / 4);
  }
}

static void outcome(const char *what, long result) {
  say(join("try", what), "%s", result < 0 ? strerrorname_np(errno) : "allowed");
}

static void try_write(const char *path) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  char what[4200];
  snprintf(what, sizeof what, "open %s for writing", path);
  outcome(what, fd);
  if (fd >= 0) close(fd);
}

static void try_create(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  char what[4200];
  snprintf(what, sizeof what, "create %s", path);
  outcome(what, fd);
  if (fd >= 0) close(fd), unlink(path);
}

/* In a process of its own: what is tried would change this one. */
static void apart(const char *what, long (*attempt)(void)) {
  int ends[2], error = 0;
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  pid_t child = fork();
  if (child == 0) {
    if (attempt() < 0) error = errno;
    if (write(ends[1], &error, sizeof error) < 0) _exit(1);
    _exit(0);
  }
  close(ends[1]);
  ssize_t got = read(ends[0], &error, sizeof error);
  close(ends[0]);
  waitpid(child, NULL, 0);
  if (got != sizeof error) return say(join("try", what), "killed");
  errno = error;
  outcome(what, error == 0 ? 0 : -1);
}

static long death_signal_off(void) { return prctl(PR_SET_PDEATHSIG, 0); }
static long death_signal_kill(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL); }
static long new_user_namespace(void) { return unshare(CLONE_NEWUSER); }
static long new_mount_namespace(void) { return unshare(CLONE_NEWNS); }
static long drop_groups(void) { return setgroups(0, NULL); }
static long become_root(void) { return setresuid(0, 0, 0); }
static long new_session_keyring(void) { return syscall(SYS_keyctl, 1, NULL); }
static long io_uring(void) { char params[256] = {0}; return syscall(425, 1, params); }
static long trace_me(void) { return syscall(SYS_ptrace, 0, 0, 0, 0); }
static long mount_tmpfs(void) { return mount("none", "/build", "tmpfs", 0, NULL); }
static long remount_root(void) { return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL); }
static long raise_priority(void) { return setpriority(PRIO_PROCESS, 0, -1); }
static long openat2_call(void) { long how[3] = {0}; return syscall(437, AT_FDCWD, "/", how, sizeof how); }
static long abstract_socket(void) {
  struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0drvkit-world"};
  return bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&name, sizeof name);
}
static long raw_socket(void) { return socket(AF_INET, SOCK_RAW, 1); }

static void attempts(const char *input) {
  static const char *created[] = {"/x", "/etc/x", "/nix/x", "/nix/store/x", "/tmp/x", "/build/x", "/dev/x", "/dev/shm/x", "/proc/x", "/bin/x", "/folder/x"};
  for (size_t i = 0; i < sizeof created / sizeof *created; i++) try_create(created[i]);
  static const char *written[] = {"/etc/passwd", "/etc/hosts", "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname",
    "/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger",
    "/proc/self/oom_score_adj", "/proc/self/uid_map", "/shared", "/folder/file", "/dev/null", "/dev/kmsg"};
  for (size_t i = 0; i < sizeof written / sizeof *written; i++) try_write(written[i]);
  if (input != NULL) {
    outcome("write to an input", open(input, O_WRONLY | O_CLOEXEC));
    outcome("change the mode of an input", chmod(input, 0444));
    outcome("remove an input", unlink(input));
  }
  outcome("change the mode of /", chmod("/", 0755));
  outcome("change the mode of /etc", chmod("/etc", 0555));
  const char *own = "/build/own";
  close(open(own, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  char value[16];
  outcome("set user id by chmod", chmod(own, 04755));
  outcome("set group id by chmod", chmod(own, 02755));
  outcome("sticky by chmod", chmod(own, 01755));
  int fd = open("/build/created", O_WRONLY | O_CREAT | O_CLOEXEC, 04755);
  outcome("set user id by open", fd);
  if (fd >= 0) close(fd);
  outcome("set user id by mknod", mknod("/build/made", S_IFREG | 04755, 0));
  outcome("set an extended attribute", setxattr(own, "user.x", "x", 1, 0));
  outcome("get an extended attribute", getxattr(own, "user.x", value, sizeof value));
  outcome("list extended attributes", listxattr(own, value, sizeof value));
  outcome("remove an extended attribute", removexattr(own, "user.x"));
  outcome("make a device", mknod("/build/device", S_IFCHR | 0666, makedev(1, 3)));
  outcome("make a fifo", mkfifo("/build/fifo", 0600));
  outcome("give a file away", chown(own, 0, 0));
  apart("clear the death signal", death_signal_off);
  apart("set the death signal to SIGKILL", death_signal_kill);
  apart("a user namespace", new_user_namespace);
  apart("a mount namespace", new_mount_namespace);
  apart("drop groups", drop_groups);
  apart("become root", become_root);
  apart("a session keyring", new_session_keyring);
  apart("io_uring", io_uring);
  apart("openat2", openat2_call);
  apart("be traced", trace_me);
  apart("mount a tmpfs", mount_tmpfs);
  apart("remount /", remount_root);
  apart("raise the priority", raise_priority);
  apart("an abstract socket", abstract_socket);
  apart("a raw socket", raw_socket);
  outcome("change the host name", sethostname("x", 1));
  outcome("kill process 1", kill(1, 0));
}

static void world(void) {
  static const char *folders[] = {"/", "/bin", "/folder", "/build", "/dev", "/dev/pts", "/dev/shm", "/etc", "/nix", "/nix/store", "/tmp"};
  static const char *unreadable[] = {"/sys", "/home", "/root", "/usr", "/var", "/run", "/proc/keys"};
  descriptors();
  process();
  environment();
  mounts();
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) list(folders[i]);
  for (size_t i = 0; i < sizeof unreadable / sizeof *unreadable; i++)
    say(join("there is", unreadable[i]), "%s", access(unreadable[i], F_OK) == 0 ? "yes" : strerrorname_np(errno));
  contents("/etc");
  contents("/etc/ssl/certs");
  machine();
  keyrings();
  struct statvfs st;
  if (statvfs("/dev/shm", &st) == 0) say("size of /dev/shm", "%llu", (unsigned long long)st.f_blocks * st.f_frsize);
  attempts(getenv("input"));
}

int main(int argc, char **argv) {
  const char *path = getenv("out");
  const char *mode = argc > 1 ? argv[1] : "";
  int fixed = getenv("outputHash") != NULL;
  if (path == NULL) path = argv[argc - 1];
  if (fixed) out = stderr, line_start = "|";
  else if ((out = fopen(path, "we")) == NULL) return perror(path), 1;
  /* Nothing is written before the end: the output would be among what is seen. */
  setvbuf(out, NULL, _IOFBF, 1 << 22);
  if (strcmp(mode, "world") == 0) world();
  if (strcmp(mode, "files") == 0) {
    environment(), list("/build"), contents("/build");
    for (int i = 2; i < argc; i++)
      if (strcmp(argv[i], path) != 0) close(open(argv[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  }
  if (strcmp(mode, "copy") == 0) for (int i = 2; i < argc; i++) fprintf(out, "%s\n", argv[i]);
  fflush(out);
  if (fixed) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0 || write(fd, "fixed", 5) != 5) return perror(path), 1;
    close(fd);
  }
  return fclose(out) == 0 ? 0 : 1;
}
