#include "config/names.h"

#include "base/file.h"
#include "base/text.h"
#include "state/reading.h"

namespace lvsnat {
namespace {

constexpr std::size_t kMaxSystemFile = 8u << 20;

std::string system_file(const char* path, bool allowed) {
  if (!allowed) return {};
  auto text = read_file(path, kMaxSystemFile);
  return text ? std::move(*text) : std::string{};
}

std::string_view without_comment(std::string_view line) { return line.substr(0, line.find('#')); }

}  // namespace

Names::Names(const ConfigOptions& options) : options_(options) {}

void Names::read_hosts() {
  hosts_.emplace();
  const std::string text =
      options_.hosts_text.empty() ? system_file("/etc/hosts", options_.read_system_files) : options_.hosts_text;
  for (const std::string_view line : lines_of(text)) {
    const auto words = words_of(without_comment(line));
    const auto address = words.empty() ? std::nullopt : parse_address(words[0]);
    if (!address) continue;
    for (std::size_t i = 1; i < words.size(); ++i) {
      // The first line wins, as in hosts(5); an IPv4 line wins over an IPv6 one, since LVS-NAT files mean IPv4 by bare names.
      const auto [slot, fresh] = hosts_->emplace(std::string(words[i]), *address);
      if (!fresh && !slot->second.is_v4() && address->is_v4()) slot->second = *address;
    }
  }
}

void Names::read_services() {
  services_.emplace();
  const std::string text =
      options_.services_text.empty() ? system_file("/etc/services", options_.read_system_files) : options_.services_text;
  for (const std::string_view line : lines_of(text)) {
    const auto words = words_of(without_comment(line));
    if (words.size() < 2) continue;
    const auto slash = words[1].find('/');
    std::uint64_t port = 0;
    if (slash == std::string_view::npos || !parse_number(words[1].substr(0, slash), 65535, port)) continue;
    const std::string protocol(words[1].substr(slash));
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (i != 1) services_->emplace(std::string(words[i]) + protocol, static_cast<std::uint16_t>(port));
    }
  }
}

std::optional<Address> Names::host(std::string_view name) {
  if (const auto given = options_.names.find(name); given != options_.names.end()) return given->second;
  if (!hosts_) read_hosts();
  const auto found = hosts_->find(name);
  return found == hosts_->end() ? std::nullopt : std::optional<Address>(found->second);
}

std::optional<std::uint16_t> Names::port(std::string_view name, std::string_view protocol) {
  if (!services_) read_services();
  const auto found = services_->find(std::string(name) + "/" + std::string(protocol));
  return found == services_->end() ? std::nullopt : std::optional<std::uint16_t>(found->second);
}

NameLookup Names::lookup() {
  NameLookup lookup;
  lookup.host = [this](std::string_view name) { return host(name); };
  lookup.port = [this](std::string_view name, std::string_view protocol) { return port(name, protocol); };
  return lookup;
}

}  // namespace lvsnat
