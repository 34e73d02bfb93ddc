// Whole files into memory, with a limit: state directories, config files. Not for captures.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "lvsnat/export.h"
#include "lvsnat/result.h"

namespace lvsnat {

/// What an errno value of open(2) and its like means here: not there, no permission, or any other failure.
LVSNAT_EXPORT ErrorCode code_of_errno(int error);

/// The bytes of a regular file. FIFOs, sockets, devices and directories are refused (unsupported) before they are opened,
/// so nothing blocks and no device is touched; more than `limit` bytes is an error (limit). Works for /proc, whose files
/// claim to be empty. The message names the file, made printable.
LVSNAT_EXPORT Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit);

}  // namespace lvsnat
