// What an FTP control connection says about its data connections (RFC 959, RFC 2428). Pure.
#pragma once

#include <cstdint>
#include <span>

#include "facts/facts.h"

namespace lvsnat {

/// True when the payload begins with a 227 or 229 reply or a PORT or EPRT command whose endpoint is readable.
bool parse_ftp_announcement(std::span<const std::uint8_t> payload, FtpAnnouncement& out);

}  // namespace lvsnat
