#include <ctype.h>
#include "words.h"

static int belongs(char c) {
  return isalpha((unsigned char)c);
}

const char *words_next(const char *text, size_t *length) {
  while (*text != '\0' && !belongs(*text)) text++;
  if (*text == '\0') return NULL;
  for (*length = 0; belongs(text[*length]);) ++*length;
  return text;
}
