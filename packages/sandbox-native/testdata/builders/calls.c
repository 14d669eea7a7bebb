/*
 * Makes the system calls that standard input lists, and prints the error number of each (0: none). A line is
 * `WAY NUMBER A0 A1 A2 A3 A4 A5`: WAY is `native` or, in a 64-bit x86 program, `int80`; an argument is a decimal number,
 * or the address of "f" (`path`) or of zeros (`zeros`). No C library, so that 32-bit programs are built anywhere; linked
 * statically and not to be moved, its addresses are below 4 GiB, as int80 needs.
 */
typedef long number; /* a register, on every architecture here */

number make_call(number call, const number *arguments);
#define NAME(name) ".globl " name "\n" name ":\n"

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, EXIT = 60 };
number make_call_by_int80(number call, const number *arguments);
__asm__(NAME("_start") "and $-16, %rsp\n call run\n"
        NAME("make_call") "mov %rdi, %rax\n mov %rsi, %rcx\n"
        "mov (%rcx), %rdi\n mov 8(%rcx), %rsi\n mov 16(%rcx), %rdx\n"
        "mov 24(%rcx), %r10\n mov 32(%rcx), %r8\n mov 40(%rcx), %r9\n syscall\n ret\n"
        NAME("make_call_by_int80") "push %rbx\n push %rbp\n mov %edi, %eax\n mov %rsi, %rbp\n"
        "mov (%rbp), %ebx\n mov 8(%rbp), %ecx\n mov 16(%rbp), %edx\n"
        "mov 24(%rbp), %esi\n mov 32(%rbp), %edi\n mov 40(%rbp), %ebp\n int $0x80\n"
        "cltq\n pop %rbp\n pop %rbx\n ret\n");
#elif defined(__i386__)
enum { READ = 3, WRITE = 4, EXIT = 1 };
#define make_call_by_int80 make_call
__asm__(NAME("_start") "and $-16, %esp\n call run\n"
        NAME("make_call") "push %ebx\n push %esi\n push %edi\n push %ebp\n mov 20(%esp), %eax\n mov 24(%esp), %ebp\n"
        "mov (%ebp), %ebx\n mov 4(%ebp), %ecx\n mov 8(%ebp), %edx\n"
        "mov 12(%ebp), %esi\n mov 16(%ebp), %edi\n mov 20(%ebp), %ebp\n int $0x80\n"
        "pop %ebp\n pop %edi\n pop %esi\n pop %ebx\n ret\n");
#elif defined(__aarch64__)
enum { READ = 63, WRITE = 64, EXIT = 93 };
#define make_call_by_int80 make_call
__asm__(NAME("_start") "bl run\n"
        NAME("make_call") "mov x8, x0\n mov x9, x1\n"
        "ldp x0, x1, [x9]\n ldp x2, x3, [x9, #16]\n ldp x4, x5, [x9, #32]\n svc #0\n ret\n");
#endif

static char path[] = "f";
static char zeros[256];
static char input;

static number simple_call(number call, number a, number b, number c) {
  number arguments[6];
  arguments[0] = a, arguments[1] = b, arguments[2] = c;
  arguments[3] = arguments[4] = arguments[5] = 0;
  return make_call(call, arguments);
}

/* Into `word`, without the blank or the end of line after it; false at the end of input. */
static int read_word(char *word) {
  int length = 0;
  while (simple_call(READ, 0, (number)&input, 1) == 1 && input > ' ')
    if (length < 31) word[length++] = input;
  word[length] = 0;
  return length > 0;
}

static number value_of(const char *word) {
  number value = 0;
  int negative = *word == '-';
  if (*word == 'p') return (number)path;
  if (*word == 'z') return (number)zeros;
  for (word += negative; *word; word++) value = value * 10 + (*word - '0');
  return negative ? -value : value;
}

static void print_line(number value) {
  char line[24];
  int at = sizeof line;
  line[--at] = '\n';
  do line[--at] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  simple_call(WRITE, 1, (number)&line[at], sizeof line - at);
}

void run(void) {
  char way[32], word[32];
  number call, result, arguments[6];
  while (read_word(way) && read_word(word)) {
    call = value_of(word);
    for (int index = 0; index < 6; index++) {
      read_word(word);
      arguments[index] = value_of(word);
    }
    result = *way == 'i' ? make_call_by_int80(call, arguments) : make_call(call, arguments);
    print_line(result < 0 && result > -4096 ? -result : 0);
  }
  simple_call(EXIT, 0, 0, 0);
}
