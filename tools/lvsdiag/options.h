// lvsdiag's command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/options.h"
#include "lvsnat/address.h"

namespace lvsnat::tool {

enum class Verb { diagnose, check, snapshot, rules, explain, probe };

struct DiagnosisOptions : CommonOptions {
  Verb verb = Verb::diagnose;
  std::int64_t duration = 30'000'000'000;  // --for, nanoseconds; 0: until interrupted
  std::string connections;                 // --connections FILE
  std::string evidence;                    // --evidence FILE
  std::vector<std::string> reports;        // --with FILE: reports of lvstrace
  std::string snapshot = "-";              // snapshot [FILE]
  std::string finding;                     // explain ID
  std::vector<std::string> real_servers;   // probe [RIP...]
  std::vector<Address> clients;            // --client CIP
};

/// The options, or the exit status of a program that has nothing more to do.
std::variant<DiagnosisOptions, int> parse_diagnosis_options(int argc, char** argv);

}  // namespace lvsnat::tool
