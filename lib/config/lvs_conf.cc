// lvs_nat.conf of the LVS-HOWTO's configure script. One KEY=VALUE a line:
//   LVS_TYPE=VS_NAT
//   VIP=eth0:110 lvs 255.255.255.0 192.168.1.255               device, address or name, netmask, broadcast
//   DIRECTOR_INSIDEIP=eth0:10 10.1.1.10 10.1.1.0 255.255.255.0 10.1.1.255
//   DIRECTOR_DEFAULT_GW=client
//   SERVICE=t telnet rr real-server1:telnet real-server2:telnet   t or u, port, scheduler, then RIP[:port][,weight]...
//   SERVER_NET_DEVICE=eth0
//   SERVER_DEFAULT_GW=director_inside
#include <algorithm>

#include "base/text.h"
#include "config/names.h"
#include "lvsnat/config.h"
#include "state/reading.h"

namespace lvsnat {
namespace {

class LvsConfReader {
 public:
  LvsConfReader(std::string_view name, const ConfigOptions& options) : name_(name), options_(options), names_(options) {
    out_.origin = Origin::lvs_conf;
    out_.source = printable(name);
  }

  Result<Declaration> read(std::string_view text) {
    for (const std::string_view line : lines_of(text)) {
      ++number_;
      line_ = line;
      const std::string_view content = trim(line.substr(0, line.find('#')));
      if (content.empty()) continue;
      const auto equals = content.find('=');
      if (equals == std::string_view::npos) return fail(content, "'" + printable(content, 80) + "' is no KEY=VALUE");
      if (const Status one = read_key(trim(content.substr(0, equals)), words_of(content.substr(equals + 1)), content); !one)
        return one.error();
    }
    return finish();
  }

 private:
  struct Line {
    std::size_t number;
    std::string text;
    std::vector<std::string> words;
  };

  Error fail(std::string_view word, const std::string& what) const {
    const bool inside = word.data() >= line_.data() && word.data() <= line_.data() + line_.size();
    const std::size_t column = inside ? static_cast<std::size_t>(word.data() - line_.data()) + 1 : 1;
    return Error{ErrorCode::malformed,
                 printable(name_) + ":" + std::to_string(number_) + ":" + std::to_string(column) + ": " + what};
  }

  Result<Address> address(std::string_view word) {
    if (const auto plain = parse_address(word)) return *plain;
    if (const auto named = names_.host(word)) return *named;
    return fail(word, "'" + printable(word, 80) +
                          "' is no address, and neither --name nor the hosts file knows it (give --name " + printable(word, 80) +
                          "=ADDRESS)");
  }

  Result<std::uint16_t> port(std::string_view word, std::string_view protocol) {
    std::uint64_t number = 0;
    if (parse_number(word, 65535, number) && number > 0) return static_cast<std::uint16_t>(number);
    if (const auto named = names_.port(word, protocol)) return *named;
    return fail(word, "'" + printable(word, 80) + "' is no port, and the services file has no such " + std::string(protocol) +
                          " service");
  }

  Status read_key(std::string_view key, const std::vector<std::string_view>& words, std::string_view content) {
    if (words.empty()) {
      // A commented template's empty value means "not set".
      return ok();
    }
    if (key == "LVS_TYPE") {
      if (words[0] != "VS_NAT") return fail(words[0], "'" + printable(words[0], 80) + "' is not LVS-NAT (VS_NAT)");
      nat_ = true;
      return ok();
    }
    if (key == "VIP") {
      if (words.size() < 2) return fail(content, "VIP wants a device and an address");
      auto vip = address(words[1]);
      if (!vip) return vip.error();
      out_.vips.push_back(*vip);
      return ok();
    }
    if (key == "DIRECTOR_INSIDEIP") {
      if (words.size() < 2) return fail(content, "DIRECTOR_INSIDEIP wants a device and an address");
      auto inside = address(words[1]);
      if (!inside) return inside.error();
      out_.director_inside.push_back(*inside);
      return ok();
    }
    if (key == "SERVICE") return read_service(words, content);
    if (key == "SERVER_DEFAULT_GW") {
      if (words[0] == "director_inside" || words[0] == "DIRECTOR_INSIDEIP") {
        gateway_is_inside_ = true;
        gateway_line_ = number_;
        return ok();
      }
      auto gateway = address(words[0]);
      if (!gateway) return gateway.error();
      out_.gateways.push_back(*gateway);
      return ok();
    }
    // The director's own way out and device names decide nothing here.
    constexpr std::string_view kKnown[] = {"DIRECTOR_DEFAULT_GW",
                                           "SERVER_NET_DEVICE",
                                           "SERVER_VIP_DEVICE",
                                           "DIRECTOR_GW",
                                           "LVS_CONF",
                                           "DIRECTOR_VIP_DEVICE",
                                           "CLIENT",
                                           "ADMIN"};
    if (std::find(std::begin(kKnown), std::end(kKnown), key) == std::end(kKnown) && out_.notes.size() < 100) {
      out_.notes.push_back(printable(name_) + ":" + std::to_string(number_) + ": " + printable(key, 80) +
                           " is not known, skipped.");
    }
    return ok();
  }

  Status read_service(const std::vector<std::string_view>& words, std::string_view content) {
    if (words.size() < 4) return fail(content, "SERVICE wants t or u, a port, a scheduler and real servers");
    if (out_.vips.empty()) return fail(content, "SERVICE stands before any VIP");
    if (out_.services.size() >= options_.max_services) return limit("services", options_.max_services);
    Service service;
    if (words[0] == "t" || words[0] == "tcp") {
      service.protocol = ServiceProtocol::tcp;
    } else if (words[0] == "u" || words[0] == "udp") {
      service.protocol = ServiceProtocol::udp;
    } else {
      return fail(words[0], "'" + printable(words[0], 80) + "' is neither t (tcp) nor u (udp)");
    }
    const std::string_view protocol = name(service.protocol);
    auto service_port = port(words[1], protocol);
    if (!service_port) return service_port.error();
    service.port = *service_port;
    service.scheduler = printable(words[2], 64);
    service.vip = out_.vips.back();
    service.v6 = !service.vip.is_v4();
    for (std::size_t i = 3; i < words.size(); ++i) {
      if (++destinations_ > options_.max_destinations) return limit("real servers", options_.max_destinations);
      std::string_view word = words[i];
      Destination destination;
      destination.method = Method::masq;
      destination.weight = 1;
      destination.port = service.port;
      if (const auto comma = word.rfind(','); comma != std::string_view::npos) {
        std::uint64_t weight = 0;
        const std::string_view digits = word.substr(comma + 1);
        if (!parse_number(digits, INT32_MAX, weight)) return fail(digits, "'" + printable(digits, 80) + "' is no weight");
        destination.weight = static_cast<int>(weight);
        word = word.substr(0, comma);
      }
      std::string_view host = word;
      if (host.starts_with('[')) {
        const auto close = host.find(']');
        if (close == std::string_view::npos) return fail(word, "'" + printable(word, 80) + "' has no closing bracket");
        word = host.substr(close + 1);
        host = host.substr(1, close - 1);
        if (!word.empty() && word[0] != ':') return fail(word, "'" + printable(word, 80) + "' is no :PORT");
      } else if (const auto colon = host.find(':');
                 colon != std::string_view::npos && host.find(':', colon + 1) == std::string_view::npos) {
        word = host.substr(colon);
        host = host.substr(0, colon);
      } else {
        word = {};
      }
      auto rip = address(host);
      if (!rip) return rip.error();
      destination.rip = *rip;
      if (!word.empty()) {
        auto own = port(word.substr(1), protocol);
        if (!own) return own.error();
        destination.port = *own;
      }
      service.destinations.push_back(destination);
    }
    const bool twice = std::any_of(out_.services.begin(), out_.services.end(),
                                   [&service](const Service& s) { return same_service(s, service); });
    if (twice) return fail(content, "service " + to_string(service) + " stands twice");
    out_.services.push_back(std::move(service));
    return ok();
  }

  Error limit(const char* what, std::size_t value) const {
    return Error{ErrorCode::limit,
                 printable(name_) + ":" + std::to_string(number_) + ": more than " + with_commas(value) + " " + what};
  }

  Result<Declaration> finish() {
    if (!nat_) return Error{ErrorCode::malformed, printable(name_) + ": has no LVS_TYPE=VS_NAT"};
    if (gateway_is_inside_) {
      if (out_.director_inside.empty()) {
        return Error{ErrorCode::malformed, printable(name_) + ":" + std::to_string(gateway_line_) +
                                               ": SERVER_DEFAULT_GW=director_inside, but there is no DIRECTOR_INSIDEIP"};
      }
      out_.gateways.insert(out_.gateways.end(), out_.director_inside.begin(), out_.director_inside.end());
    }
    return std::move(out_);
  }

  std::string_view name_, line_;
  const ConfigOptions& options_;
  Names names_;
  Declaration out_;
  std::size_t number_ = 0, gateway_line_ = 0, destinations_ = 0;
  bool nat_ = false, gateway_is_inside_ = false;
};

}  // namespace

Result<Declaration> parse_lvs_conf(std::string_view text, std::string_view name, const ConfigOptions& options) {
  return LvsConfReader(name, options).read(text);
}

}  // namespace lvsnat
