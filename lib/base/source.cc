#include "lvsnat/source.h"

namespace lvsnat {

// Out of line, so that the vtable has one home: here, not in each library that implements sources.
PacketSource::~PacketSource() = default;

}  // namespace lvsnat
