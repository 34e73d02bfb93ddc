// The JSON of docs/findings.schema.json, read back. What this tool does not use of it is not read; what it reads must be of the
// schema's type, and where it is not, the place is told.
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/text.h"
#include "lvsnat/render.h"
#include "lvsnat/rule.h"
#include "state/json_text.h"

namespace lvsnat {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxBytes = 16u << 20, kMaxValues = 1'000'000;
constexpr std::size_t kMaxFindings = 4096, kMaxWays = 4096, kMaxList = 1024, kMaxWords = 4096, kMaxField = 256;

/// One object of the report, and where it stands. The first thing that is wrong is kept; later reads are of no use then.
class Place {
 public:
  Place(const Json& json, std::string path, std::string& wrong) : json_(json), path_(std::move(path)), wrong_(wrong) {
    if (!json_.is_object()) fail("", "an object");
  }

  std::optional<std::string> words(const char* key, std::size_t limit, bool required = false) const {
    const Json* found = member(key, required, "a text");
    if (found == nullptr) return std::nullopt;
    if (!found->is_string()) return fail(key, "a text"), std::nullopt;
    return printable_lines(found->get_ref<const std::string&>(), limit);
  }
  std::string text(const char* key, std::size_t limit, bool required = false) const {
    return words(key, limit, required).value_or(std::string());
  }
  std::uint64_t number(const char* key, std::uint64_t max = UINT64_MAX) const { return maybe_number(key, max).value_or(0); }
  std::optional<std::uint64_t> maybe_number(const char* key, std::uint64_t max) const {
    const Json* found = member(key, false, "");
    if (found == nullptr) return std::nullopt;
    if (!found->is_number_unsigned() || found->get<std::uint64_t>() > max)
      return fail(key, "a number of at most " + std::to_string(max)), std::nullopt;
    return found->get<std::uint64_t>();
  }
  bool flag(const char* key) const {
    const Json* found = member(key, false, "");
    if (found == nullptr) return false;
    if (!found->is_boolean()) return fail(key, "true or false"), false;
    return found->get<bool>();
  }
  std::optional<Timestamp> time(const char* key) const {
    const auto said = words(key, kMaxField);
    if (!said) return std::nullopt;
    const auto time = parse_rfc3339(*said);
    if (!time) fail(key, "a time as 2026-11-23T04:00:00Z");
    return time;
  }
  std::optional<Address> address(const char* key, bool required = false) const {
    const auto said = words(key, kMaxField, required);
    if (!said) return std::nullopt;
    const auto address = parse_address(*said);
    if (!address) fail(key, "an address");
    return address;
  }
  int code(const char* key, bool required) const {
    const auto said = words(key, kMaxField, required);
    std::uint64_t number = 0;
    if (!said) return 0;
    if (said->size() != 6 || !said->starts_with("LVS") || !parse_number(std::string_view(*said).substr(3), 999, number))
      return fail(key, "a code as LVS301"), 0;
    return static_cast<int>(number);
  }
  /// One of these words, by position.
  template <typename Enum>
  Enum choice(const char* key, std::initializer_list<Enum> values) const {
    const std::string said = text(key, kMaxField, true);
    std::string all;
    for (const Enum value : values) {
      if (said == name(value)) return value;
      all += (all.empty() ? "" : ", ") + std::string(name(value));
    }
    fail(key, "one of " + all);
    return *values.begin();
  }
  /// Calls back for each member of an array, with its place; at most `max` of them are allowed.
  template <typename Read>
  void each(const char* key, std::size_t max, bool required, Read&& read) const {
    const Json* found = member(key, required, "an array");
    if (found == nullptr) return;
    if (!found->is_array() || found->size() > max) return fail(key, "an array of at most " + std::to_string(max));
    for (std::size_t i = 0; i < found->size() && wrong_.empty(); ++i)
      read((*found)[i], path_ + (path_.empty() ? "" : ".") + key + "[" + std::to_string(i) + "]");
  }
  std::vector<std::string> list(const char* key, std::size_t max, std::size_t limit) const {
    std::vector<std::string> out;
    each(key, max, false, [&](const Json& value, const std::string& path) {
      if (!value.is_string()) return fail_at(path, "a text");
      out.push_back(printable_lines(value.get_ref<const std::string&>(), limit));
    });
    return out;
  }
  /// An object that is there, or nullptr.
  const Json* object(const char* key, bool required = false) const {
    const Json* found = member(key, required, "an object");
    if (found != nullptr && !found->is_object()) return fail(key, "an object"), nullptr;
    return found;
  }

  [[nodiscard]] std::string path_of(const char* key) const { return path_ + (path_.empty() ? "" : ".") + key; }
  [[nodiscard]] std::string& wrong() const { return wrong_; }
  void fail(std::string_view key, const std::string& wanted) const {
    std::string at = path_;
    if (!key.empty()) at += (at.empty() ? "" : ".") + std::string(key);
    fail_at(at, wanted);
  }
  void fail_at(const std::string& path, const std::string& wanted) const {
    if (wrong_.empty()) wrong_ = (path.empty() ? std::string("the whole") : path) + " is not " + wanted;
  }

 private:
  /// Commands and causes have lines; everything else that is no text is made visible.
  static std::string printable_lines(std::string_view text, std::size_t limit) {
    std::string out;
    for (const std::string_view line : split(text, '\n')) {
      if (out.size() >= limit) break;
      out.append(out.empty() ? "" : "\n").append(printable(line, limit - out.size()));
    }
    return out;
  }
  const Json* member(const char* key, bool required, const char* wanted) const {
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(key);
    if (found == json_.end() || found->is_null()) {
      if (required) fail(key, std::string("there: it must be ") + wanted);
      return nullptr;
    }
    return &*found;
  }

  const Json& json_;
  std::string path_;
  std::string& wrong_;
};

Subject read_subject(const Place& at) {
  Subject s;
  s.service = at.words("service", kMaxField);
  s.director = at.words("director", kMaxField);
  s.real_server = at.words("real_server", kMaxField);
  s.client = at.words("client", kMaxField);
  s.interface = at.words("interface", kMaxField);
  s.gateway = at.words("gateway", kMaxField);
  return s;
}

std::vector<Consequence> read_consequences(const Place& at, const char* key) {
  std::vector<Consequence> out;
  at.each(key, kMaxList, false, [&](const Json& json, const std::string& path) {
    const Place here(json, path, at.wrong());
    Consequence c;
    c.code = here.code("code", true);
    c.count = here.number("count");
    if (const Json* subject = here.object("subject")) c.subject = read_subject({*subject, path + ".subject", at.wrong()});
    out.push_back(std::move(c));
  });
  return out;
}

Finding read_finding(const Place& at, const std::string& path) {
  Finding f;
  f.code = at.code("code", true);
  f.severity = at.choice("severity", {Severity::error, Severity::warning, Severity::info});
  f.confidence = at.choice("confidence", {Confidence::certain, Confidence::likely, Confidence::possible});
  f.title = at.text("title", kMaxWords, true);
  f.cause = at.text("cause", 4 * kMaxWords, true);
  f.count = at.number("count");
  if (const Json* subject = at.object("subject", true)) f.subject = read_subject({*subject, path + ".subject", at.wrong()});
  at.each("evidence", kMaxList, true, [&](const Json& json, const std::string& place) {
    const Place here(json, place, at.wrong());
    Evidence e;
    e.text = here.text("text", kMaxWords, true);
    e.source = here.words("source", kMaxWords);
    if (const auto frame = here.maybe_number("frame", UINT32_MAX)) e.frame = static_cast<std::uint32_t>(*frame);
    e.time = here.time("time");
    f.evidence.push_back(std::move(e));
  });
  at.each("cure", kMaxList, true, [&](const Json& json, const std::string& place) {
    const Place here(json, place, at.wrong());
    Cure c;
    c.where = here.choice("where", {Where::director, Where::real_server, Where::client, Where::router});
    c.command = here.text("command", 4 * kMaxWords, true);
    c.persistent = here.words("persistent", 4 * kMaxWords);
    f.cure.push_back(std::move(c));
  });
  f.unchecked = at.list("unchecked", kMaxList, kMaxWords);
  f.consequences = read_consequences(at, "consequences");
  f.because = read_consequences(at, "because");
  return f;
}

ReplyWay read_way(const Place& at) {
  using Way = ReplyWay::Way;
  ReplyWay w;
  w.real_server = at.address("real_server", true).value_or(Address{});
  at.each("clients", ReplyWay::kMaxClients, true, [&](const Json& json, const std::string& place) {
    const auto prefix = json.is_string() ? parse_prefix(json.get_ref<const std::string&>()) : std::nullopt;
    if (!prefix) return at.fail_at(place, "a network as 10.0.0.0/8");
    w.clients.push_back(*prefix);
  });
  w.clients_left_out = at.number("clients_left_out");
  w.asked = at.flag("asked");
  w.rest = at.flag("rest");
  w.no_clients_expected = at.flag("no_clients_expected");
  w.way = at.choice("way", {Way::director, Way::gateway, Way::direct, Way::nowhere, Way::self, Way::unknown});
  w.gateway = at.address("gateway");
  w.interface = at.text("interface", kMaxField);
  w.redirected = at.flag("redirected");
  if (const auto seconds = at.maybe_number("expires", UINT32_MAX)) w.expires = static_cast<std::uint32_t>(*seconds);
  w.route = at.text("route", kMaxWords);
  w.rule = at.text("rule", kMaxWords);
  w.code = at.code("code", false);
  return w;
}

}  // namespace

Result<Report> read_json_report(std::string_view text) {
  const auto json = parse_json(text, kMaxBytes, kMaxValues);
  if (!json) {
    std::string why = json.error().message;
    if (text.starts_with("{\"type\":")) why += "; this looks like --format ndjson, give the report of --format json";
    return Error{json.error().code, std::move(why)};
  }
  std::string wrong;
  Report r;
  const Place at(*json, "", wrong);
  if (!json->is_object()) return Error{ErrorCode::malformed, "is no report: the whole is not an object"};
  const auto schema = at.maybe_number("schema", UINT64_MAX);
  if (!schema)
    return Error{ErrorCode::malformed,
                 "is no report of these programs" + (wrong.empty() ? std::string(": it has no \"schema\"") : " (" + wrong + ")")};
  if (*schema != 1) {
    return Error{ErrorCode::unsupported, "is a report of schema " + std::to_string(*schema) +
                                             "; this program reads schema 1: take the programs from one release"};
  }
  r.tool = at.text("tool", kMaxField, true);
  r.tool_version = at.text("tool_version", kMaxField);
  r.host = at.words("host", kMaxField);
  r.taken = at.time("taken");
  r.verdict = at.choice("verdict", {Verdict::ok, Verdict::warning, Verdict::error, Verdict::unknown});
  r.notes = at.list("notes", kMaxList, kMaxWords);
  at.each("sources", kMaxList, true, [&](const Json& one, const std::string& path) {
    const Place here(one, path, wrong);
    SourceStatistics s;
    s.name = here.text("name", kMaxWords, true);
    s.first = here.time("first");
    s.last = here.time("last");
    s.packets = here.number("packets");
    s.refused = here.flag("refused");
    r.sources.push_back(std::move(s));
  });
  if (const Json* topology = at.object("topology", true)) {
    const Place here(*topology, "topology", wrong);
    if (const Json* director = here.object("director")) {
      const Place place(*director, "topology.director", wrong);
      for (const std::string& said : place.list("addresses", kMaxList, kMaxField)) {
        const auto address = parse_address(said);
        if (address) {
          r.director.addresses.push_back(*address);
        } else {
          place.fail("addresses", "a list of addresses");
        }
      }
    }
  }
  at.each("findings", kMaxFindings, true, [&](const Json& one, const std::string& path) {
    const Place here(one, path, wrong);
    r.findings.push_back(read_finding(here, path));
  });
  at.each("reply_ways", kMaxWays, false,
          [&](const Json& one, const std::string& path) { r.reply_ways.push_back(read_way(Place(one, path, wrong))); });
  if (!wrong.empty()) return Error{ErrorCode::malformed, wrong};
  return r;
}

Result<Testimony> read_testimony(const std::filesystem::path& path) {
  const auto bytes = read_file(path, kMaxBytes);
  if (!bytes) return bytes.error();
  const std::string file = printable(path.native(), 300) + ": ";
  auto report = read_json_report(*bytes);
  if (!report) return Error{report.error().code, file + report.error().message};
  if (report->tool != "lvstrace") {
    return Error{ErrorCode::unsupported, file + "is a report of " + printable(report->tool, 40) +
                                             ", not of lvstrace ('lvstrace --format json' on a real server)"};
  }
  return Testimony{printable(path.native()), std::move(*report)};
}

}  // namespace lvsnat
