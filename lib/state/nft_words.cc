// Statements and expressions of libnftables-json(5) in the words of nft(8), for reports.
#include <algorithm>

#include "base/text.h"
#include "state/nft_rules.h"

namespace lvsnat {
namespace {

using nlohmann::json;
using std::string;

constexpr unsigned kDepth = 12;
constexpr std::size_t kElements = 12;

string value_words(const json& v, unsigned depth);

/// What has no words: its JSON. Never throws, whatever the strings hold.
string raw(const json& v) { return v.dump(-1, ' ', false, json::error_handler_t::replace); }

string list_words(const json& list, const char* between, unsigned depth) {
  string out;
  std::size_t n = 0;
  for (const json& one : list) {
    if (n == kElements) return out + between + "...";
    if (n++ != 0) out += between;
    out += value_words(one, depth + 1);
  }
  return out;
}

string member(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return {};
  if (found->is_string()) return found->get<string>();
  return found->is_primitive() && !found->is_null() ? raw(*found) : string{};
}

/// "jump x", "accept": what stands in rules and in verdict maps.
string verdict_words(const json& v) {
  const string& key = v.begin().key();
  const json& value = *v.begin();
  if ((key == "jump" || key == "goto") && value.is_object()) return key + " " + member(value, "target");
  return key;
}

string field_words(const string& key, const json& value, unsigned depth) {
  if (key == "payload") {
    if (value.contains("protocol")) return member(value, "protocol") + " " + member(value, "field");
    return "@" + member(value, "base") + "," + member(value, "offset") + "," + member(value, "len");
  }
  if (key == "meta") {
    const string name = member(value, "key");
    for (const char* bare : {"iif", "oif", "iifname", "oifname", "iifgroup", "oifgroup"}) {
      if (name == bare) return name;
    }
    return "meta " + name;
  }
  if (key == "ct") return "ct " + (value.contains("dir") ? member(value, "dir") + " " : string{}) + member(value, "key");
  if (key == "fib") {
    const auto flags = value.find("flags");
    return "fib " +
           (flags == value.end() ? string{}
            : flags->is_array()  ? list_words(*flags, " . ", depth)
                                 : member(value, "flags")) +
           " " + member(value, "result");
  }
  if (key == "socket") return "socket " + member(value, "key");
  if (key == "rt") return "rt " + member(value, "key");
  return {};
}

string value_words(const json& v, unsigned depth) {
  if (depth > kDepth) return "...";
  if (v.is_string()) return v.get<string>();
  if (v.is_boolean()) return v.get<bool>() ? "exists" : "missing";
  if (v.is_primitive()) return raw(v);
  if (v.is_array())
    return v.size() == 2 && !v[0].is_primitive() && v[1].is_object() ? list_words(v, " : ", depth) : list_words(v, ",", depth);
  if (v.size() != 1) return raw(v);
  const string& key = v.begin().key();
  const json& value = *v.begin();
  if (key == "set" && value.is_array()) {
    string out = "{ ";
    std::size_t n = 0;
    for (const json& e : value) {
      if (n == kElements) return out + ", ... }";
      if (n++ != 0) out += ", ";
      out += e.is_array() && e.size() == 2 ? value_words(e[0], depth + 1) + " : " + value_words(e[1], depth + 1)
                                           : value_words(e, depth + 1);
    }
    return out + " }";
  }
  if (key == "prefix" && value.is_object()) return member(value, "addr") + "/" + member(value, "len");
  if (key == "range" && value.is_array() && value.size() == 2) return list_words(value, "-", depth);
  if (key == "concat" && value.is_array()) return list_words(value, " . ", depth);
  if (key == "elem" && value.is_object() && value.contains("val")) return value_words(value["val"], depth + 1);
  if ((key == "&" || key == "|" || key == "^" || key == "<<" || key == ">>") && value.is_array()) {
    return list_words(value, (" " + key + " ").c_str(), depth);
  }
  if (key == "map" && value.is_object() && value.contains("key") && value.contains("data")) {
    return value_words(value["key"], depth + 1) + " map " + value_words(value["data"], depth + 1);
  }
  if (value.is_object()) {
    const string field = field_words(key, value, depth);
    if (!field.empty()) return field;
  }
  if (value.is_null() || key == "jump" || key == "goto") return verdict_words(v);
  return raw(v);
}

string nat_words(const string& key, const json& value, unsigned depth) {
  string out = key;
  if (!value.is_object()) return out;
  if (value.contains("addr")) out += " to " + value_words(value["addr"], depth);
  if (value.contains("port")) out += (value.contains("addr") ? ":" : " to :") + value_words(value["port"], depth);
  return out;
}

string statement_words(const json& s) {
  if (!s.is_object() || s.size() != 1) return raw(s);
  const string& key = s.begin().key();
  const json& value = *s.begin();
  if (key == "match" && value.is_object() && value.contains("left") && value.contains("right")) {
    const string op = member(value, "op");
    string right = value_words(value["right"], 0);
    const string left = value_words(value["left"], 0);
    if (value["right"].is_string() && left.ends_with("ifname")) right = "\"" + right + "\"";
    return left + " " + (op == "==" || op == "in" ? string{} : op + " ") + right;
  }
  if (key == "counter") {
    return value.is_object() ? "counter packets " + member(value, "packets") + " bytes " + member(value, "bytes")
                             : string("counter");
  }
  if (key == "xt") {
    if (value.is_object()) return "xt " + member(value, "type") + " \"" + member(value, "name") + "\"";
    if (value.is_string()) return value.get<string>();
    return "xt (an extension of iptables that nft does not print)";
  }
  if (key == "mangle" && value.is_object() && value.contains("key") && value.contains("value")) {
    return value_words(value["key"], 0) + " set " + value_words(value["value"], 0);
  }
  if (key == "vmap" && value.is_object() && value.contains("key") && value.contains("data")) {
    return value_words(value["key"], 0) + " vmap " + value_words(value["data"], 0);
  }
  if (key == "snat" || key == "dnat" || key == "masquerade" || key == "redirect" || key == "tproxy")
    return nat_words(key, value, 0);
  if (key == "reject")
    return value.is_object() && value.contains("expr")
               ? "reject with " + member(value, "type") + " " + value_words(value["expr"], 0)
               : "reject";
  if (key == "flow" && value.is_object()) return "flow add " + member(value, "flowtable");
  if (key == "limit" && value.is_object())
    return "limit rate " + string(value.contains("inv") && value["inv"] == true ? "over " : "") + member(value, "rate") + "/" +
           member(value, "per");
  if (key == "log" || key == "queue" || key == "notrack") return key;
  if (value.is_null() || key == "jump" || key == "goto") return verdict_words(s);
  return raw(s);
}

}  // namespace

string nft_words(const json& statement) { return printable(statement_words(statement), 200); }

}  // namespace lvsnat
