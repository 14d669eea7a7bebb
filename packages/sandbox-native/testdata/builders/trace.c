// A builder one of whose children traces it, so that nobody else sees its end.
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <unistd.h>

int main(void) {
  int ready[2];
  char byte = 0;
  pid_t builder = getpid();
  if (pipe(ready) != 0) return 1;
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  if (fork() == 0) {
    setsid();
    byte = ptrace(PTRACE_SEIZE, builder, 0, 0) == 0 ? 't' : 'f';
    if (write(ready[1], &byte, 1) != 1) return 1;
    for (int fd = 0; fd < 3; fd++) close(fd);
    for (;;) pause();
  }
  if (read(ready[0], &byte, 1) != 1) return 1;
  puts(byte == 't' ? "traced" : "not traced");
  return 7;
}
