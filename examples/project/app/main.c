#include <stdio.h>
#include "words.h"

int main(void) {
  static char text[65536];
  text[fread(text, 1, sizeof text - 1, stdin)] = '\0';
  printf("{ \"words\": %zu, \"longest\": %zu }\n", words_count(text), words_longest(text));
  return 0;
}
