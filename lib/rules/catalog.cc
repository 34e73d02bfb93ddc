#include "rules/catalog.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

namespace lvsnat {
namespace {

// clang-format off
constexpr std::array kRules{
    // In code order: find_rule(int) searches by halves.
    &rules::reply_bypasses_director,  // LVS101
    &rules::no_reply_from_real_server,  // LVS102
    &rules::reply_not_masqueraded,  // LVS103
    &rules::reply_leaves_unmasqueraded,  // LVS104
    &rules::wrong_masquerade_address,  // LVS105
    &rules::request_not_forwarded,  // LVS106
    &rules::real_server_unreachable,  // LVS107
    &rules::real_server_refuses,  // LVS108
    &rules::no_destination_available,  // LVS109
    &rules::no_such_service,  // LVS110
    &rules::icmp_redirect_sent,  // LVS111
    &rules::connection_forgotten,  // LVS112
    &rules::client_bypasses_director,  // LVS113
    &rules::real_server_is_its_own_client,  // LVS114
    &rules::client_in_real_server_network,  // LVS115
    &rules::vip_unclaimed,  // LVS116
    &rules::duplicate_vip,  // LVS117
    &rules::gateway_unanswered,  // LVS118
    &rules::gateway_address_conflict,  // LVS119
    &rules::vip_sent_to_other_host,  // LVS120
    &rules::path_mtu_black_hole,  // LVS121
    &rules::not_nat_forwarding,  // LVS122
    &rules::ftp_data_not_translated,  // LVS123
    &rules::syn_flood,  // LVS124
    &rules::packet_loss,  // LVS125
    &rules::slow_real_server,  // LVS126
    &rules::full_nat,  // LVS127
    &rules::ip_forward_off,  // LVS201
    &rules::send_redirects_on,  // LVS202
    &rules::filter_drops_replies,  // LVS203
    &rules::filter_drops_requests,  // LVS204
    &rules::conntrack_drops_replies,  // LVS205
    &rules::rp_filter_drops,  // LVS206
    &rules::masquerade_rule_takes_replies,  // LVS207
    &rules::gateway_address_missing,  // LVS208
    &rules::ftp_helper_missing,  // LVS209
    &rules::idle_timeout_short,  // LVS210
    &rules::one_packet_scheduling,  // LVS211
    &rules::ipvs_absent,  // LVS212
    &rules::flowtable_bypasses_ipvs,  // LVS213
    &rules::way_back_not_through_director,  // LVS214
    &rules::destination_is_local,  // LVS215
    &rules::wrong_gateway,  // LVS301
    &rules::no_route_to_client,  // LVS302
    &rules::direct_route_to_client,  // LVS303
    &rules::redirected_route,  // LVS304
    &rules::policy_route_bypasses_director,  // LVS305
    &rules::accepts_redirects,  // LVS306
    &rules::hop_count_not_two,  // LVS307
    &rules::client_reachable_directly,  // LVS308
    &rules::reply_sent_to_other_mac,  // LVS309
    &rules::capture_incomplete,  // LVS901
    &rules::one_side_only,  // LVS902
    &rules::no_traffic,  // LVS903
};
// clang-format on

}  // namespace

std::span<const Rule* const> all_rules() noexcept { return kRules; }

const Rule* find_rule(int code) noexcept {
  const auto at = std::lower_bound(kRules.begin(), kRules.end(), code, [](const Rule* rule, int c) { return rule->code < c; });
  return at != kRules.end() && (*at)->code == code ? *at : nullptr;
}

const Rule* find_rule(std::string_view id_or_code) noexcept {
  std::string_view digits = id_or_code;
  if (digits.starts_with("LVS") || digits.starts_with("lvs")) digits.remove_prefix(3);
  if (digits.size() == 3) {
    int code = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code);
    if (error == std::errc{} && end == digits.data() + digits.size()) return find_rule(code);
  }
  const auto at = std::find_if(kRules.begin(), kRules.end(), [&](const Rule* rule) { return rule->id == id_or_code; });
  return at != kRules.end() ? *at : nullptr;
}

std::string code_name(int code) { return "LVS" + std::to_string(code); }

}  // namespace lvsnat
