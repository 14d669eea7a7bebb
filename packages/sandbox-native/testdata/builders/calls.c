/* Makes system calls by number, in each way this processor can number them; prints name, way and error number. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void show(const char *way, const char *name, long result) {
  printf("%s %s %ld\n", way, name, result < 0 ? -result : 0);
}

static long plain(long number, long a, long b, long c, long d) {
  long result = syscall(number, a, b, c, d);
  return result < 0 ? -errno : result;
}

#ifdef __x86_64__
static long old(long number, long a, long b, long c, long d) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory", "r8", "r9", "r10", "r11");
  return result;
}
#endif

int main(void) {
  long here = AT_FDCWD;
  int file = open("f", O_CREAT | O_RDWR, 0644);
  show("plain", "fchmod", plain(SYS_fchmod, file, 04755, 0, 0));
  show("plain", "fchmodat", plain(SYS_fchmodat, here, (long)"f", 02755, 0));
  show("plain", "fchmodat2", plain(452, here, (long)"f", 04755, 0));
  show("plain", "openat", plain(SYS_openat, here, (long)"g", O_CREAT | O_WRONLY, 04755));
  show("plain", "tmpfile", plain(SYS_openat, here, (long)".", O_TMPFILE | O_WRONLY, 04755));
  show("plain", "mknodat", plain(SYS_mknodat, here, (long)"h", S_IFREG | 04755, 0));
  show("plain", "openat2", plain(437, here, (long)"f", 0, 0));
  show("plain", "io_uring_setup", plain(425, 1, 0, 0, 0));
  show("plain", "fsetxattr", plain(SYS_fsetxattr, file, (long)"user.a", (long)"b", 1));
  show("plain", "fgetxattr", plain(SYS_fgetxattr, file, (long)"user.a", 0, 0));
  show("plain", "flistxattr", plain(SYS_flistxattr, file, 0, 0, 0));
  show("plain", "fremovexattr", plain(SYS_fremovexattr, file, (long)"user.a", 0, 0));
  show("plain", "setxattrat", plain(463, here, (long)"f", 0, 0));
  show("plain", "sticky", plain(SYS_fchmod, file, 01755, 0, 0));
#ifdef __x86_64__
  show("plain", "chmod", plain(SYS_chmod, (long)"f", 04755, 0, 0));
  show("plain", "open", plain(SYS_open, (long)"g", O_CREAT | O_WRONLY, 04755, 0));
  show("plain", "creat", plain(SYS_creat, (long)"g", 02755, 0, 0));
  show("x32", "chmod", plain(SYS_chmod | 0x40000000, (long)"f", 04755, 0, 0));
  show("x32", "fchmodat2", plain(452 | 0x40000000, here, (long)"f", 04755, 0));
  char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  strcpy(low, "f");
  show("i386", "chmod", old(15, (long)low, 04755, 0, 0));
  show("i386", "fchmodat", old(306, here, (long)low, 02755, 0));
  show("i386", "fsetxattr", old(228, file, (long)low, (long)low, 1));
  show("i386", "sticky", old(15, (long)low, 01755, 0, 0));
#endif
  struct stat status;
  fstat(file, &status);
  printf("mode %o\n", status.st_mode & 07777);
  return 0;
}
