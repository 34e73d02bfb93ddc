#include "lvstrace/capture.h"

#include <string>

#include <dlfcn.h>

#include "base/text.h"

namespace lvsnat::tool {

Result<const CaptureInterface*> load_capture() {
  // The library's version is part of the name: one of another interface is not found at all.
  const std::string name = LVSNAT_CAPTURE_LIBRARY;
  void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return Error{ErrorCode::unsupported,
                 "packets need " + name +
                     " and with it libpcap, libtins, zlib, libzstd and liblzma: install lvsnat's capture library "
                     "(the check of routes goes without: leave out -i, -r and -w). " +
                     (why != nullptr ? printable(why, 300) : std::string())};
  }
  using Entry = const CaptureInterface* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(library, "lvsnat_capture_interface"));
  const CaptureInterface* table = entry != nullptr ? entry() : nullptr;
  if (table == nullptr || table->abi_version != CaptureInterface::kAbiVersion) {
    return Error{ErrorCode::unsupported, name + " is of another release than this program: install both from the same one"};
  }
  return table;
}

}  // namespace lvsnat::tool
