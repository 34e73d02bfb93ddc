// Must be noticed by the hot object check: reads a clock.
#include <chrono>

long house_reads_clock() { return std::chrono::steady_clock::now().time_since_epoch().count(); }
