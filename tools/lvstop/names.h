// Names of addresses, asked of the resolver by a thread of its own: a name server that does not answer holds up nothing else.
//
// Only addresses that came into sight are asked for, each once. Names come from strangers: they are made printable, and one that
// reads as an address is no name. Bounded: at most kMost are remembered; then it begins anew with what is in sight.
// Threads: every public function may be called from any thread and returns at once. A look-up that still runs when the object
// goes is left behind with its thread, which touches nothing of it and does no more.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "lvsnat/address.h"

namespace lvsnat::top {

using NameMap = std::map<Address, std::string>;

class Names {
 public:
  static constexpr std::size_t kMost = 4'096;
  /// The name of an address, empty: none. May take seconds.
  using LookUp = std::function<std::string(const Address&)>;

  /// `given`: names that need no look-up (--name).
  Names(const NameMap& given, LookUp look_up);
  ~Names();
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;

  void want(const std::set<Address>& addresses);
  /// What is known now; never null.
  [[nodiscard]] std::shared_ptr<const NameMap> known() const;
  /// Nothing is being looked up.
  [[nodiscard]] bool idle() const;
  /// Becomes readable when there are new names; known() makes it quiet. Owned by this object.
  [[nodiscard]] int wake_descriptor() const;

 private:
  struct Shared;
  static void run(const std::shared_ptr<Shared>& shared);
  std::shared_ptr<Shared> shared_;
  std::thread thread_;  // runs from the first wanted name on; of the caller of want()
};

/// What may be shown of a name that a resolver answered: printable, at most 64 columns; empty where it pretends to be an address.
std::string presentable_name(const std::string& answered);

}  // namespace lvsnat::top
