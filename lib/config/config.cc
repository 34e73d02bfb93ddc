// --config FILE, told apart by content, and the options that declare services on the command line.
#include "lvsnat/config.h"

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "config/names.h"
#include "state/ipvsadm_text.h"
#include "state/reading.h"

namespace lvsnat {
namespace {

enum class Format { ipvsadm, keepalived, lvs_conf, unknown };

/// The first lines that are no comment decide: LVS-HOWTO keys, ipvsadm commands, or keepalived's blocks.
Format format_of(std::string_view text) {
  constexpr std::string_view kKeepalived[] = {"global_defs",
                                              "vrrp_instance",
                                              "vrrp_script",
                                              "vrrp_sync_group",
                                              "virtual_server",
                                              "virtual_server_group",
                                              "include",
                                              "static_ipaddress",
                                              "static_routes",
                                              "static_rules",
                                              "SSL",
                                              "net_namespace",
                                              "instance",
                                              "bfd_instance",
                                              "vrrp_track_process",
                                              "track_file",
                                              "process_names",
                                              "static_track_group"};
  std::size_t looked = 0;
  for (const std::string_view raw : lines_of(text)) {
    const std::string_view line = trim(raw);
    if (line.empty() || line[0] == '#' || line[0] == '!') continue;
    if (++looked > 1000) break;
    const auto words = words_of(line);
    const std::string_view first = words[0];
    if (first.starts_with('-') || first == "ipvsadm" || first.ends_with("/ipvsadm")) return Format::ipvsadm;
    if (first.starts_with('$') || first.starts_with('@')) return Format::keepalived;
    for (const std::string_view word : kKeepalived) {
      if (first == word || (first.starts_with(word) && first.size() > word.size() && first[word.size()] == '{'))
        return Format::keepalived;
    }
    for (const std::string_view key : {"LVS_TYPE=", "VIP=", "DIRECTOR_", "SERVICE=", "SERVER_"}) {
      if (line.starts_with(key)) return Format::lvs_conf;
    }
  }
  return Format::unknown;
}

}  // namespace

Result<Declaration> parse_ipvsadm_save(std::string_view text, std::string_view name, const ConfigOptions& options) {
  Names names(options);
  auto rules =
      parse_ipvsadm_rules(text, printable(name), names.lookup(), RuleLimits{options.max_services, options.max_destinations});
  if (!rules) return rules.error();
  Declaration out;
  out.origin = Origin::ipvsadm_save;
  out.source = printable(name);
  out.services = std::move(rules->services);
  out.timeouts = rules->timeouts;
  out.notes = std::move(rules->notes);
  return out;
}

Result<Declaration> read_config(const std::filesystem::path& path, const ConfigOptions& options) {
  auto text = read_file(path, options.max_bytes);
  if (!text) return text.error();
  switch (format_of(*text)) {
    case Format::ipvsadm:
      return parse_ipvsadm_save(*text, path.native(), options);
    case Format::lvs_conf:
      return parse_lvs_conf(*text, path.native(), options);
    case Format::keepalived:
      return parse_keepalived(*text, path.native(), path.parent_path(), options);
    case Format::unknown:
      break;
  }
  if (trim(*text).empty()) {
    return Error{ErrorCode::malformed,
                 printable(path.native()) + ": is empty (an empty ipvsadm-save means that no service was configured)"};
  }
  return Error{ErrorCode::malformed, printable(path.native()) +
                                         ": is neither ipvsadm-save output, nor a keepalived.conf, nor the HOWTO's lvs_nat.conf"};
}

Result<Service> parse_service_option(std::string_view text) {
  const auto fail = [text](const std::string& what) {
    return Error{ErrorCode::usage,
                 "--service '" + printable(text, 200) + "': " + what + " (wanted: tcp:VIP:PORT=RIP:PORT,RIP:PORT)"};
  };
  Service service;
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return fail("no protocol");
  const std::string_view protocol = text.substr(0, colon);
  std::string_view head = text.substr(colon + 1), tail;
  bool has_tail = false;
  if (const auto equals = head.find('='); equals != std::string_view::npos) {
    tail = head.substr(equals + 1);
    head = head.substr(0, equals);
    has_tail = true;
  }
  if (protocol == "fwmark") {
    std::uint64_t mark = 0;
    if (!parse_number(head, UINT32_MAX, mark) || mark == 0) return fail("'" + printable(head, 80) + "' is no firewall mark");
    service.protocol = ServiceProtocol::fwmark;
    service.fwmark = static_cast<std::uint32_t>(mark);
  } else {
    if (protocol == "tcp") {
      service.protocol = ServiceProtocol::tcp;
    } else if (protocol == "udp") {
      service.protocol = ServiceProtocol::udp;
    } else if (protocol == "sctp") {
      service.protocol = ServiceProtocol::sctp;
    } else {
      return fail("'" + printable(protocol, 80) + "' is none of tcp, udp, sctp, fwmark");
    }
    const auto vip = parse_endpoint(head);
    if (!vip)
      return fail("'" + printable(head, 80) + "' is no VIP:PORT" +
                  (head.find('[') == std::string_view::npos && std::count(head.begin(), head.end(), ':') > 1
                       ? " (IPv6 stands in brackets)"
                       : ""));
    service.vip = vip->address;
    service.port = vip->port;
    service.v6 = !vip->address.is_v4();
  }
  if (!has_tail) return service;
  constexpr std::size_t kMaxDestinations = 4096;
  for (const std::string_view word : split(tail, ',')) {
    Destination destination;
    destination.method = Method::masq;
    const auto rip = parse_host_port(word, name(service.protocol), NameLookup{});
    if (!rip) return fail("'" + printable(word, 80) + "' is no RIP or RIP:PORT");
    destination.rip = rip->address;
    destination.port = rip->port != 0 ? rip->port : service.port;
    if (service.destinations.empty() && service.protocol == ServiceProtocol::fwmark) service.v6 = !rip->address.is_v4();
    const bool twice =
        std::any_of(service.destinations.begin(), service.destinations.end(),
                    [&destination](const Destination& d) { return d.rip == destination.rip && d.port == destination.port; });
    if (twice) return fail("'" + printable(word, 80) + "' stands twice");
    if (rip->address.is_v4() == service.v6)
      return fail("'" + printable(word, 80) + "' is of another address family than the service");
    if (service.destinations.size() >= kMaxDestinations)
      return fail("more than " + with_commas(kMaxDestinations) + " real servers");
    service.destinations.push_back(destination);
  }
  return service;
}

Result<std::pair<std::string, Address>> parse_name_option(std::string_view text) {
  const auto equals = text.find('=');
  const auto address = equals == std::string_view::npos ? std::nullopt : parse_address(text.substr(equals + 1));
  if (equals == 0 || !address) return Error{ErrorCode::usage, "--name '" + printable(text, 200) + "': wanted NAME=ADDRESS"};
  return std::pair<std::string, Address>{std::string(text.substr(0, equals)), *address};
}

}  // namespace lvsnat
