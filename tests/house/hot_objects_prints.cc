// Must be noticed by the hot object check: prints.
#include <cstdio>

void house_prints() { std::puts("a packet"); }
