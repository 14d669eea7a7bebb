#include "words.h"

size_t words_count(const char *text) {
  size_t count = 0, length;
  for (const char *word = text; (word = words_next(word, &length)) != NULL; word += length) count++;
  return count;
}

size_t words_longest(const char *text) {
  size_t longest = 0, length;
  for (const char *word = text; (word = words_next(word, &length)) != NULL; word += length)
    if (length > longest) longest = length;
  return longest;
}
