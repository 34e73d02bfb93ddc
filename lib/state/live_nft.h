// The ruleset of nftables from the live kernel, as `nft -j list ruleset` prints it, so that live state and files are read by
// the same parser. Internal to lib/state.
//
// It is libnftables (libnftables.so.1, opened on demand) that turns the kernel's bytecode into rules; this library goes on
// without it where it is not installed. Threads: one caller at a time. Errors: gaps of the state.
#pragma once

#include <filesystem>

#include "lvsnat/state.h"

namespace lvsnat {

/// Fills `nft_json`, and `nft_text` where rules of iptables are among them (nft translates those in text only). `proc` is
/// /proc and `modules` /lib/modules; modules and kernel release of `state` must have been read. Nothing is asked of a kernel
/// that would have to load a module for the answer: without nf_tables there is no ruleset, which is known then.
void read_live_nft(const std::filesystem::path& proc, const std::filesystem::path& modules, KernelState& state);

/// What may be asked of netfilter without a module being loaded for it.
enum class NftPresence { present, absent, not_told };
NftPresence nft_presence(const std::filesystem::path& proc, const std::filesystem::path& modules, const KernelState& state);

}  // namespace lvsnat
