// What lvsdiag can be asked; each verb takes the parsed options and returns the exit status.
#pragma once

#include "lvsdiag/options.h"

namespace lvsnat::tool {

/// Captures, and kernel state if given, to a report; without captures, watch().
int diagnose(const DiagnosisOptions& options);
/// This host: its kernel state, and what crosses its interfaces for a while.
int watch(const DiagnosisOptions& options);
/// Kernel state alone.
int check(const DiagnosisOptions& options);
/// Kernel state into a file.
int snapshot(const DiagnosisOptions& options);
/// The way-back test: echo requests to the real servers in the name of clients.
int probe(const DiagnosisOptions& options);
/// Every finding that can be made, as a table.
int list_rules(const DiagnosisOptions& options);
/// One finding's page.
int explain(const DiagnosisOptions& options);

}  // namespace lvsnat::tool
