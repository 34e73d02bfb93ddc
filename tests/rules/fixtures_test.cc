// Runs every case of tests/rules/LVS*.md: frames to the analyzer, its findings against the expected ones.
// Each case is a test of its own: "LVS101.a_real_server_asks_for_the_client".
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>

#include "support/frames.h"
#include "support/scenario.h"
#if LVSNAT_HAVE_ANALYZER
#include "lvsnat/analyzer.h"
#include "lvsnat/config.h"
#include "lvsnat/state.h"
#endif

namespace lvsnat::scenario {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(LVSNAT_SOURCE_DIR) / "tests" / "rules";

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// The codes that contract and catalogue promise for packets and for the director's state; LVS214 is the probe's.
std::vector<int> codes_with_fixtures() {
  std::vector<int> codes{901, 902, 903};
  for (int code = 101; code <= 127; ++code) codes.push_back(code);
  for (int code = 201; code <= 215; ++code) {
    if (code != 214) codes.push_back(code);
  }
  return codes;
}

struct Fixture {
  std::string name;  // "LVS101"
  std::vector<Case> cases;
};

/// All fixtures, or what is wrong with one.
Result<std::vector<Fixture>> read_fixtures() {
  auto library = parse_topologies("topologies.md", content_of(kFolder / "topologies.md"));
  if (!library) return library.error();
  std::vector<Fixture> fixtures;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    std::string file = entry.path().filename().string();
    if (!file.starts_with("LVS") || !file.ends_with(".md")) continue;
    auto cases = parse_cases(file, content_of(entry.path()), *library);
    if (!cases) return cases.error();
    fixtures.push_back({file.substr(0, file.size() - 3), std::move(cases).value()});
  }
  std::sort(fixtures.begin(), fixtures.end(), [](const Fixture& a, const Fixture& b) { return a.name < b.name; });
  return fixtures;
}

/// For a look with other tools: LVSNAT_KEEP_CAPTURES=DIR keeps each case's captures there.
void keep(const Case& one, const Capture& capture) {
  const char* folder = std::getenv("LVSNAT_KEEP_CAPTURES");
  if (folder == nullptr) return;
  for (std::uint16_t vantage = 0; vantage < capture.vantages.size(); ++vantage)
    std::ofstream(fs::path(folder) / (one.file + "-" + std::to_string(one.line) + "-" + capture.vantages[vantage].source),
                  std::ios::binary)
        << to_pcap(capture, vantage);
}

class CaseTest : public testing::Test {
 public:
  explicit CaseTest(const Case& one) : case_(one) {}
  void TestBody() override;

 private:
  const Case& case_;
};

#if LVSNAT_HAVE_ANALYZER

/// A directory of its own with the case's state files, gone with it.
class StateDirectory {
 public:
  explicit StateDirectory(const std::vector<StateFile>& files) {
    std::string name = (fs::temp_directory_path() / "lvsnat-state-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) return;
    path_ = name;
    for (const StateFile& file : files) std::ofstream(path_ / file.name, std::ios::binary) << file.content;
  }
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;
  ~StateDirectory() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string describe(const Finding& finding) {
  std::string out = std::string(name(finding.severity)) + " " + code_name(finding.code);
  auto field = [&](const char* key, const std::optional<std::string>& value) {
    if (value) out += std::string(" ") + key + "=" + *value;
  };
  field("service", finding.subject.service);
  field("director", finding.subject.director);
  field("real_server", finding.subject.real_server);
  field("client", finding.subject.client);
  field("interface", finding.subject.interface);
  field("gateway", finding.subject.gateway);
  if (finding.legs) out += " legs=" + finding.legs->str();
  out += " confidence=" + std::string(name(finding.confidence)) + " count=" + std::to_string(finding.count);
  return out + "  (" + finding.title + ")";
}

bool matches(const Finding& finding, const Expectation& expected) {
  if (finding.code != expected.code) return false;
  if (!expected.severity.empty() && expected.severity != "any" && expected.severity != name(finding.severity)) return false;
  for (const auto& [key, value] : expected.fields) {
    std::optional<std::string> actual;
    if (key == "real_server")
      actual = finding.subject.real_server;
    else if (key == "client")
      actual = finding.subject.client;
    else if (key == "service")
      actual = finding.subject.service;
    else if (key == "director")
      actual = finding.subject.director;
    else if (key == "gateway")
      actual = finding.subject.gateway;
    else if (key == "interface")
      actual = finding.subject.interface;
    else if (key == "legs")
      actual = finding.legs ? std::optional(finding.legs->str()) : std::nullopt;
    else if (key == "confidence")
      actual = std::string(name(finding.confidence));
    else if (key == "count")
      actual = std::to_string(finding.count);
    else if (key == "unchecked")
      actual = finding.unchecked.empty() ? "no" : "yes";
    if (key == "count>") {
      if (finding.count < std::stoull(value)) return false;
    } else if (key == "says") {
      std::string text = value;
      std::replace(text.begin(), text.end(), '+', ' ');
      if ((finding.title + '\n' + finding.cause).find(text) == std::string::npos) return false;
    } else if (actual != value) {
      return false;
    }
  }
  return true;
}

/// What holds of every finding, whatever the case.
void check_promises(const Finding& finding, const Capture& capture) {
  std::string words = describe(finding);
  EXPECT_FALSE(finding.title.empty()) << words;
  if (finding.confidence == Confidence::possible) {
    EXPECT_FALSE(finding.unchecked.empty()) << "possible, but nothing is said that would settle it: " << words;
  }
  if (finding.severity == Severity::error) {
    EXPECT_FALSE(finding.evidence.empty()) << "an error without evidence: " << words;
    EXPECT_FALSE(finding.cause.empty()) << words;
  }
  for (const Evidence& evidence : finding.evidence) {
    if (!evidence.frame) continue;
    bool exists = std::any_of(capture.frames.begin(), capture.frames.end(), [&](const Frame& frame) {
      return frame.number == *evidence.frame && (!evidence.source || capture.vantages[frame.vantage].source == *evidence.source);
    });
    EXPECT_TRUE(exists) << "evidence cites frame " << *evidence.frame << " that does not exist: " << words;
  }
}

void judge(const Case& one, const Capture& capture, const Report& report) {
  std::string said;
  for (const Finding& finding : report.findings) said += "\n  " + describe(finding);
  if (said.empty()) said = " nothing";
  auto place = [&](const Expectation& expected) { return one.file + ":" + std::to_string(expected.line); };
  auto bad = [](const Finding& finding) { return finding.severity != Severity::info; };
  for (const Finding& finding : report.findings) check_promises(finding, capture);
  for (const Expectation& expected : one.expectations) {
    auto like = [&](const Finding& finding) { return matches(finding, expected); };
    switch (expected.kind) {
      case Expectation::Kind::found:
        EXPECT_TRUE(std::any_of(report.findings.begin(), report.findings.end(), like))
            << place(expected) << ": not found; said was:" << said;
        break;
      case Expectation::Kind::none:
        EXPECT_TRUE(std::none_of(report.findings.begin(), report.findings.end(), like))
            << place(expected) << ": must not be found; said was:" << said;
        break;
      case Expectation::Kind::clean:
        EXPECT_TRUE(std::none_of(report.findings.begin(), report.findings.end(), bad))
            << place(expected) << ": not clean; said was:" << said;
        break;
      case Expectation::Kind::only:
        for (const Finding& finding : report.findings) {
          bool listed = std::any_of(one.expectations.begin(), one.expectations.end(), [&](const Expectation& other) {
            return other.kind == Expectation::Kind::found && matches(finding, other);
          });
          EXPECT_TRUE(listed || !bad(finding)) << place(expected) << ": was not expected: " << describe(finding);
        }
        break;
    }
  }
}

void CaseTest::TestBody() {
  auto capture = build(case_);
  ASSERT_TRUE(capture.has_value()) << capture.error().message;
  keep(case_, *capture);
  AnalyzerOptions options;
  options.hash_seed = 1;
  Declaration declared;
  for (const std::string& text : case_.topology.services) {
    auto service = parse_service_option(text);
    ASSERT_TRUE(service.has_value()) << case_.file << ":" << case_.line << ": " << text << ": " << service.error().message;
    declared.services.push_back(std::move(service).value());
  }
  if (!declared.services.empty()) options.declared.push_back(std::move(declared));
  std::unique_ptr<StateDirectory> directory;
  if (!case_.state.empty()) {
    directory = std::make_unique<StateDirectory>(case_.state);
    auto state = read_state(directory->path());
    ASSERT_TRUE(state.has_value()) << case_.file << ":" << case_.line << ": " << state.error().message;
    options.state = std::make_shared<const KernelState>(std::move(state).value());
  }
  Analyzer analyzer(std::move(options));
  analyzer.feed(capture->frames, capture->vantages);
  judge(case_, *capture, analyzer.report(capture->statistics));
}

#else

void CaseTest::TestBody() {
  auto capture = build(case_);
  ASSERT_TRUE(capture.has_value()) << capture.error().message;
  keep(case_, *capture);
}

#endif

/// What each rule owes: one case at least that brings it, and one that looks like it and does not.
class CoverageTest : public testing::Test {
 public:
  explicit CoverageTest(const std::vector<Fixture>& fixtures) : fixtures_(fixtures) {}
  void TestBody() override {
    for (int code : codes_with_fixtures()) {
      std::string name = "LVS" + std::to_string(code);
      auto fixture = std::find_if(fixtures_.begin(), fixtures_.end(), [&](const Fixture& f) { return f.name == name; });
      if (fixture == fixtures_.end()) {
        ADD_FAILURE() << name << " has no fixture";
        continue;
      }
      bool fires = false, look_alike = false;
      for (const Case& one : fixture->cases) {
        bool expected = false, excluded = false;
        for (const Expectation& e : one.expectations) {
          expected = expected || (e.kind == Expectation::Kind::found && e.code == code);
          excluded = excluded || (e.kind == Expectation::Kind::none && e.code == code) || e.kind == Expectation::Kind::clean;
        }
        fires = fires || expected;
        look_alike = look_alike || (excluded && !expected && (!one.packets.empty() || !one.state.empty()));
      }
      EXPECT_TRUE(fires) << name << " has no case that brings it";
      EXPECT_TRUE(look_alike) << name << " has no look-alike";
    }
  }

 private:
  const std::vector<Fixture>& fixtures_;
};

/// Letters, digits and underscores: what a test's name may hold.
std::string test_name(const std::string& title, std::set<std::string>& used) {
  std::string name;
  for (char c : title) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  while (!used.insert(name).second) name += '_';
  return name;
}

}  // namespace
}  // namespace lvsnat::scenario

int main(int argc, char** argv) {
  using namespace lvsnat::scenario;
  testing::InitGoogleTest(&argc, argv);
  auto fixtures = read_fixtures();
  if (!fixtures) {
    std::cerr << fixtures.error().message << "\n";
    return 1;
  }
  for (const Fixture& fixture : *fixtures) {
    std::set<std::string> used;
    for (const Case& one : fixture.cases) {
      testing::RegisterTest(fixture.name.c_str(), test_name(one.title, used).c_str(), nullptr, nullptr, one.file.c_str(),
                            one.line, [&one]() -> testing::Test* { return new CaseTest(one); });
    }
  }
  testing::RegisterTest("Fixtures", "EveryRuleHasACaseAndALookAlike", nullptr, nullptr, __FILE__, __LINE__,
                        [&fixtures]() -> testing::Test* { return new CoverageTest(*fixtures); });
  return RUN_ALL_TESTS();
}
