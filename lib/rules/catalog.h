// Every finding there is, declared in code order. Each is defined in its own file, lvsNNN_<id>.cc.
#pragma once

#include "lvsnat/finding.h"
#include "lvsnat/rule.h"

namespace lvsnat::rules {

// Named as users know them, not as constants.
// NOLINTBEGIN(readability-identifier-naming)
// clang-format off
extern const Rule reply_bypasses_director;  // LVS101
extern const Rule no_reply_from_real_server;  // LVS102
extern const Rule reply_not_masqueraded;  // LVS103
extern const Rule reply_leaves_unmasqueraded;  // LVS104
extern const Rule wrong_masquerade_address;  // LVS105
extern const Rule request_not_forwarded;  // LVS106
extern const Rule real_server_unreachable;  // LVS107
extern const Rule real_server_refuses;  // LVS108
extern const Rule no_destination_available;  // LVS109
extern const Rule no_such_service;  // LVS110
extern const Rule icmp_redirect_sent;  // LVS111
extern const Rule connection_forgotten;  // LVS112
extern const Rule client_bypasses_director;  // LVS113
extern const Rule real_server_is_its_own_client;  // LVS114
extern const Rule client_in_real_server_network;  // LVS115
extern const Rule vip_unclaimed;  // LVS116
extern const Rule duplicate_vip;  // LVS117
extern const Rule gateway_unanswered;  // LVS118
extern const Rule gateway_address_conflict;  // LVS119
extern const Rule vip_sent_to_other_host;  // LVS120
extern const Rule path_mtu_black_hole;  // LVS121
extern const Rule not_nat_forwarding;  // LVS122
extern const Rule ftp_data_not_translated;  // LVS123
extern const Rule syn_flood;  // LVS124
extern const Rule packet_loss;  // LVS125
extern const Rule slow_real_server;  // LVS126
extern const Rule full_nat;  // LVS127
extern const Rule ip_forward_off;  // LVS201
extern const Rule send_redirects_on;  // LVS202
extern const Rule filter_drops_replies;  // LVS203
extern const Rule filter_drops_requests;  // LVS204
extern const Rule conntrack_drops_replies;  // LVS205
extern const Rule rp_filter_drops;  // LVS206
extern const Rule masquerade_rule_takes_replies;  // LVS207
extern const Rule gateway_address_missing;  // LVS208
extern const Rule ftp_helper_missing;  // LVS209
extern const Rule idle_timeout_short;  // LVS210
extern const Rule one_packet_scheduling;  // LVS211
extern const Rule ipvs_absent;  // LVS212
extern const Rule flowtable_bypasses_ipvs;  // LVS213
extern const Rule way_back_not_through_director;  // LVS214
extern const Rule destination_is_local;  // LVS215
extern const Rule wrong_gateway;  // LVS301
extern const Rule no_route_to_client;  // LVS302
extern const Rule direct_route_to_client;  // LVS303
extern const Rule redirected_route;  // LVS304
extern const Rule policy_route_bypasses_director;  // LVS305
extern const Rule accepts_redirects;  // LVS306
extern const Rule hop_count_not_two;  // LVS307
extern const Rule client_reachable_directly;  // LVS308
extern const Rule reply_sent_to_other_mac;  // LVS309
extern const Rule capture_incomplete;  // LVS901
extern const Rule one_side_only;  // LVS902
extern const Rule no_traffic;  // LVS903
// clang-format on
// NOLINTEND(readability-identifier-naming)

}  // namespace lvsnat::rules
