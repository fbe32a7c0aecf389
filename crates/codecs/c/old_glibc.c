// Archives that were compiled against glibc 2.38 or newer ask for these by their names of C23, which older ones lack. What
// they differ in is numbers written in binary, and nobody here reads any.

#include <stdlib.h>

long __isoc23_strtol(const char *text, char **end, int base) { return strtol(text, end, base); }

unsigned long __isoc23_strtoul(const char *text, char **end, int base) { return strtoul(text, end, base); }
