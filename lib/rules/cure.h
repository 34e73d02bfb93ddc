// The cures that rules share, with the real addresses filled in. Commands are printed, never executed.
//
// Each returns what to type now and what to write where so that it survives a reboot. Interface names come
// from captures and state files, so they are quoted for the shell where they need it. IPv6 addresses give
// IPv6 commands. Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/address.h"
#include "lvsnat/finding.h"
#include "lvsnat/service.h"

namespace lvsnat::cures {

/// A word that a POSIX shell takes literally: `text` itself, or in single quotes with control characters made visible.
std::string shell_word(std::string_view text);
/// "net.ipv4.conf.eth0/100.rp_filter" for device eth0.100, as sysctl(8) spells it; "all" and "default" are devices too.
std::string device_key(bool v6, std::string_view device, std::string_view setting);

// The real server's way back.

/// The director as default gateway. `device` may be empty (not known).
Cure gateway(const Address& dip, std::string_view device = {});
/// Away with a route that leads past the director; keeps the director reachable when the route covers `dip`.
std::vector<Cure> remove_route(const Prefix& route, std::string_view device, const Address& rip, const Address& dip);
/// Another default must stay: only what this RIP sends goes to the director.
Cure source_route(const Address& rip, const Address& dip, std::string_view device = {});
/// Away with an `ip rule`. `selector` as `ip rule` prints it ("from 10.1.1.2 lookup 100").
Cure remove_rule(bool v6, std::uint32_t priority, std::string_view selector);
/// Forgets what redirects taught (IPv4 exceptions, IPv6 cached routes).
Cure flush_cache(bool v6);
/// The real server no longer listens to redirects. `device` empty: not known, so all of them.
Cure refuse_redirects(bool v6, std::string_view device);
/// Forgets the neighbour entry of the gateway.
Cure flush_neighbour(const Address& dip, std::string_view device);

// The director's kernel.

/// `all`, `default` and each device (none: not known, so all of them); IPv6 has no such setting and gets the output rule.
std::vector<Cure> redirects_off(bool v6, std::span<const std::string> devices);
Cure ip_forward(bool v6);
/// Lets replies pass the forward hook, before any rule that drops them. The nft form names the chain it is inserted into.
std::vector<Cure> forward_accept(const Prefix& real_servers, std::string_view inside, std::string_view nft_table = {},
                                 std::string_view nft_chain = {});
/// Lets requests to the service pass the input hook.
std::vector<Cure> input_accept(const Service& service, std::string_view nft_table = {}, std::string_view nft_chain = {});
/// Lets forwarded requests pass the output hook.
std::vector<Cure> output_accept(const Prefix& real_servers, std::string_view inside, std::string_view nft_table = {},
                                std::string_view nft_chain = {});
Cure vs_conntrack(bool on);
Cure nat_icmp_send_off();
Cure expire_nodest_conn();
/// Loose instead of strict; the kernel takes the maximum of `all` and the device, so both are set.
Cure rp_filter(Where where, std::string_view device);
Cure arp_ignore(std::string_view device);
/// An address of the director that is missing: the VIP (full length) or the DIP (with its prefix), announced at once.
std::vector<Cure> add_address(const Prefix& address, std::string_view device);
/// Tells the wire who has the address now.
Cure announce(const Address& address, std::string_view device);
/// Takes an address from a host that must not have it.
Cure remove_address(Where where, const Prefix& address, std::string_view device);

// IPVS.

/// `destination.port` 0 means the port of the service. Other settings of the destination are left as they are told.
Cure masq_method(const Service& service, const Destination& destination);
Cure weight(const Service& service, const Destination& destination, int value);
Cure add_destination(const Service& service, const Address& rip, std::uint16_t port);
Cure add_service(const Service& service);
Cure lift_thresholds(const Service& service, const Destination& destination);
/// Edits the service without --ops, keeping scheduler and persistence.
Cure no_one_packet(const Service& service);
/// Seconds; nullopt leaves a timeout as it is (0 for ipvsadm).
Cure timeouts(std::optional<std::uint32_t> tcp, std::optional<std::uint32_t> tcp_fin, std::optional<std::uint32_t> udp);
Cure ftp_helper(std::span<const std::uint16_t> ports = {});
Cure load_ipvs();

// Round the cluster.

/// For a service whose real servers cannot be routed back: the director as source. Two steps, in order.
std::vector<Cure> full_nat(const Service& service, const Address& dip);
/// A client in front of a closed door: nothing new from outside to the RIPs.
Cure close_direct_way(const Prefix& real_servers, std::string_view outside);
/// Takes the cluster out of a flowtable.
Cure flowtable_exclude(const Address& vip, const Prefix& real_servers);
/// Clamps the segment size of replies (SYN-ACKs are forwarded) to the MTU of the route.
Cure clamp_mss();
/// ICMP errors must reach IPVS through the input hook.
std::vector<Cure> accept_icmp_errors(bool v6);

}  // namespace lvsnat::cures
