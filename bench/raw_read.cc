// A yardstick: what reading the file costs, and no more. read(2) into 256 KB, as the library's own reader does; no byte is
// looked at. Prints the bytes.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: raw_read FILE\n", stderr);
    return 2;
  }
  const int file = open(argv[1], O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    std::perror(argv[1]);
    return 2;
  }
  static std::array<char, 256 * 1024> buffer;
  unsigned long bytes = 0;
  ssize_t got;
  while ((got = read(file, buffer.data(), buffer.size())) > 0) bytes += static_cast<unsigned long>(got);
  close(file);
  std::printf("%lu\n", bytes);
  return got == 0 ? 0 : 1;
}
