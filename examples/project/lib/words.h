#include <stddef.h>

/* The next word at or after `text`, its length in `length`; NULL when there is none. */
const char *words_next(const char *text, size_t *length);

/* How many words there are. */
size_t words_count(const char *text);

/* Length of the longest word. */
size_t words_longest(const char *text);
