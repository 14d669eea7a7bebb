#include <stdio.h>
#include "words.h"

static int failures;

static void expect(const char *text, size_t count, size_t longest) {
  size_t found = words_count(text), length = words_longest(text);
  int good = found == count && length == longest;
  printf("%s  \"%s\": %zu words, longest %zu\n", good ? "ok  " : "FAIL", text, found, length);
  if (!good) printf("      expected %zu words, longest %zu\n", count, longest);
  failures += !good;
}

int main(void) {
  expect("", 0, 0);
  expect("one", 1, 3);
  expect("a stitch in time", 4, 6);
  expect("route 66, eastbound", 2, 9);
  expect("  -- well -- then  ", 2, 4);
  return failures != 0;
}
