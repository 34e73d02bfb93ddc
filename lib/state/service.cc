// Services: names, and how a running set departs from a declared one.
#include "lvsnat/service.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "lvsnat/state.h"

namespace lvsnat {
namespace {

using ServiceKey = std::tuple<ServiceProtocol, Address, std::uint16_t, std::uint32_t, bool>;
ServiceKey key_of(const Service& s) { return {s.protocol, s.vip, s.port, s.fwmark.value_or(0), s.v6}; }

std::string port_or_all(const Destination& d, const Service& service) {
  const std::uint16_t port = destination_port(service, d);
  return port == 0 ? to_string(d.rip) : to_string(Endpoint{d.rip, port});
}

class Comparison {
 public:
  std::vector<std::string> sentences;

  void say(const std::string& sentence) {
    constexpr std::size_t kMaxSentences = 200;
    if (sentences.size() < kMaxSentences) {
      sentences.push_back(sentence);
    } else {
      ++more_;
    }
  }
  void finish() {
    if (more_ > 0) sentences.push_back("... and " + std::to_string(more_) + " more differences.");
  }

  void compare(const Service& want, const Service& have) {
    const std::string what = "Service " + to_string(want);
    if (!want.scheduler.empty() && !have.scheduler.empty() && want.scheduler != have.scheduler) {
      say(what + " runs with scheduler " + have.scheduler + ", configured is " + want.scheduler + ".");
    }
    if (want.persistence && have.persistence != want.persistence) {
      say(what + (have.persistence ? " is persistent for " + std::to_string(*have.persistence) + " s" : " is not persistent") +
          ", configured are " + std::to_string(*want.persistence) + " s.");
    } else if (!want.persistence && have.persistence) {
      say(what + " is persistent for " + std::to_string(*have.persistence) + " s, which is not configured.");
    }
    if (want.one_packet != have.one_packet) {
      say(what + (have.one_packet ? " runs with one-packet scheduling, which is not configured."
                                  : " runs without the one-packet scheduling that is configured."));
    }
    std::map<std::pair<Address, std::uint16_t>, const Destination*> running;
    for (const Destination& d : have.destinations) running.emplace(std::pair{d.rip, destination_port(have, d)}, &d);
    for (const Destination& d : want.destinations) {
      const auto found = running.find(std::pair{d.rip, destination_port(want, d)});
      if (found == running.end()) {
        say(what + ": real server " + port_or_all(d, want) + " is configured but does not run.");
        continue;
      }
      compare(want, d, *found->second);
      running.erase(found);
    }
    for (const Destination& d : have.destinations) {
      if (running.contains(std::pair{d.rip, destination_port(have, d)})) {
        say(what + ": real server " + port_or_all(d, have) + " runs but is not configured.");
      }
    }
  }

 private:
  void compare(const Service& service, const Destination& want, const Destination& have) {
    const std::string what = "Service " + to_string(service) + ", real server " + port_or_all(want, service);
    if (want.method != Method::unknown && have.method != Method::unknown && want.method != have.method) {
      // The kernel turns any method into local for an address of its own (__ip_vs_update_dest): not a difference in rules.
      if (have.method != Method::local) {
        say(what + " is forwarded to by " + std::string(name(have.method)) + ", configured is " + std::string(name(want.method)) +
            ".");
      }
    }
    if (want.weight && have.weight && *want.weight != *have.weight) {
      say(what + " has weight " + std::to_string(*have.weight) + (*have.weight == 0 ? " (draining)" : "") + ", configured is " +
          std::to_string(*want.weight) + ".");
    }
    const auto threshold = [&](const char* which, const auto& w, const auto& h) {
      if (w && h && *w != *h)
        say(what + " has the " + which + " threshold " + std::to_string(*h) + ", configured is " + std::to_string(*w) + ".");
    };
    threshold("upper", want.upper_threshold, have.upper_threshold);
    threshold("lower", want.lower_threshold, have.lower_threshold);
  }

  std::size_t more_ = 0;
};

}  // namespace

std::string_view name(ServiceProtocol protocol) noexcept {
  switch (protocol) {
    case ServiceProtocol::tcp:
      return "tcp";
    case ServiceProtocol::udp:
      return "udp";
    case ServiceProtocol::sctp:
      return "sctp";
    case ServiceProtocol::fwmark:
      break;
  }
  return "fwmark";
}

std::string_view name(Method method) noexcept {
  switch (method) {
    case Method::masq:
      return "masq";
    case Method::route:
      return "route";
    case Method::tunnel:
      return "tunnel";
    case Method::local:
      return "local";
    case Method::unknown:
      break;
  }
  return "unknown";
}

std::string_view name(Origin origin) noexcept {
  switch (origin) {
    case Origin::netlink:
      return "netlink";
    case Origin::state:
      return "state";
    case Origin::ipvsadm_save:
      return "ipvsadm-save";
    case Origin::keepalived:
      return "keepalived";
    case Origin::lvs_conf:
      return "lvs-conf";
    case Origin::option:
      return "option";
    case Origin::inferred:
      break;
  }
  return "inferred";
}

std::string to_string(const Service& service) {
  if (service.protocol == ServiceProtocol::fwmark) return "fwmark:" + std::to_string(service.fwmark.value_or(0));
  return std::string(name(service.protocol)) + ":" + to_string(Endpoint{service.vip, service.port});
}

std::uint16_t destination_port(const Service& service, const Destination& destination, std::uint16_t requested) {
  if (destination.port != 0) return destination.port;
  return service.port != 0 ? service.port : requested;
}

bool same_service(const Service& a, const Service& b) { return key_of(a) == key_of(b); }

std::vector<std::string> differences(const Declaration& configured, const std::vector<Service>& running,
                                     const std::optional<ServiceTimeouts>& running_timeouts) {
  Comparison comparison;
  std::map<ServiceKey, const Service*> table;
  for (const Service& s : running) table.emplace(key_of(s), &s);
  for (const Service& want : configured.services) {
    const auto found = table.find(key_of(want));
    if (found == table.end()) {
      comparison.say("Service " + to_string(want) + " is configured but does not run.");
      continue;
    }
    comparison.compare(want, *found->second);
    table.erase(found);
  }
  for (const Service& have : running) {
    if (table.contains(key_of(have))) comparison.say("Service " + to_string(have) + " runs but is not configured.");
  }
  if (configured.timeouts && running_timeouts && *configured.timeouts != *running_timeouts) {
    const auto text = [](const ServiceTimeouts& t) {
      return std::to_string(t.tcp) + "/" + std::to_string(t.tcp_fin) + "/" + std::to_string(t.udp);
    };
    comparison.say("Timeouts (tcp/tcpfin/udp) are " + text(*running_timeouts) + " s, configured are " +
                   text(*configured.timeouts) + " s.");
  }
  comparison.finish();
  return std::move(comparison.sentences);
}

std::vector<std::string> differences(const Declaration& configured, const KernelState& running) {
  std::vector<std::string> out;
  // A table that was not read cannot differ.
  if (running.known.services) out = differences(configured, running.ipvs.services, running.ipvs.timeouts);
  if (!running.known.addresses) return out;
  std::vector<Address> told;
  const auto owned = [&](const Address& address, const std::string& what) {
    if (address.is_none() || std::find(told.begin(), told.end(), address) != told.end()) return;
    told.push_back(address);
    if (!owns_address(running, address))
      out.push_back(what + " " + to_string(address) + " is configured, but this host does not hold it.");
  };
  for (const Service& s : configured.services) {
    if (s.protocol != ServiceProtocol::fwmark) owned(s.vip, "VIP");
  }
  for (const Address& a : configured.vips) owned(a, "VIP");
  for (const Address& a : configured.director_inside) owned(a, "Director's inside address");
  for (const Address& a : configured.gateways) owned(a, "The real servers' gateway");
  return out;
}

}  // namespace lvsnat
