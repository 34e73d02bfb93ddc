#include "common/known.h"

#include <array>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <ctime>

#include "base/text.h"
#include "lvsnat/address.h"
#include "lvsnat/config.h"

namespace lvsnat::tool {
namespace {

// A name server that does not answer costs seconds for each; a report with more addresses is read by a machine.
constexpr std::size_t kMaxLookUps = 256;

}  // namespace

Result<std::vector<Declaration>> read_declarations(const CommonOptions& options) {
  ConfigOptions config;
  for (const std::string& text : options.host_names) {
    auto pair = parse_name_option(text);
    if (!pair) return Error{ErrorCode::usage, "--name " + printable(text, 200) + ": " + pair.error().message};
    config.names.insert_or_assign(pair->first, pair->second);
  }
  std::vector<Declaration> declarations;
  for (const std::string& path : options.config) {
    auto declaration = read_config(path, config);
    if (!declaration) return declaration.error();
    declarations.push_back(std::move(*declaration));
  }
  Declaration given;
  given.origin = Origin::option;
  given.source = "--service";
  auto services = service_options(options);
  if (!services) return services.error();
  given.services = std::move(*services);
  if (!given.services.empty()) declarations.push_back(std::move(given));
  return declarations;
}

Result<std::vector<Service>> service_options(const CommonOptions& options) {
  std::vector<Service> services;
  for (const std::string& text : options.services) {
    auto service = parse_service_option(text);
    if (!service) return Error{ErrorCode::usage, "--service " + printable(text, 200) + ": " + service.error().message};
    services.push_back(std::move(*service));
  }
  return services;
}

Result<std::shared_ptr<const KernelState>> read_state_of_this_host() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  auto state = read_live_state(Timestamp{now.tv_sec} * kSecond + now.tv_nsec);
  if (!state) return state.error();
  return std::shared_ptr<const KernelState>(std::make_shared<KernelState>(std::move(*state)));
}

Result<std::shared_ptr<const KernelState>> read_saved_state(const CommonOptions& options) {
  if (options.no_state || options.state.empty() || options.state == "live") return std::shared_ptr<const KernelState>();
  auto state = read_state(options.state);
  if (!state) return state.error();
  return std::shared_ptr<const KernelState>(std::make_shared<KernelState>(std::move(*state)));
}

std::string look_up_name(const Address& address) {
  sockaddr_storage storage{};
  socklen_t length = 0;
  if (address.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    std::memcpy(&in.sin_addr, &address.bytes[12], 4);
    std::memcpy(&storage, &in, sizeof in);
    length = sizeof in;
  } else {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    std::memcpy(&in6.sin6_addr, address.bytes.data(), 16);
    std::memcpy(&storage, &in6, sizeof in6);
    length = sizeof in6;
  }
  std::array<char, NI_MAXHOST> host{};
  const int failed =
      getnameinfo(reinterpret_cast<const sockaddr*>(&storage), length, host.data(), host.size(), nullptr, 0, NI_NAMEREQD);
  return failed != 0 ? std::string() : printable(host.data(), 255);
}

HostNames look_up_names(const Report& report) {
  std::set<Address> addresses;
  const auto add = [&addresses](const Address& address) {
    if (!address.is_none() && !address.is_unspecified() && addresses.size() < kMaxLookUps) addresses.insert(address);
  };
  const auto add_text = [&add](const std::optional<std::string>& text) {
    if (!text) return;
    if (const auto address = parse_address(*text)) add(*address);
  };
  for (const Finding& finding : report.findings) {
    add_text(finding.subject.director);
    add_text(finding.subject.real_server);
    add_text(finding.subject.client);
    add_text(finding.subject.gateway);
  }
  for (const ServiceTally& service : report.services) {
    add(service.service.vip);
    for (const DestinationTally& destination : service.destinations) add(destination.destination.rip);
  }
  for (const Address& address : report.director.addresses) add(address);
  HostNames names;
  for (const Address& address : addresses) {
    std::string host = look_up_name(address);
    if (!host.empty()) names.emplace(to_string(address), std::move(host));
  }
  return names;
}

}  // namespace lvsnat::tool
