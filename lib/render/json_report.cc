// The JSON of docs/findings.schema.json. Members may be added, none may change its meaning.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "lvsnat/render.h"
#include "lvsnat/rule.h"

namespace lvsnat {
namespace {

// Members keep the order in which they are set: reports can be compared with diff.
// Objects begin as Json::object(): null that becomes one by [] is no longer whole where memory runs out in between, and its
// destructor ends the program.
using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 11> kKindNames{"transport", "icmp",   "arp",       "neighbour", "tunnel",     "fragment",
                                                      "other_ip",  "not_ip", "truncated", "malformed", "unsupported"};

Json words(std::string_view text) { return Json(printable(text)); }
/// Commands and causes may have several lines; JSON escapes the line ends itself.
Json lines(std::string_view text) {
  std::string out;
  for (const std::string_view line : split(text, '\n')) out.append(out.empty() ? "" : "\n").append(printable(line, 16384));
  return out;
}
Json words_or_null(const std::optional<std::string>& text) { return text ? words(*text) : Json(nullptr); }
Json words_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : words(text); }
Json time_or_null(const std::optional<Timestamp>& time) { return time ? Json(to_rfc3339(*time)) : Json(nullptr); }
template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

template <typename Container>
Json list_of_text(const Container& values) {
  Json list = Json::array();
  for (const auto& value : values) list.push_back(to_string(value));
  return list;
}

Json list_of_words(const std::vector<std::string>& values) {
  Json list = Json::array();
  for (const std::string& value : values) list.push_back(words(value));
  return list;
}

Json by_leg(const std::array<std::uint64_t, 4>& legs) {
  Json out = Json::object();
  for (const Leg leg : kLegs) out[std::string(name(leg))] = legs[index(leg)];
  return out;
}

double microseconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1000.0; }

Json latency_json(const std::optional<Latency>& latency) {
  if (!latency) return nullptr;
  Json out = Json::object();
  out["count"] = latency->count;
  out["p50"] = microseconds(latency->p50);
  out["p90"] = microseconds(latency->p90);
  out["p99"] = microseconds(latency->p99);
  out["max"] = microseconds(latency->max);
  return out;
}

Json source_json(const SourceStatistics& source) {
  Json out = Json::object();
  out["name"] = words(source.name);
  out["kind"] = source.live ? "live" : "file";
  out["interface"] = words_or_null(source.interface);
  out["packets"] = source.packets;
  out["dropped"] = or_null(source.dropped);
  out["malformed"] = source.malformed;
  out["truncated"] = source.truncated;
  out["damaged"] = source.damaged;
  out["first"] = time_or_null(source.first);
  out["last"] = time_or_null(source.last);
  out["refused"] = source.refused;
  out["problem"] = words_or_null(source.problem);
  Json gaps = Json::array();
  for (const SourceStatistics::Gap& gap : source.gaps) {
    Json g = Json::object();
    g["from"] = to_rfc3339(gap.from);
    g["to"] = to_rfc3339(gap.to);
    g["why"] = words(gap.why);
    gaps.push_back(std::move(g));
  }
  out["gaps"] = std::move(gaps);
  return out;
}

Json destination_json(const Service& service, const DestinationTally& tally) {
  const Destination& d = tally.destination;
  Json out = Json::object();
  out["rip"] = to_string(d.rip);
  out["port"] = d.port != 0 ? d.port : service.port;
  out["method"] = d.method == Method::unknown ? Json(nullptr) : Json(name(d.method));
  out["weight"] = or_null(d.weight);
  out["connections"] = tally.connections;
  out["healthy_connections"] = tally.healthy;
  out["broken_connections"] = tally.broken;
  out["undecided_connections"] = tally.undecided;
  out["legs"] = by_leg(tally.legs);
  Json latency = Json::object();
  latency["real_server"] = latency_json(tally.real_server);
  latency["response"] = latency_json(tally.response);
  out["latency_us"] = std::move(latency);
  return out;
}

Json service_json(const ServiceTally& tally) {
  const Service& service = tally.service;
  const bool marked = service.protocol == ServiceProtocol::fwmark;
  Json out = Json::object();
  out["protocol"] = name(service.protocol);
  out["vip"] = marked || service.vip.is_none() ? Json(nullptr) : Json(to_string(service.vip));
  out["port"] = marked ? Json(nullptr) : Json(service.port);
  out["fwmark"] = or_null(service.fwmark);
  out["scheduler"] = words_or_null(service.scheduler);
  out["connections"] = tally.connections;
  out["healthy_connections"] = tally.healthy;
  out["broken_connections"] = tally.broken;
  out["undecided_connections"] = tally.undecided;
  out["without_destination"] = tally.without_destination;
  out["legs"] = by_leg(tally.legs);
  Json destinations = Json::array();
  for (const DestinationTally& d : tally.destinations) destinations.push_back(destination_json(service, d));
  out["destinations"] = std::move(destinations);
  return out;
}

Json topology_json(const Report& report) {
  Json out = Json::object();
  Json origin = Json::array();
  for (const Origin o : report.origin) origin.push_back(name(o));
  out["origin"] = std::move(origin);
  Json& director = out["director"] = Json::object();
  director["addresses"] = list_of_text(report.director.addresses);
  director["outside_macs"] = list_of_text(report.director.outside_macs);
  director["inside_macs"] = list_of_text(report.director.inside_macs);
  director["gateways"] = list_of_text(report.director.gateways);
  Json services = Json::array();
  for (const ServiceTally& tally : report.services) services.push_back(service_json(tally));
  out["services"] = std::move(services);
  return out;
}

Json connections_json(const ConnectionTally& tally) {
  Json out = Json::object();
  out["total"] = tally.total;
  out["healthy"] = tally.healthy;
  out["broken"] = tally.broken;
  out["undecided"] = tally.undecided;
  out["legs"] = by_leg(tally.legs);
  Json& latency = out["latency_us"] = Json::object();
  latency["director_request"] = latency_json(tally.director_request);
  latency["director_reply"] = latency_json(tally.director_reply);
  latency["real_server"] = latency_json(tally.real_server);
  latency["client"] = latency_json(tally.client);
  Json& aside = out["set_aside"] = Json::object();
  aside["health_checks"] = tally.health_checks;
  aside["direct"] = tally.direct;
  aside["own_service"] = tally.own_service;
  aside["unrelated"] = tally.unrelated;
  Json& table = out["table"] = Json::object();
  table["evicted_half_open"] = tally.evicted_half_open;
  table["evicted_closed"] = tally.evicted_closed;
  table["evicted_other"] = tally.evicted_other;
  table["untracked_packets"] = tally.untracked_packets;
  return out;
}

Json packets_json(const PacketTally& tally) {
  Json out = Json::object();
  out["total"] = tally.total;
  out["duplicates"] = tally.duplicates;
  Json& kinds = out["by_kind"] = Json::object();
  for (std::size_t i = 0; i < kKindNames.size(); ++i) kinds[std::string(kKindNames[i])] = tally.by_kind[i];
  return out;
}

Json subject_json(const Subject& subject) {
  Json out = Json::object();
  out["service"] = words_or_null(subject.service);
  out["director"] = words_or_null(subject.director);
  out["real_server"] = words_or_null(subject.real_server);
  out["client"] = words_or_null(subject.client);
  out["interface"] = words_or_null(subject.interface);
  out["gateway"] = words_or_null(subject.gateway);
  return out;
}

std::string id_of(int code) {
  const Rule* rule = find_rule(code);
  return rule != nullptr ? std::string(rule->id) : "unknown";
}

Json evidence_json(const Evidence& evidence) {
  Json out = Json::object();
  out["text"] = words(evidence.text);
  out["source"] = words_or_null(evidence.source);
  // Frame numbers begin at 1; 0 is "none" throughout the library.
  out["frame"] = evidence.frame && *evidence.frame != 0 ? Json(*evidence.frame) : Json(nullptr);
  out["time"] = time_or_null(evidence.time);
  out["leg"] = evidence.leg ? Json(name(*evidence.leg)) : Json(nullptr);
  return out;
}

Json consequence_json(const Consequence& c) {
  Json one = Json::object();
  one["id"] = id_of(c.code);
  one["code"] = code_name(c.code);
  one["subject"] = subject_json(c.subject);
  one["count"] = c.count;
  return one;
}

void put_finding(Json& out, const Finding& finding) {
  out["id"] = id_of(finding.code);
  out["code"] = code_name(finding.code);
  out["severity"] = name(finding.severity);
  out["confidence"] = name(finding.confidence);
  out["title"] = words(finding.title);
  out["subject"] = subject_json(finding.subject);
  out["count"] = finding.count;
  out["legs"] = finding.legs ? Json(finding.legs->str()) : Json(nullptr);
  Json evidence = Json::array();
  for (const Evidence& e : finding.evidence) evidence.push_back(evidence_json(e));
  out["evidence"] = std::move(evidence);
  out["cause"] = lines(finding.cause);
  Json cure = Json::array();
  for (const Cure& c : finding.cure) {
    Json one = Json::object();
    one["where"] = name(c.where);
    one["command"] = lines(c.command);
    one["persistent"] = c.persistent ? lines(*c.persistent) : Json(nullptr);
    cure.push_back(std::move(one));
  }
  out["cure"] = std::move(cure);
  out["unchecked"] = list_of_words(finding.unchecked);
  Json consequences = Json::array();
  for (const Consequence& c : finding.consequences) consequences.push_back(consequence_json(c));
  out["consequences"] = std::move(consequences);
  if (finding.because.empty()) return;
  Json& because = out["because"] = Json::array();
  for (const Consequence& c : finding.because) because.push_back(consequence_json(c));
}

Json reply_way_json(const ReplyWay& way) {
  Json out = Json::object();
  out["real_server"] = to_string(way.real_server);
  Json clients = Json::array();
  for (const Prefix& prefix : way.clients) clients.push_back(to_string(prefix));
  out["clients"] = std::move(clients);
  out["clients_left_out"] = way.clients_left_out;
  out["asked"] = way.asked;
  out["rest"] = way.rest;
  out["no_clients_expected"] = way.no_clients_expected;
  out["way"] = name(way.way);
  out["gateway"] = way.gateway ? Json(to_string(*way.gateway)) : Json(nullptr);
  out["interface"] = words_or_null(way.interface);
  out["redirected"] = way.redirected;
  out["expires"] = or_null(way.expires);
  out["route"] = words_or_null(way.route);
  out["rule"] = words_or_null(way.rule);
  out["code"] = way.code != 0 ? Json(code_name(way.code)) : Json(nullptr);
  return out;
}

Json prediction_json(const Report& report) {
  Json list = Json::array();
  for (const Forecast& f : report.prediction) {
    Json one = Json::object();
    one["service"] = words(f.service);
    one["real_server"] = to_string(f.real_server.address);
    one["real_server_port"] = f.real_server.port == 0 ? Json(nullptr) : Json(f.real_server.port);
    one["client"] = to_string(f.client);
    one["example"] = f.example;
    Json legs = Json::object();
    for (const Leg leg : kLegs) {
      const ForecastLeg& l = f.legs[index(leg)];
      Json& out = legs[std::string(name(leg))] = Json::object();
      out["fate"] = words(l.fate);
      out["cause"] = l.cause == "none" ? Json(nullptr) : words(l.cause);
      out["in"] = words_or_null(l.in_device);
      out["out"] = words_or_null(l.out_device);
      out["via"] = l.via ? Json(to_string(*l.via)) : Json(nullptr);
      out["decides"] = words(l.decides);
      out["doubts"] = list_of_words(l.doubts);
    }
    one["legs"] = std::move(legs);
    one["redirect"] = or_null(f.redirect);
    one["redirect_gateway"] = f.redirect_gateway ? Json(to_string(*f.redirect_gateway)) : Json(nullptr);
    list.push_back(std::move(one));
  }
  return list;
}

Json address_or_null(const Address& address) { return address.is_none() ? Json(nullptr) : Json(to_string(address)); }
Json microseconds_or_null(const std::optional<std::int64_t>& nanoseconds) {
  return nanoseconds ? Json(static_cast<double>(*nanoseconds) / 1000) : Json(nullptr);
}

Json way_back_json(const Report& report) {
  Json list = Json::array();
  for (const WayBackResult& r : report.way_back) {
    Json one = Json::object();
    one["real_server"] = to_string(r.rip);
    one["client"] = to_string(r.client);
    one["client_kind"] = name(r.kind);
    one["outcome"] = name(r.outcome);
    one["interface"] = words_or_null(r.interface);
    one["came_by"] = Json::array();
    for (const std::string& dev : r.came_by) {
      if (!dev.empty()) one["came_by"].push_back(words(dev));
    }
    one["tries"] = r.tries;
    one["own_tries"] = r.own_tries;
    one["own_answers"] = r.own_answers;
    one["round_trip_us"] = microseconds_or_null(r.round_trip);
    one["time"] = time_or_null(r.first_sent);
    list.push_back(std::move(one));
  }
  return list;
}

Json hops_json(const Report& report) {
  Json list = Json::array();
  for (const HopTrace& trace : report.hops) {
    Json one = Json::object();
    one["real_server"] = to_string(trace.rip);
    one["client"] = to_string(trace.client);
    Json probes = Json::array();
    for (const TraceAnswer& a : trace.answers) {
      Json probe = Json::object();
      probe["round"] = a.round;
      probe["hop"] = a.hop;
      probe["protocol"] = name(a.protocol);
      probe["answer"] = name(a.kind);
      probe["code"] = a.kind == TraceAnswer::Kind::unreachable ? Json(a.code) : Json(nullptr);
      probe["from"] = address_or_null(a.from);
      probe["mac"] = a.mac.is_none() ? Json(nullptr) : Json(to_string(a.mac));
      probe["round_trip_us"] = microseconds_or_null(a.round_trip);
      probe["time"] = time_or_null(a.sent);
      probes.push_back(std::move(probe));
    }
    one["probes"] = std::move(probes);
    Json redirects = Json::array();
    for (const HopTrace::Redirect& r : trace.redirects) {
      Json redirect = Json::object();
      redirect["from"] = to_string(r.from);
      redirect["mac"] = r.mac.is_none() ? Json(nullptr) : Json(to_string(r.mac));
      redirect["gateway"] = to_string(r.gateway);
      redirect["round"] = r.round;
      redirect["time"] = time_or_null(r.time);
      redirects.push_back(std::move(redirect));
    }
    one["redirects"] = std::move(redirects);
    list.push_back(std::move(one));
  }
  return list;
}

void put_report(Json& out, const Report& report, const HostNames& names) {
  out["schema"] = 1;
  out["tool"] = report.tool;
  out["tool_version"] = report.tool_version;
  out["host"] = words_or_null(report.host);
  out["taken"] = time_or_null(report.taken);
  out["verdict"] = name(report.verdict);
  out["notes"] = list_of_words(report.notes);
  Json sources = Json::array();
  for (const SourceStatistics& source : report.sources) sources.push_back(source_json(source));
  out["sources"] = std::move(sources);
  out["topology"] = topology_json(report);
  out["connections"] = connections_json(report.connections);
  out["packets"] = packets_json(report.packets);
  Json findings = Json::array();
  for (const Finding& finding : report.findings) {
    Json one = Json::object();
    put_finding(one, finding);
    findings.push_back(std::move(one));
  }
  out["findings"] = std::move(findings);
  if (!report.reply_ways.empty()) {
    Json& ways = out["reply_ways"] = Json::array();
    for (const ReplyWay& way : report.reply_ways) ways.push_back(reply_way_json(way));
  }
  if (!report.prediction.empty()) out["prediction"] = prediction_json(report);
  if (!report.differences.empty()) out["differences"] = list_of_words(report.differences);
  for (const Gap& gap : report.not_read) {
    Json one = Json::object();
    one["what"] = words(gap.what);
    one["why"] = words(gap.why);
    one["would_tell"] = words(gap.would_tell);
    out["not_read"].push_back(std::move(one));
  }
  if (!report.way_back.empty()) out["way_back"] = way_back_json(report);
  if (!report.hops.empty()) out["hops"] = hops_json(report);
  if (!names.empty()) {
    Json& list = out["names"];
    for (const auto& [address, host_name] : names) list[printable(address)] = words(host_name);
  }
}

// printable() has made every string valid UTF-8 already; `replace` only keeps a slip from ending the program.
std::string dump(const Json& json, int indent) { return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string render_json(const Report& report, const HostNames& names, int indent) {
  Json out = Json::object();
  put_report(out, report, names);
  return dump(out, indent);
}

std::string render_finding_line(const Finding& finding) {
  Json out = Json::object();
  out["type"] = "finding";
  put_finding(out, finding);
  return dump(out, -1);
}

std::string render_lost_line(const SourceStatistics& source, std::uint64_t lost) {
  Json out = Json::object();
  out["type"] = "lost";
  out["source"] = words(source.name);
  out["interface"] = words_or_null(source.interface);
  out["lost"] = lost;
  out["packets"] = source.packets;
  return dump(out, -1);
}

std::string render_report_line(const Report& report, const HostNames& names) {
  Json out = Json::object();
  out["type"] = "report";
  put_report(out, report, names);
  return dump(out, -1);
}

std::string render_ndjson(const Report& report, const HostNames& names) {
  std::string out;
  for (const Finding& finding : report.findings) out += render_finding_line(finding);
  for (const SourceStatistics& source : report.sources) {
    if (source.dropped.value_or(0) != 0) out += render_lost_line(source, *source.dropped);
  }
  return out + render_report_line(report, names);
}

}  // namespace lvsnat
