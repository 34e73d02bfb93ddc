// Must be noticed by the hot object check: allocates.
#include <vector>

std::vector<int> house_allocates(int count) { return std::vector<int>(static_cast<unsigned>(count)); }
