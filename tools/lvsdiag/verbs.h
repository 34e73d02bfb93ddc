// What lvsdiag can be asked; each verb takes the parsed options and returns the exit status.
#pragma once

#include "lvsdiag/options.h"

namespace lvsnat::tool {

/// Captures, and kernel state if given, to a report.
int diagnose(const DiagnosisOptions& options);
/// Kernel state alone.
int check(const DiagnosisOptions& options);
/// Kernel state into a file.
int snapshot(const DiagnosisOptions& options);
/// Every finding that can be made, as a table.
int list_rules(const DiagnosisOptions& options);
/// One finding's page.
int explain(const DiagnosisOptions& options);

}  // namespace lvsnat::tool
