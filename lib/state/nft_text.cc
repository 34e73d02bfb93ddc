// `nft list ruleset` without -j, as real servers' state directories and people's mails have it. Structure, policies, plain
// matches and verdicts become the same statements as in JSON; whatever else a rule holds is kept as words to quote.
#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "state/nft_rules.h"

namespace lvsnat {
namespace {

using nlohmann::json;
using std::string;

constexpr std::size_t kMaxTokens = 4'096;  // of one rule
constexpr std::size_t kMaxRules = 1'000'000;

/// Words of one rule: quoted strings whole (with a leading quote to tell them), braces, commas and colons apart.
std::vector<string> tokens_of(std::string_view line) {
  std::vector<string> out;
  std::size_t i = 0;
  while (i < line.size() && out.size() < kMaxTokens) {
    const char c = line[i];
    if (c == ' ' || c == '\t') {
      ++i;
    } else if (c == '"') {
      const std::size_t end = line.find('"', i + 1);
      out.emplace_back(line.substr(i, end == std::string_view::npos ? std::string_view::npos : end - i));
      i = end == std::string_view::npos ? line.size() : end + 1;
    } else if (c == '{' || c == '}' || c == ',' || c == ';') {
      out.emplace_back(1, c);
      ++i;
    } else {
      const std::size_t end = line.find_first_of(" \t\"{},;", i);
      out.emplace_back(line.substr(i, end == std::string_view::npos ? std::string_view::npos : end - i));
      i = end == std::string_view::npos ? line.size() : end;
    }
  }
  return out;
}

string bare(const string& token) { return !token.empty() && token.front() == '"' ? token.substr(1) : token; }

json number_or_text(const string& token) {
  std::uint64_t number = 0;
  if (token.starts_with("0x") && token.size() > 2 && token.size() <= 18) {
    for (const char c : token.substr(2)) {
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
      if (digit < 0) return token;
      number = number << 4 | static_cast<std::uint64_t>(digit);
    }
    return number;
  }
  if (parse_number(token, UINT64_MAX, number)) return number;
  return token;
}

/// A number, name, address, prefix or range.
json value_of(const string& token) {
  if (token.starts_with("\"")) return bare(token);
  if (const std::size_t slash = token.find('/'); slash != string::npos) {
    std::uint64_t length = 0;
    if (parse_address(token.substr(0, slash)) && parse_number(token.substr(slash + 1), 128, length)) {
      return json{{"prefix", {{"addr", token.substr(0, slash)}, {"len", length}}}};
    }
  }
  if (const std::size_t dash = token.find('-'); dash != string::npos && dash != 0) {
    const string from = token.substr(0, dash), to = token.substr(dash + 1);
    const json a = number_or_text(from), b = number_or_text(to);
    if ((a.is_number() && b.is_number()) || (parse_address(from) && parse_address(to))) return json{{"range", {a, b}}};
  }
  return number_or_text(token);
}

class RuleReader {
 public:
  explicit RuleReader(std::vector<string> tokens) : tokens_(std::move(tokens)) {}

  json read() {
    json statements = json::array();
    while (at_ < tokens_.size()) {
      const std::size_t before = at_;
      json statement = next();
      if (statement.is_null()) {
        // Not understood: the words up to a closing verdict are quoted, the verdict is kept.
        std::size_t end = tokens_.size();
        if (end > before + 1 && is_plain_verdict(tokens_[end - 1])) {
          --end;
        } else if (end > before + 2 && (tokens_[end - 2] == "jump" || tokens_[end - 2] == "goto")) {
          end -= 2;
        }
        string words;
        for (std::size_t i = before; i < end; ++i) words += (words.empty() ? "" : " ") + bare(tokens_[i]);
        statements.push_back(json{{"xt", printable(words, 200)}});
        at_ = std::max(end, before + 1);
        continue;
      }
      if (statement.is_object() && !statement.empty()) statements.push_back(std::move(statement));
    }
    return statements;
  }

  /// A verdict as it stands in rules and maps.
  json verdict() {
    const string word = take();
    if (is_plain_verdict(word)) return json{{word, nullptr}};
    if (word == "jump" || word == "goto") return json{{word, {{"target", bare(take())}}}};
    return nullptr;
  }

  /// The set that begins at the current token; elements of maps are [key, value].
  json set_of(bool verdicts) {
    json elements = json::array();
    if (peek() != "{") return nullptr;
    ++at_;
    while (at_ < tokens_.size() && peek() != "}") {
      if (peek() == ",") {
        ++at_;
        continue;
      }
      json key = peek() == "*" ? json("*") : value_of(peek());
      ++at_;
      if (verdicts) {
        if (take() != ":") return nullptr;
        json value = verdict();
        if (value.is_null()) return nullptr;
        elements.push_back(json::array({std::move(key), std::move(value)}));
      } else {
        elements.push_back(std::move(key));
      }
      if (peek() != "," && peek() != "}") return nullptr;  // concatenations, timeouts, comments
    }
    ++at_;
    return json{{"set", std::move(elements)}};
  }

 private:
  static bool is_plain_verdict(const string& word) {
    return word == "accept" || word == "drop" || word == "return" || word == "continue";
  }
  [[nodiscard]] const string& peek(std::size_t ahead = 0) const {
    static const string kNone;
    return at_ + ahead < tokens_.size() ? tokens_[at_ + ahead] : kNone;
  }
  string take() { return at_ < tokens_.size() ? tokens_[at_++] : string(); }

  void skip_to_statement() {
    static constexpr std::array kBegins{"counter", "accept", "drop",    "return", "continue", "jump",
                                        "goto",    "reject", "comment", "log",    "limit",    "masquerade"};
    while (at_ < tokens_.size() && std::find(kBegins.begin(), kBegins.end(), peek()) == kBegins.end()) ++at_;
  }

  /// The left side of a match, or null.
  json field() {
    const string word = take();
    if (word == "iifname" || word == "oifname" || word == "iif" || word == "oif") return json{{"meta", {{"key", word}}}};
    if (word == "meta") return json{{"meta", {{"key", take()}}}};
    if (word == "ct") {
      static constexpr std::array kKeys{"state", "status", "mark", "direction", "zone", "helper"};
      const string key = take();
      if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) return nullptr;
      return json{{"ct", {{"key", key}}}};
    }
    if (word == "fib") {
      json flags = json::array();
      flags.push_back(take());
      while (peek() == ".") {
        ++at_;
        flags.push_back(take());
      }
      return json{{"fib", {{"flags", std::move(flags)}, {"result", take()}}}};
    }
    static constexpr std::array kHeaders{"ip", "ip6", "tcp", "udp", "sctp", "th", "icmp", "icmpv6"};
    if (std::find(kHeaders.begin(), kHeaders.end(), word) == kHeaders.end()) return nullptr;
    return json{{"payload", {{"protocol", word}, {"field", take()}}}};
  }

  json match() {
    json left = field();
    if (left.is_null()) return nullptr;
    if (peek() == "vmap") {
      ++at_;
      json data = peek().starts_with("@") ? json(take()) : set_of(true);
      if (data.is_null()) return nullptr;
      return json{{"vmap", {{"key", std::move(left)}, {"data", std::move(data)}}}};
    }
    if (peek() == "set") {
      ++at_;
      return json{{"mangle", {{"key", std::move(left)}, {"value", value_of(take())}}}};
    }
    if (peek() == "." || peek() == "&" || peek() == "and" || peek() == "map") return nullptr;
    string op = "in";  // implicit: equality, or any bit of a mask
    if (peek() == "!=" || peek() == "==" || peek() == "<" || peek() == ">" || peek() == "<=" || peek() == ">=") op = take();
    json right;
    if (peek() == "{") {
      right = set_of(false);
      if (right.is_null()) return nullptr;
    } else if (at_ < tokens_.size()) {
      right = value_of(take());
      if (peek() == ",") {
        json list = json::array({std::move(right)});
        while (peek() == ",") {
          ++at_;
          list.push_back(value_of(take()));
        }
        right = std::move(list);
      }
      if (peek() == "/" || peek() == "." || peek() == "&") return nullptr;
    } else {
      return nullptr;
    }
    return json{{"match", {{"op", op}, {"left", std::move(left)}, {"right", std::move(right)}}}};
  }

  /// One statement; null where it is not understood; an empty object for what changes nothing.
  json next() {
    const std::size_t start = at_;
    const string word = peek();
    if (is_plain_verdict(word) || word == "jump" || word == "goto") return verdict();
    if (word == "counter") {
      ++at_;
      std::uint64_t packets = 0, bytes = 0;
      if (peek() == "packets" && parse_number(peek(1), UINT64_MAX, packets) && peek(2) == "bytes" &&
          parse_number(peek(3), UINT64_MAX, bytes)) {
        at_ += 4;
        return json{{"counter", {{"packets", packets}, {"bytes", bytes}}}};
      }
      return json::object();
    }
    if (word == "comment") {
      at_ += 2;
      return json::object();
    }
    if (word == "log") {
      ++at_;
      skip_to_statement();
      return json{{"log", nullptr}};
    }
    if (word == "limit") {
      const bool over = peek(2) == "over";
      ++at_;
      skip_to_statement();
      return json{{"limit", {{"inv", over}}}};
    }
    if (word == "reject" || word == "masquerade" || word == "redirect") {
      at_ = tokens_.size();
      return json{{word, nullptr}};
    }
    if (word == "snat" || word == "dnat") {
      json value = json::object();
      const auto to = std::find(tokens_.begin() + static_cast<std::ptrdiff_t>(at_), tokens_.end(), "to");
      if (to != tokens_.end() && to + 1 != tokens_.end()) {
        const string target = *(to + 1);
        if (const auto endpoint = parse_endpoint(target)) {
          value = {{"addr", to_string(endpoint->address)}, {"port", endpoint->port}};
        } else {
          value = {{"addr", target}};
        }
      }
      at_ = tokens_.size();
      return json{{word, std::move(value)}};
    }
    if (word == "notrack") {
      ++at_;
      return json{{"notrack", nullptr}};
    }
    if (word == "flow" && (peek(1) == "add" || peek(1) == "offload")) {
      json statement{{"flow", {{"op", "add"}, {"flowtable", peek(2)}}}};
      at_ += 3;
      return statement;
    }
    if (word == "xt" && (peek(1) == "match" || peek(1) == "target")) {
      json statement{{"xt", {{"type", peek(1)}, {"name", bare(peek(2))}}}};
      at_ += 3;
      return statement;
    }
    json statement = match();
    if (statement.is_null()) at_ = start;
    return statement;
  }

  std::vector<string> tokens_;
  std::size_t at_ = 0;
};

/// A rule's text with single blanks: translations of iptables leave gaps.
string words_from(std::string_view line) {
  string out = printable(line, 300);
  bool quoted = false;
  char before = '\0';
  std::erase_if(out, [&](char c) {
    quoted = quoted != (c == '"');
    return std::exchange(before, c) == ' ' && c == ' ' && !quoted;
  });
  return out;
}

int priority_of(const std::vector<string>& tokens, std::size_t at) {
  // "filter", "filter + 10", "mangle - 1", "-150"
  static constexpr std::array<std::pair<std::string_view, int>, 6> kNames{
      {{"raw", -300}, {"mangle", -150}, {"dstnat", -100}, {"filter", 0}, {"security", 50}, {"srcnat", 100}}};
  const auto number = [](std::string_view text) {
    const bool minus = text.starts_with("-");
    if (minus) text.remove_prefix(1);
    std::uint64_t value = 0;
    if (!parse_number(text, 1'000'000, value)) return std::optional<int>();
    return std::optional(minus ? -static_cast<int>(value) : static_cast<int>(value));
  };
  if (at >= tokens.size()) return 0;
  int priority = 0;
  const auto name = std::find_if(kNames.begin(), kNames.end(), [&](const auto& n) { return n.first == tokens[at]; });
  if (name != kNames.end()) {
    priority = name->second;
  } else {
    return number(tokens[at]).value_or(0);
  }
  if (at + 2 < tokens.size() && (tokens[at + 1] == "+" || tokens[at + 1] == "-")) {
    const int offset = number(tokens[at + 2]).value_or(0);
    priority += tokens[at + 1] == "-" ? -offset : offset;
  }
  return priority;
}

void read_hook(const std::vector<string>& tokens, NftChain& chain) {
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (tokens[i] == "type") chain.type = printable(tokens[i + 1], 64);
    if (tokens[i] == "hook") {
      chain.hook = printable(tokens[i + 1], 64);
      chain.base = true;
    }
    if (tokens[i] == "device") chain.devices.push_back(printable(bare(tokens[i + 1]), 64));
    if (tokens[i] == "priority") chain.priority = priority_of(tokens, i + 1);
    if (tokens[i] == "policy") chain.drops = tokens[i + 1] == "drop";
  }
}

/// The list in braces after `word` ("elements =", "devices ="), which may run over several lines.
std::vector<string> list_after(const std::vector<string>& tokens, std::string_view word) {
  const auto found = std::find(tokens.begin(), tokens.end(), word);
  if (found == tokens.end()) return {};
  const auto open = std::find(found, tokens.end(), "{");
  return {open, tokens.end()};
}

}  // namespace

NftRules parse_nft_text(std::string_view text) {
  NftRules rules;
  rules.from_text = true;
  string family, in_table;
  enum class Block { none, table_body, in_chain, in_set, in_map, in_flowtable, other } block = Block::none;
  NftChain chain;
  string name;
  std::vector<string> body;  // of a set, map or flowtable
  std::size_t depth = 0, count = 0;
  bool any = false;
  for (const std::string_view raw : split(text, '\n')) {
    const std::string_view line = trim(raw);
    if (line.empty() || line.front() == '#') continue;
    std::vector<string> tokens = tokens_of(line);
    if (tokens.empty()) continue;
    if (block == Block::none) {
      if (tokens[0] == "table" && tokens.back() == "{" && tokens.size() >= 3) {
        family = tokens.size() >= 4 ? printable(tokens[1], 32) : "ip";
        in_table = printable(tokens[tokens.size() - 2], 256);
        block = Block::table_body;
        any = true;
      }
      continue;
    }
    if (block == Block::table_body) {
      if (tokens[0] == "}") {
        block = Block::none;
      } else if (tokens.back() == "{" && tokens.size() >= 3) {
        name = printable(tokens[1], 256);
        body.clear();
        depth = 1;
        block = tokens[0] == "chain"       ? Block::in_chain
                : tokens[0] == "set"       ? Block::in_set
                : tokens[0] == "map"       ? Block::in_map
                : tokens[0] == "flowtable" ? Block::in_flowtable
                                           : Block::other;
        chain = NftChain{};
        chain.family = family;
        chain.table = in_table;
        chain.name = name;
      }
      continue;
    }
    if (block == Block::in_chain) {
      if (tokens[0] == "}") {
        rules.add(std::move(chain));
        chain = NftChain{};
        block = Block::table_body;
      } else if (tokens[0] == "type" && tokens.size() > 2 && tokens[2] == "hook") {
        read_hook(tokens, chain);
      } else if (tokens[0] != "comment" && count < kMaxRules) {
        ++count;
        NftRule rule;
        rule.text = words_from(line.substr(0, line.find(" # handle ")));
        rule.statements = RuleReader(std::move(tokens)).read();
        for (const json& s : rule.statements) {
          if (s.contains("counter") && s["counter"].is_object()) rule.packets = s["counter"]["packets"].get<std::uint64_t>();
        }
        chain.rules.push_back(std::move(rule));
      }
      continue;
    }
    // Bodies with lists in braces.
    bool ended = false;
    for (string& token : tokens) {
      if (token == "{") ++depth;
      if (token == "}" && --depth == 0) {
        ended = true;
        break;
      }
      if (body.size() < kMaxRules) body.push_back(std::move(token));
    }
    if (!ended) continue;
    if (block == Block::in_flowtable) {
      NftFlowtable flowtable{family, in_table, name, {}};
      for (const string& token : list_after(body, "devices")) {
        if (token != "{" && token != "}" && token != "," && token != ";") flowtable.devices.push_back(printable(bare(token), 64));
      }
      rules.flowtables.push_back(std::move(flowtable));
    } else if (block == Block::in_set || block == Block::in_map) {
      NftSet set{family, in_table, name, block == Block::in_map, json::array()};
      std::vector<string> elements = list_after(body, "elements");
      if (!elements.empty()) {
        json parsed = RuleReader(std::move(elements)).set_of(block == Block::in_map);
        // An element that is not understood: everything may be in the set.
        set.elements = parsed.is_null() ? json::array({json{{"xt", "elements"}}}) : std::move(parsed["set"]);
      }
      rules.add(std::move(set));
    }
    block = Block::table_body;
  }
  rules.known = any || trim(text).empty();
  if (!rules.known) rules.notes.emplace_back("nft.txt: not what `nft list ruleset` prints");
  if (block != Block::none) rules.notes.emplace_back("nft.txt ends inside a table");
  return rules;
}

}  // namespace lvsnat
