// Ways into findings. Pure; internal to lib/wayback.
#pragma once

#include <string>
#include <vector>

#include "lvsnat/finding.h"
#include "lvsnat/report.h"
#include "lvsnat/state.h"
#include "lvsnat/wayback.h"
#include "rules/sink.h"
#include "wayback/way.h"

namespace lvsnat::wayback {

/// Clients of one real server whose replies share a fate.
struct Fate {
  Way way;
  std::vector<Prefix> clients;
  bool named = false;  // the clients were asked for, not found by looking at every address
  bool most = false;   // it is what happens to clients in general: a default route, or half the address space
};

struct Judgement {
  const KernelState& state;
  const Directors& directors;
  const WayBackQuestion& question;
  const Wire* wire;
  const ExceptionWatch* watch;
  FindingSink& sink;
  std::vector<std::string>& notes;
};

/// LVS301 to LVS305; the code, or 0 where nothing is accused.
int judge_fate(const Judgement& j, const Address& rip, const Fate& fate);
/// Networks in which nobody expects clients while none is named: the real server's own, and bridges that join only its guests.
bool no_clients_expected(const KernelState& state, const Address& rip, const Fate& fate);
/// A fate as the report tells it; `code` is what judge_fate() said.
ReplyWay reply_way_of(const KernelState& state, const Address& rip, const Fate& fate, int code);
/// LVS206: what rp_filter makes of the requests. `fate` says which clients.
void judge_arrival(const Judgement& j, const Address& rip, const Fate& fate);
/// LVS306 where a redirect would be believed and could come; else a note.
void judge_redirect_settings(const Judgement& j, const Address& rip, const std::vector<Fate>& fates);
/// LVS307 and LVS308 from traceroutes that were saved.
void judge_traceroutes(const Judgement& j, const Address& rip, const std::vector<Fate>& fates);
/// LVS307 and LVS308 from hop traces of our own, and notes on what they show.
void judge_hops(const Judgement& j, const Address& rip, const std::vector<Fate>& fates, const std::vector<HopTrace>& traces);
/// Redirects that a trace heard, as proof of the exceptions that they made (LVS304).
void attribute_redirects(std::vector<Finding>& findings, const std::vector<HopTrace>& traces);
/// LVS117: the VIP on this host; neighbours of the gateway; interfaces that are down.
void judge_surroundings(const Judgement& j, const std::vector<Address>& rips);
/// LVS309 and what else the wire shows. `state` may be nullptr: the wire alone.
void judge_wire(const KernelState* state, const Directors& directors, const WayBackQuestion& question, const Wire& wire,
                const ExceptionWatch* watch, FindingSink& sink, std::vector<std::string>& notes);

/// "192.168.1.254" for a host, else the prefix.
std::string client_text(const Prefix& prefix);
/// "172.16.5.254", "10.0.0.0/8 and 172.16.0.0/12", "0.0.0.0/0 but for 12 networks".
std::string clients_text(const std::vector<Prefix>& clients);
/// The director's address that this real server should use as gateway; none where nobody knows.
Address gateway_for(const KernelState& state, const Directors& directors, const Address& rip);
/// "10.1.1.9", or "the director" in words.
std::string gateway_words(const Address& gateway);

}  // namespace lvsnat::wayback
