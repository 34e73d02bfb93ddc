#include "common/inputs.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/options.h"
#include "lvsnat/capture.h"

namespace lvsnat::tool {
namespace {

SourceStatistics refused(std::string_view tool, const std::string& name, const Error& error) {
  complain(tool, error.message);
  SourceStatistics statistics;
  statistics.name = name;
  statistics.refused = true;
  statistics.problem = error.message;
  return statistics;
}

}  // namespace

Inputs open_files(std::string_view tool, const CommonOptions& o) {
  Inputs inputs;
  std::vector<std::unique_ptr<PacketSource>> sources;
  for (std::size_t i = 0; i < o.read.size(); ++i) {
    auto opened = open_capture_file(o.read[i], {.filter = o.filter, .source_index = static_cast<std::uint16_t>(i)});
    if (opened) {
      sources.push_back(std::move(*opened));
    } else {
      inputs.refused.emplace(i, refused(tool, o.read[i], opened.error()));
    }
  }
  if (!sources.empty()) inputs.source = merge_sources(std::move(sources));
  return inputs;
}

Inputs open_interfaces(std::string_view tool, const CommonOptions& o, const CapturePlan& plan) {
  Inputs inputs;
  std::vector<std::unique_ptr<PacketSource>> sources;
  for (std::size_t i = 0; i < plan.interfaces.size(); ++i) {
    const std::string& name = plan.interfaces[i];
    LiveOptions live;
    live.snaplen = o.snaplen.value_or(live.snaplen);
    live.buffer_mib = o.buffer_mib.value_or(live.buffer_mib);
    live.promiscuous = o.promiscuous;
    live.source_index = static_cast<std::uint16_t>(i);
    live.filter = name == "any" ? plan.filter_untagged : plan.filter;
    auto opened = open_live(name, live);
    // Not every kind of interface has room for a tag, and libpcap refuses to look for one there.
    if (!opened && opened.error().code == ErrorCode::usage && live.filter != plan.filter_untagged) {
      live.filter = plan.filter_untagged;
      opened = open_live(name, live);
    }
    if (opened) {
      sources.push_back(std::move(*opened));
      continue;
    }
    SourceStatistics statistics = refused(tool, name, opened.error());
    statistics.interface = name;
    statistics.live = true;
    inputs.refused.emplace(i, std::move(statistics));
  }
  if (!sources.empty()) inputs.source = merge_sources(std::move(sources));
  return inputs;
}

std::vector<SourceStatistics> statistics_of(const Inputs& inputs) {
  std::vector<SourceStatistics> all;
  if (inputs.source) all = inputs.source->statistics();
  for (const auto& [position, statistics] : inputs.refused) {
    all.insert(all.begin() + static_cast<std::ptrdiff_t>(std::min(position, all.size())), statistics);
  }
  return all;
}

}  // namespace lvsnat::tool
