// What the user keeps: packets as pcapng, connections as NDJSON, a view as text.
//
// Files are created anew with mode 0600, never over what exists and never through a symbolic link. Every function
// returns one printable sentence for the bottom line: what was written, or why not.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model.h"
#include "recorder.h"

namespace lvsnat::top {

/// Where a new file can be made: "" for the current directory, else "/tmp/": who started as root has become somebody else.
std::string save_directory();
std::string save_text(const std::string& path, const std::string& content);
/// The recorder's packets: all, or those of connections and what belongs to them.
std::string save_packets(const std::string& path, const Recorder&, const std::vector<Vantage>&, bool all,
                         std::span<const Connection>);
/// One object a line, each of type "connection", as `--format ndjson` prints them.
std::string to_ndjson(const Snapshot&, const std::vector<std::size_t>& rows);

}  // namespace lvsnat::top
