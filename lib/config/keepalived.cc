// keepalived.conf: virtual_server and virtual_server_group. Everything else (VRRP, scripts, checkers, passwords) is
// skipped unread. Syntax: keepalived.conf(5) and keepalived 2.2's lib/parser.c. Blocks are counted, not recursed into.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <memory>
#include <set>
#include <system_error>

#include <glob.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "config/names.h"
#include "lvsnat/config.h"
#include "state/reading.h"

namespace lvsnat {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxExpanded = 65'536;  // bytes of one line after $definitions
constexpr std::size_t kMaxDefinitions = 10'000;
constexpr unsigned kMaxBlocks = 64;  // nested braces
constexpr std::size_t kMaxNotes = 100;

struct Word {
  std::string text;
  std::size_t column = 1;
  bool quoted = false;
};

/// Where a line came from, for messages.
struct Position {
  std::string file;
  std::size_t line = 0;
};

Error error_at(const Position& at, std::size_t column, const std::string& what, ErrorCode code = ErrorCode::malformed) {
  return Error{code, at.file + ":" + std::to_string(at.line) + ":" + std::to_string(column) + ": " + what};
}

/// Splits a line into words; braces are words of their own; # and ! begin a comment outside quotes.
std::vector<Word> split_line(std::string_view line) {
  std::vector<Word> words;
  std::size_t i = 0;
  while (i < line.size()) {
    const char c = line[i];
    if (c == ' ' || c == '\t') {
      ++i;
    } else if (c == '#' || c == '!') {
      break;
    } else if (c == '{' || c == '}') {
      words.push_back({std::string(1, c), i + 1, false});
      ++i;
    } else if (c == '"') {
      const auto close = line.find('"', i + 1);
      const auto end = close == std::string_view::npos ? line.size() : close;
      words.push_back({std::string(line.substr(i + 1, end - i - 1)), i + 1, true});
      i = end + (close == std::string_view::npos ? 0 : 1);
    } else {
      std::size_t end = i;
      while (end < line.size() && std::string_view(" \t{}\"#!").find(line[end]) == std::string_view::npos) ++end;
      words.push_back({std::string(line.substr(i, end - i)), i + 1, false});
      i = end;
    }
  }
  return words;
}

class KeepalivedReader {
 public:
  explicit KeepalivedReader(const ConfigOptions& options) : options_(options), names_(options) {
    out_.origin = Origin::keepalived;
    host_ = options.hostname;
    if (host_.empty()) {
      char name[256] = {};
      if (::gethostname(name, sizeof name - 1) == 0) host_ = name;
    }
  }

  Result<Declaration> read(std::string_view text, std::string_view name, const fs::path& directory) {
    out_.source = printable(name);
    std::error_code error;
    root_ = fs::weakly_canonical(directory.empty() ? fs::path(".") : directory, error);
    bytes_ = text.size();
    if (bytes_ > options_.max_bytes)
      return Error{ErrorCode::limit, out_.source + ": more than " + with_commas(options_.max_bytes) + " bytes"};
    if (const Status all = read_text(text, printable(name), directory); !all) return all.error();
    flush_pending();
    if (pending_error_) return *pending_error_;
    if (depth_ != 0) {
      return error_at(opened_.at(depth_ - 1), 1, "the block that begins here is never closed");
    }
    if (const Status made = make_services(); !made) return made.error();
    return std::move(out_);
  }

 private:
  // ---- Lines and files. An explicit stack of texts instead of recursion for includes.
  struct Source {
    std::string text;
    std::vector<std::string_view> lines;
    std::size_t next = 0;
    std::string name;
    fs::path directory;
    unsigned depth = 0;
  };

  Status read_text(std::string_view text, std::string name, const fs::path& directory) {
    push(std::string(text), std::move(name), directory, 0);
    while (!sources_.empty()) {
      Source& source = *sources_.back();
      if (source.next >= source.lines.size()) {
        sources_.pop_back();
        continue;
      }
      at_ = {source.name, source.next + 1};
      std::string line(source.lines[source.next++]);
      // A backslash at the end joins the next line.
      while (line.ends_with('\\') && source.next < source.lines.size() && line.size() < kMaxExpanded) {
        line.pop_back();
        line += source.lines[source.next++];
      }
      if (const Status one = read_line(std::move(line), source.directory, source.depth); !one) return one;
    }
    return ok();
  }

  void push(std::string text, std::string name, const fs::path& directory, unsigned depth) {
    auto source = std::make_unique<Source>();
    source->text = std::move(text);
    source->lines = lines_of(source->text);
    source->name = std::move(name);
    source->directory = directory;
    source->depth = depth;
    sources_.push_back(std::move(source));
  }

  void note(const std::string& what) {
    if (out_.notes.size() < kMaxNotes) out_.notes.push_back(at_.file + ":" + std::to_string(at_.line) + ": " + what);
  }

  /// "@host rest": only on that host; "@^host rest": on every other.
  bool applies(std::string_view& line) const {
    while (true) {
      line = trim(line);
      if (!line.starts_with('@')) return true;
      const auto blank = line.find_first_of(" \t");
      std::string_view condition = line.substr(1, blank == std::string_view::npos ? blank : blank - 1);
      line = blank == std::string_view::npos ? std::string_view{} : line.substr(blank);
      const bool except = condition.starts_with('^');
      if (except) condition.remove_prefix(1);
      const bool here = condition == host_ || condition == std::string_view(host_).substr(0, host_.find('.'));
      if (here == except) return false;
    }
  }

  Status read_line(std::string raw, const fs::path& directory, unsigned include_depth) {
    std::string_view line = raw;
    if (!applies(line)) return ok();
    if (line.empty() || line[0] == '#' || line[0] == '!') return ok();
    const auto offset = static_cast<std::size_t>(line.data() - raw.data());  // columns count in the line as it stands
    std::string expanded;
    if (const Status done = expand(line, expanded); !done) return done;
    line = expanded;
    if (line.find("~SEQ(") != std::string_view::npos || line.find("~LST(") != std::string_view::npos) {
      return error_at(at_, 1, "~SEQ and ~LST are not understood; write the lines out", ErrorCode::unsupported);
    }
    // $NAME=value defines; the value is expanded already.
    if (line.starts_with('$')) {
      const auto equals = line.find('=');
      if (equals != std::string_view::npos && equals > 1) {
        if (definitions_.size() >= kMaxDefinitions)
          return error_at(at_, 1, "more than " + with_commas(kMaxDefinitions) + " definitions", ErrorCode::limit);
        definitions_[std::string(trim(line.substr(1, equals - 1)))] = std::string(trim(line.substr(equals + 1)));
      }
      return ok();
    }
    auto words = split_line(line);
    if (words.empty()) return ok();
    for (Word& word : words) word.column += offset;
    if (!words[0].quoted && words[0].text.starts_with("include") && words.size() > 1 && is_include(words[0].text)) {
      return include(words[1], directory, include_depth);
    }
    for (std::size_t i = 0; i < words.size();) {
      // Up to the brace or the line's end is one statement.
      std::size_t end = i;
      while (end < words.size() && !is_brace(words[end])) ++end;
      const bool opens = end < words.size() && words[end].text == "{";
      const bool closes = end < words.size() && words[end].text == "}";
      const std::vector<Word> statement(words.begin() + static_cast<std::ptrdiff_t>(i),
                                        words.begin() + static_cast<std::ptrdiff_t>(end));
      if (opens) {
        // The brace may stand on the line after its head.
        if (!statement.empty()) flush_pending();
        if (pending_error_) return *pending_error_;
        if (const Status one = open(statement.empty() ? pending_ : statement); !one) return one;
        pending_.clear();
      } else {
        flush_pending();
        if (pending_error_) return *pending_error_;
        if (!statement.empty()) {
          if (closes || end < words.size()) {
            if (const Status one = value(statement); !one) return one;
          } else {
            pending_ = statement;
            pending_at_ = at_;
            if (!may_open(statement)) {
              pending_.clear();
              if (const Status one = value(statement); !one) return one;
            }
          }
        }
        if (closes) {
          if (const Status one = close(words[end]); !one) return one;
        }
      }
      i = end + 1;
    }
    return ok();
  }

  static bool is_brace(const Word& w) { return !w.quoted && (w.text == "{" || w.text == "}"); }
  static bool is_include(std::string_view word) {
    return word == "include" || word == "includer" || word == "includem" || word == "includew" || word == "includeb" ||
           word == "includea";
  }
  /// Statements whose brace may come on the next line.
  static bool may_open(const std::vector<Word>& statement) {
    const std::string& w = statement[0].text;
    return w == "virtual_server" || w == "virtual_server_group" || w == "real_server";
  }
  void flush_pending() {
    if (pending_.empty()) return;
    pending_error_ = error_at(pending_at_, pending_[0].column, printable(pending_[0].text, 80) + " has no block");
    pending_.clear();
  }

  Status expand(std::string_view line, std::string& out) {
    for (std::size_t i = 0; i < line.size();) {
      if (line[i] != '$' || (i == 0 && line.find('=') != std::string_view::npos && is_definition(line))) {
        out += line[i++];
      } else {
        const bool braces = i + 1 < line.size() && line[i + 1] == '{';
        std::size_t begin = i + (braces ? 2 : 1), end = begin;
        while (end < line.size() && (std::isalnum(static_cast<unsigned char>(line[end])) != 0 || line[end] == '_')) ++end;
        const auto found = definitions_.find(line.substr(begin, end - begin));
        if (found == definitions_.end()) {
          out += line[i++];
          continue;
        }
        out += found->second;
        i = end + (braces && end < line.size() && line[end] == '}' ? 1 : 0);
      }
      if (out.size() > kMaxExpanded)
        return error_at(at_, 1, "definitions make this line longer than " + with_commas(kMaxExpanded) + " bytes",
                        ErrorCode::limit);
    }
    return ok();
  }
  static bool is_definition(std::string_view line) {
    const auto name = trim(line.substr(1, line.find('=') - 1));
    return !name.empty() && std::all_of(name.begin(), name.end(),
                                        [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; });
  }

  /// Only below the main file's directory: a config from elsewhere must not make this program read (and quote) other files.
  Status include(const Word& word, const fs::path& directory, unsigned depth) {
    if (depth + 1 > options_.max_include_depth) {
      return error_at(at_, word.column, "includes deeper than " + std::to_string(options_.max_include_depth), ErrorCode::limit);
    }
    const fs::path pattern = fs::path(word.text).is_absolute() ? fs::path(word.text) : directory / word.text;
    glob_t found{};
    // Unsafe among threads only where it expands "~", which it is not asked to.
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    const int result = ::glob(pattern.c_str(), GLOB_NOCHECK, nullptr, &found);
    const std::unique_ptr<glob_t, decltype(&::globfree)> release(&found, &::globfree);
    if (result != 0) return error_at(at_, word.column, "'" + printable(word.text, 200) + "' cannot be read");
    const bool is_pattern = word.text.find_first_of("*?[") != std::string::npos;
    std::vector<std::unique_ptr<Source>> included;
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      const fs::path path = found.gl_pathv[i];
      std::error_code error;
      const fs::path real = fs::weakly_canonical(path, error);
      const auto [root_end, unused] = std::mismatch(root_.begin(), root_.end(), real.begin(), real.end());
      (void)unused;
      if (error || root_end != root_.end()) {
        note("'" + printable(path.native(), 200) +
             "' is outside the main file's directory and was not read; services in it are not known.");
        continue;
      }
      if (++files_ >= options_.max_files)
        return error_at(at_, word.column, "more than " + std::to_string(options_.max_files) + " files", ErrorCode::limit);
      auto text = read_file(path, options_.max_bytes - bytes_);
      if (!text) {
        if (is_pattern && text.error().code == ErrorCode::not_found) continue;
        return Error{text.error().code,
                     at_.file + ":" + std::to_string(at_.line) + ":" + std::to_string(word.column) + ": " + text.error().message};
      }
      bytes_ += text->size();
      auto source = std::make_unique<Source>();
      source->text = std::move(*text);
      source->lines = lines_of(source->text);
      source->name = printable(path.native());
      source->directory = path.parent_path();
      source->depth = depth + 1;
      included.push_back(std::move(source));
    }
    // Read in order: the stack's top is next.
    for (auto it = included.rbegin(); it != included.rend(); ++it) sources_.push_back(std::move(*it));
    return ok();
  }

  // ---- Blocks
  enum class Block { other, server, group, real };
  struct Real {
    Destination destination;
    Position at;
    bool has_method = false;
  };
  struct Server {
    Position at;
    std::size_t column = 1;
    std::string group;  // of "virtual_server group NAME"
    std::optional<Endpoint> vip;
    std::optional<std::uint32_t> fwmark;
    ServiceProtocol protocol = ServiceProtocol::tcp;
    Method method = Method::masq;  // keepalived's default is NAT
    Service settings;
    std::vector<Real> reals;
  };
  struct GroupMember {
    std::optional<Endpoint> vip;
    std::optional<std::uint32_t> fwmark;
  };

  Status open(const std::vector<Word>& head) {
    if (depth_ >= kMaxBlocks)
      return error_at(at_, 1, "blocks nested deeper than " + std::to_string(kMaxBlocks), ErrorCode::limit);
    Block block = Block::other;
    const std::string what = head.empty() ? "" : head[0].text;
    if (depth_ == 0 && what == "virtual_server") {
      block = Block::server;
      if (const Status begun = begin_server(head); !begun) return begun;
    } else if (depth_ == 0 && what == "virtual_server_group") {
      if (head.size() < 2) return error_at(at_, head[0].column, "virtual_server_group wants a name");
      block = Block::group;
      group_ = &groups_[head[1].text];
    } else if (depth_ == 1 && blocks_[0] == Block::server && what == "real_server") {
      block = Block::real;
      if (const Status begun = begin_real(head); !begun) return begun;
    }
    blocks_.push_back(block);
    opened_.push_back(at_);
    ++depth_;
    return ok();
  }

  Status close(const Word& brace) {
    if (depth_ == 0) return error_at(at_, brace.column, "a closing brace without an opening one");
    --depth_;
    blocks_.pop_back();
    opened_.pop_back();
    return ok();
  }

  Result<std::uint16_t> port(const Word& word, std::string_view protocol) {
    std::uint64_t number = 0;
    if (parse_number(word.text, 65535, number)) return static_cast<std::uint16_t>(number);
    if (const auto named = names_.port(word.text, protocol)) return *named;
    return error_at(at_, word.column, "'" + printable(word.text, 80) + "' is no port");
  }

  Result<Address> address(const Word& word) {
    std::string_view text = word.text;
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    if (const auto plain = parse_address(text)) return *plain;
    if (const auto named = names_.host(text)) return *named;
    return error_at(at_, word.column,
                    "'" + printable(word.text, 80) + "' is no address, and neither --name nor the hosts file knows it");
  }

  Status begin_server(const std::vector<Word>& head) {
    if (servers_.size() >= options_.max_services)
      return error_at(at_, 1, "more than " + with_commas(options_.max_services) + " services", ErrorCode::limit);
    Server server;
    server.at = at_;
    server.column = head[0].column;
    if (head.size() < 2)
      return error_at(at_, head[0].column, "virtual_server wants an address and a port, fwmark N, or group NAME");
    if (head[1].text == "group") {
      if (head.size() < 3) return error_at(at_, head[1].column, "group wants a name");
      server.group = head[2].text;
    } else if (head[1].text == "fwmark") {
      std::uint64_t mark = 0;
      if (head.size() < 3 || !parse_number(head[2].text, UINT32_MAX, mark) || mark == 0) {
        return error_at(at_, head.back().column, "'" + printable(head.back().text, 80) + "' is no firewall mark");
      }
      server.fwmark = static_cast<std::uint32_t>(mark);
    } else {
      auto vip = address(head[1]);
      if (!vip) return vip.error();
      server.vip = Endpoint{*vip, 0};
      if (head.size() > 2) {
        auto number = port(head[2], "tcp");
        if (!number) return number.error();
        server.vip->port = *number;
      }
    }
    servers_.push_back(std::move(server));
    return ok();
  }

  Status begin_real(const std::vector<Word>& head) {
    if (++destinations_ > options_.max_destinations) {
      return error_at(at_, 1, "more than " + with_commas(options_.max_destinations) + " real servers", ErrorCode::limit);
    }
    if (head.size() < 2) return error_at(at_, head[0].column, "real_server wants an address and a port");
    Real real;
    real.at = at_;
    auto rip = address(head[1]);
    if (!rip) return rip.error();
    real.destination.rip = *rip;
    real.destination.weight = 1;
    if (head.size() > 2) {
      auto number = port(head[2], name(servers_.back().protocol));
      if (!number) return number.error();
      real.destination.port = *number;
    }
    servers_.back().reals.push_back(std::move(real));
    return ok();
  }

  Result<Method> method(const Word& word) const {
    if (word.text == "NAT") return Method::masq;
    if (word.text == "DR") return Method::route;
    if (word.text == "TUN") return Method::tunnel;
    return error_at(at_, word.column, "'" + printable(word.text, 80) + "' is none of NAT, DR, TUN");
  }

  Status value(const std::vector<Word>& words) {
    if (depth_ == 0 || depth_ > 2) return ok();
    const Block block = blocks_[depth_ - 1];
    if (block == Block::group && depth_ == 1) return group_member(words);
    const std::string& key = words[0].text;
    if (block == Block::server && depth_ == 1) return server_value(key, words);
    if (block == Block::real && depth_ == 2) return real_value(key, words);
    return ok();
  }

  Result<std::uint64_t> number(const std::vector<Word>& words, std::uint64_t max) const {
    std::uint64_t out = 0;
    if (words.size() < 2 || !parse_number(words[1].text, max, out)) {
      return error_at(at_, words.back().column, printable(words[0].text, 80) + " wants a number");
    }
    return out;
  }

  Status server_value(const std::string& key, const std::vector<Word>& words) {
    Server& server = servers_.back();
    Service& settings = server.settings;
    const bool has_value = words.size() > 1;
    if (key == "lb_algo" || key == "lvs_sched") {
      if (has_value) settings.scheduler = printable(words[1].text, 64);
    } else if (key == "lb_kind" || key == "lvs_method") {
      if (!has_value) return error_at(at_, words[0].column, key + " wants NAT, DR or TUN");
      auto kind = method(words[1]);
      if (!kind) return kind.error();
      server.method = *kind;
    } else if (key == "protocol") {
      if (!has_value || (words[1].text != "TCP" && words[1].text != "UDP" && words[1].text != "SCTP")) {
        return error_at(at_, words.back().column, "protocol wants TCP, UDP or SCTP");
      }
      server.protocol = words[1].text == "UDP"    ? ServiceProtocol::udp
                        : words[1].text == "SCTP" ? ServiceProtocol::sctp
                                                  : ServiceProtocol::tcp;
    } else if (key == "persistence_timeout") {
      if (!has_value) {
        settings.persistence = 360;  // IPVS_SVC_PERSISTENT's default in keepalived (check_data.h)
      } else {
        auto seconds = number(words, UINT32_MAX);
        if (!seconds) return seconds.error();
        if (*seconds > 0) settings.persistence = static_cast<std::uint32_t>(*seconds);
      }
    } else if (key == "persistence_engine") {
      if (has_value) settings.persistence_engine = printable(words[1].text, 64);
    } else if (key == "ops") {
      settings.one_packet = true;
    } else if (key == "sorry_server") {
      // In the table only while all others are down; not a declared destination.
      if (!has_value) return error_at(at_, words[0].column, "sorry_server wants an address");
      auto rip = address(words[1]);
      if (!rip) return rip.error();
      if (out_.notes.size() < kMaxNotes) {
        note("sorry_server " + to_string(*rip) + " takes over only while no real server is up; it is not counted among them.");
      }
    }
    return ok();
  }

  Status real_value(const std::string& key, const std::vector<Word>& words) {
    Real& real = servers_.back().reals.back();
    if (key == "weight") {
      auto weight = number(words, INT32_MAX);
      if (!weight) return weight.error();
      real.destination.weight = static_cast<int>(*weight);
    } else if (key == "uthreshold" || key == "lthreshold") {
      auto threshold = number(words, UINT32_MAX);
      if (!threshold) return threshold.error();
      (key == "uthreshold" ? real.destination.upper_threshold : real.destination.lower_threshold) =
          static_cast<std::uint32_t>(*threshold);
    } else if ((key == "lvs_method" || key == "lb_kind") && words.size() > 1) {
      auto kind = method(words[1]);
      if (!kind) return kind.error();
      real.destination.method = *kind;
      real.has_method = true;
    }
    return ok();
  }

  /// "192.168.200.1-10 80", "192.168.1.1 80", "fwmark 7". A range counts in the last octet (IPv6: the last group).
  Status group_member(const std::vector<Word>& words) {
    if (group_->size() >= kMaxExpanded)
      return error_at(at_, 1, "more than " + with_commas(kMaxExpanded) + " members of a group", ErrorCode::limit);
    if (words[0].text == "fwmark") {
      auto mark = number(words, UINT32_MAX);
      if (!mark) return mark.error();
      group_->push_back({std::nullopt, static_cast<std::uint32_t>(*mark)});
      return ok();
    }
    std::uint16_t service_port = 0;
    if (words.size() > 1) {
      auto given = port(words[1], "tcp");
      if (!given) return given.error();
      service_port = *given;
    }
    const std::string& text = words[0].text;
    const auto dash = text.rfind('-');
    const auto first = dash == std::string::npos ? std::nullopt : parse_address(text.substr(0, dash));
    if (!first) {
      auto vip = address(words[0]);
      if (!vip) return vip.error();
      group_->push_back({Endpoint{*vip, service_port}, std::nullopt});
      return ok();
    }
    const std::string last_text = text.substr(dash + 1);
    const bool v4 = first->is_v4();
    const unsigned start = v4 ? first->bytes[15] : static_cast<unsigned>(first->bytes[14]) << 8 | first->bytes[15];
    unsigned last = 0;
    const auto [end, problem] = std::from_chars(last_text.data(), last_text.data() + last_text.size(), last, v4 ? 10 : 16);
    if (problem != std::errc{} || end != last_text.data() + last_text.size() || last > (v4 ? 255u : 65535u) || last < start) {
      return error_at(at_, words[0].column, "'" + printable(text, 80) + "' is no range of addresses");
    }
    for (unsigned i = start; i <= last; ++i) {
      if (group_->size() >= kMaxExpanded)
        return error_at(at_, 1, "more than " + with_commas(kMaxExpanded) + " members of a group", ErrorCode::limit);
      Address vip = *first;
      vip.bytes[15] = static_cast<std::uint8_t>(i & 0xff);
      if (!v4) vip.bytes[14] = static_cast<std::uint8_t>(i >> 8);
      group_->push_back({Endpoint{vip, service_port}, std::nullopt});
    }
    return ok();
  }

  // ---- Services from blocks: groups may be defined after their use.
  Status make_services() {
    std::set<std::string> seen;
    std::size_t copies = 0;
    for (const Server& server : servers_) {
      std::vector<GroupMember> members;
      if (!server.group.empty()) {
        const auto group = groups_.find(server.group);
        if (group == groups_.end())
          return error_at(server.at, server.column, "there is no virtual_server_group '" + printable(server.group, 80) + "'");
        members = group->second;
      } else {
        members.push_back({server.vip, server.fwmark});
      }
      for (const GroupMember& member : members) {
        Service service = server.settings;
        if (member.fwmark) {
          service.protocol = ServiceProtocol::fwmark;
          service.fwmark = member.fwmark;
        } else {
          service.protocol = server.protocol;
          service.vip = member.vip->address;
          service.port = member.vip->port;
          service.v6 = !service.vip.is_v4();
        }
        copies += server.reals.size() + 1;
        if (copies > options_.max_destinations || out_.services.size() >= options_.max_services) {
          return error_at(server.at, server.column, "groups and real servers make too many destinations", ErrorCode::limit);
        }
        for (const Real& real : server.reals) {
          Destination d = real.destination;
          if (!real.has_method) d.method = server.method;
          if (d.port == 0) d.port = service.port;
          if (member.fwmark) service.v6 = !d.rip.is_v4();
          service.destinations.push_back(d);
        }
        if (!seen.insert(to_string(service) + (service.v6 ? "/6" : "/4")).second) {
          return error_at(server.at, server.column, "virtual_server " + to_string(service) + " stands twice");
        }
        out_.services.push_back(std::move(service));
      }
    }
    return ok();
  }

  const ConfigOptions& options_;
  Names names_;
  Declaration out_;
  std::string host_;
  fs::path root_;
  std::size_t bytes_ = 0, files_ = 1, destinations_ = 0;
  std::vector<std::unique_ptr<Source>> sources_;
  Position at_, pending_at_;
  std::vector<Word> pending_;
  std::optional<Error> pending_error_;
  std::map<std::string, std::string, std::less<>> definitions_;
  unsigned depth_ = 0;
  std::vector<Block> blocks_;
  std::vector<Position> opened_;
  std::vector<Server> servers_;
  std::map<std::string, std::vector<GroupMember>> groups_;
  std::vector<GroupMember>* group_ = nullptr;
};

}  // namespace

Result<Declaration> parse_keepalived(std::string_view text, std::string_view name, const fs::path& directory,
                                     const ConfigOptions& options) {
  return KeepalivedReader(options).read(text, name, directory);
}

}  // namespace lvsnat
