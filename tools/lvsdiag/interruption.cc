#include "lvsdiag/interruption.h"

#include <atomic>
#include <csignal>

namespace lvsnat::tool {
namespace {

std::atomic<PacketSource*> interrupted_source{nullptr};

void on_interrupt(int) {
  if (PacketSource* source = interrupted_source.exchange(nullptr)) source->stop();
}

}  // namespace

Interruptible::Interruptible(PacketSource& source) {
  interrupted_source = &source;
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, &old_interrupt_);
  sigaction(SIGTERM, &action, &old_terminate_);
}

Interruptible::~Interruptible() {
  sigaction(SIGINT, &old_interrupt_, nullptr);
  sigaction(SIGTERM, &old_terminate_, nullptr);
  interrupted_source = nullptr;
}

}  // namespace lvsnat::tool
