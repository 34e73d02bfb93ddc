#include "common/options.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "base/paragraph.h"
#include "base/text.h"
#include "common/interruption.h"
#include "common/memory.h"
#include "lvsnat/frame.h"

namespace lvsnat::tool {
namespace {

constexpr std::size_t kHelpWidth = 80;
constexpr std::size_t kHelpColumn = 26;

class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string examples) : examples_(std::move(examples)) {}

  std::string make_description(const CLI::App* app) const override {
    std::string out = app->get_description() + "\n";
    return app->get_parent() == nullptr ? out + "\n" + examples_ : out;
  }

  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string out = name.empty() ? app->get_name() : name + " " + app->get_name();
    if (app->get_parent() == nullptr) {
      out = app->get_name() + (app->get_subcommands({}).empty() ? " [OPTIONS]" : " [VERB] [OPTIONS]");
    } else {
      out = app->get_parent()->get_name() + " " + app->get_name();
      for (const CLI::Option* option : app->get_options([](const CLI::Option* o) { return o->get_positional(); })) {
        const bool several = option->get_items_expected_max() > 1;
        const std::string placeholder = option->get_name(true, false) + (several ? "..." : "");
        out += option->get_required() ? " " + placeholder : " [" + placeholder + "]";
      }
      out += " [OPTIONS]";
    }
    return "\nUsage: " + out + "\n";
  }

  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    std::string head = "  ";
    if (is_positional) {
      head += option->get_name(true, false);
    } else {
      const auto& shorts = option->get_snames();
      const auto& longs = option->get_lnames();
      for (const std::string& s : shorts) head += (head.size() > 2 ? ", -" : "-") + s;
      if (shorts.empty()) head += "    ";
      for (std::size_t i = 0; i < longs.size(); ++i) head += (shorts.empty() && i == 0 ? "--" : ", --") + longs[i];
      if (option->get_expected_max() > 0 && !option->get_type_name().empty()) head += " " + option->get_type_name();
    }
    return entry(head, option->get_description());
  }

  std::string make_subcommand(const CLI::App* sub) const override {
    return entry("  " + sub->get_name(), sub->get_description());
  }
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const override {
    std::string out = make_description(app) + make_usage(app, std::move(name));
    const auto verbs = app->get_subcommands({});
    if (!verbs.empty()) out += "\nVerbs:\n";
    for (const CLI::App* verb : verbs) out += make_subcommand(verb);
    out += make_positionals(app);
    out += "\n" + make_groups(app, CLI::AppFormatMode::Normal);
    return app->get_footer().empty() ? out : out + "\n" + app->get_footer() + "\n";
  }
  std::string make_group(std::string group, bool is_positional, std::vector<const CLI::Option*> options) const override {
    std::string out = group + ":\n";
    for (const CLI::Option* option : options) out += make_option(option, is_positional);
    return out;
  }
  std::string make_expanded(const CLI::App* sub) const override { return make_subcommand(sub); }

 private:
  static std::string entry(const std::string& head, const std::string& description) {
    std::string out;
    const std::string indent(kHelpColumn, ' ');
    if (head.size() + 2 > kHelpColumn) {
      out = head + "\n";
      append_paragraph(out, indent, indent, description, kHelpWidth);
    } else {
      append_paragraph(out, left(head, kHelpColumn), indent, description, kHelpWidth);
    }
    return out;
  }

  std::string examples_;
};

}  // namespace

void add_common_options(CLI::App& app, CommonOptions& o) {
  // -r, -i, --service and the like take exactly one argument each and may be repeated.
  const auto repeatable = [&app](const std::string& flags, std::vector<std::string>& into, const std::string& help) {
    return app.add_option(flags, into, help)->allow_extra_args(false)->take_all();
  };
  const std::string input = "Where packets come from";
  repeatable("-r,--read", o.read,
             "Read this capture: pcap or pcapng, also compressed with gzip, zstd or xz; - is standard input. One for each "
             "interface or vantage point")
      ->type_name("FILE")
      ->group(input);
  repeatable("-i,--interface", o.interfaces, "Capture on this interface")->type_name("IF")->group(input);
  app.add_option("-F,--filter", o.filter, "Only packets that this pcap filter matches")->type_name("EXPR")->group(input);
  app.add_option("-s,--snaplen", o.snaplen, "Bytes kept of each captured packet")
      ->type_name("BYTES")
      ->check(CLI::Range(std::uint32_t{64}, std::uint32_t{262144}).description(""))
      ->group(input);
  app.add_option("-B,--buffer", o.buffer_mib, "Kernel buffer for capturing")
      ->type_name("MiB")
      ->check(CLI::Range(std::uint32_t{1}, std::uint32_t{2048}).description(""))
      ->group(input);
  app.add_flag("-p,--promiscuous", o.promiscuous, "Capture in promiscuous mode; otherwise never")->group(input);
  app.add_option("-w,--write", o.write, "Keep what was captured or read, as pcapng")->type_name("FILE")->group(input);

  const std::string known = "What is known of the cluster (else services are inferred from the packets)";
  repeatable("--config", o.config, "Services from ipvsadm-save output, keepalived.conf or lvs_nat.conf")
      ->type_name("FILE")
      ->group(known);
  repeatable("--service", o.services, "One service: tcp:VIP:PORT=RIP:PORT,RIP:PORT (IPv6 addresses in brackets)")
      ->type_name("SERVICE")
      ->group(known);
  repeatable("--name", o.host_names, "A host name that --config uses: NAME=ADDRESS")->type_name("NAME=ADDRESS")->group(known);
  app.add_option("--state", o.state,
                 "Kernel state from a file of 'lvsdiag snapshot' or a directory of command output; 'live' is this host, also "
                 "with -r")
      ->type_name("PATH")
      ->group(known);
  app.add_flag("--no-state", o.no_state, "Packets alone: consult no kernel state")->group(known);

  const std::string output = "What comes out";
  static const std::map<std::string, Format> kFormats{
      {"text", Format::text}, {"json", Format::json}, {"ndjson", Format::ndjson}, {"nagios", Format::nagios}};
  app.add_option("--format", o.format, "text (default), json, ndjson or nagios")
      ->type_name("FMT")
      ->transform(CLI::CheckedTransformer(kFormats).description(""))
      ->group(output);
  app.add_option("-o,--output", o.output, "Write to a file that appears when it is complete; - is standard output")
      ->type_name("FILE")
      ->group(output);
  app.add_flag("--force", o.force, "Let output files replace files of other users, and snapshots")->group(output);
  static const std::map<std::string, ColorMode> kColors{
      {"auto", ColorMode::automatic}, {"always", ColorMode::always}, {"never", ColorMode::never}};
  app.add_option("--color", o.color, "auto (default), always or never; NO_COLOR is heeded")
      ->type_name("WHEN")
      ->transform(CLI::CheckedTransformer(kColors).description(""))
      ->group(output);
  CLI::Option* names = app.add_flag("--names", o.names, "Look up host names (asks the resolver)")->group(output);
  app.add_flag("-n", o.numbers, "Numbers, no names: the default")->excludes(names)->group(output);
  CLI::Option* quiet = app.add_flag("-q,--quiet", o.quiet, "The verdict and a line for each finding")->group(output);
  app.add_flag("-v,--verbose", o.verbose, "All proofs, cited packets in words, every count")->excludes(quiet)->group(output);
  app.add_option("--max-connections", o.max_connections, "Limit of the connection table (1,000,000; lvsdiag -r: more)")
      ->type_name("N")
      ->check(CLI::Range(std::uint32_t{1000}, std::uint32_t{64'000'000}).description(""))
      ->group(output);
}

std::string contradiction(const CommonOptions& o) {
  if (!o.read.empty() && !o.interfaces.empty()) return "-r reads files and -i captures: give one of them";
  if (std::count(o.read.begin(), o.read.end(), "-") > 1) return "standard input can be read only once: give -r - once";
  if (o.no_state && !o.state.empty()) return "--state and --no-state contradict each other";
  return {};
}

Result<std::int64_t> parse_duration(std::string_view text) {
  std::int64_t unit = kSecond;
  std::string_view digits = text;
  if (!digits.empty() && (digits.back() < '0' || digits.back() > '9')) {
    switch (digits.back()) {
      case 's':
        break;
      case 'm':
        unit *= 60;
        break;
      case 'h':
        unit *= 3600;
        break;
      default:
        digits = {};
    }
    if (!digits.empty()) digits.remove_suffix(1);
  }
  std::uint64_t count = 0;
  const auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / unit);
  if (!parse_number(digits, most, count)) {
    return Error{ErrorCode::usage, "'" + printable(text, 80) + "' is no duration: give 15s, 5m, 1h or a number of seconds"};
  }
  return static_cast<std::int64_t>(count) * unit;
}

void set_help(CLI::App& app, std::string examples) {
  app.set_help_flag("-h,--help", "This text");
  app.formatter(std::make_shared<HelpFormatter>(std::move(examples)));
  for (CLI::App* sub : app.get_subcommands({})) sub->formatter(app.get_formatter());
}

std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help() << std::flush;
  } catch (const CLI::CallForVersion& version) {
    std::cout << version.what() << std::endl;
  } catch (const CLI::ParseError& error) {
    return bad_usage(app.get_name(), error.what());
  }
  if (std::cout.fail()) {
    complain(app.get_name(), "writing to standard output failed");
    return kUnknown;
  }
  return 0;
}

void complain(std::string_view tool, std::string_view message) {
  const std::string line = std::string(tool) + ": " + printable(message) + "\n";
  // Nothing can be said about a standard error that does not take it.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

int run_out(std::string_view tool, const std::exception& error) {
  remove_unfinished();  // of those nobody had come to own
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return out_of_memory(tool);
  complain(tool, std::string("nothing was diagnosed: ") + error.what());
  return kUnknown;
}

int bad_usage(std::string_view tool, std::string_view message) {
  complain(tool, std::string(message) + " ('" + std::string(tool) + " --help' shows how it is used)");
  return kUnknown;
}

bool wants_color(ColorMode mode, int fd) {
  if (mode != ColorMode::automatic) return mode == ColorMode::always;
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return false;
  const char* term = std::getenv("TERM");
  return isatty(fd) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

int text_width(int fd) {
  winsize size{};
  if (isatty(fd) != 1 || ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return std::min<int>(size.ws_col, 80);
}

}  // namespace lvsnat::tool
