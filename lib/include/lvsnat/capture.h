// Capture files, live interfaces, and what is kept of them. Lives in liblvsnat-capture.so, which needs
// libpcap, libtins and the decompressors; programs that can do without load it on demand through
// lvsnat_capture_interface().
//
// Ownership: every function returns what the caller owns; frames borrow from their source until its next
// read(). Threads: a source or writer belongs to one thread at a time, stop() excepted (see source.h);
// free functions may be called from any. Errors: values; nothing here throws, save std::bad_alloc.
// Units: times in nanoseconds since the epoch, lengths in bytes unless the name says MiB.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/export.h"
#include "lvsnat/frame.h"
#include "lvsnat/probe.h"
#include "lvsnat/result.h"
#include "lvsnat/source.h"

namespace lvsnat {

/// What -r means beside its file name.
struct CaptureFileOptions {
  /// pcap filter expression (pcap-filter(7)), empty for every packet. Frame numbers count filtered packets too.
  std::string filter;
  std::uint16_t source_index = 0;  ///< becomes Vantage::source_index
};

/// Opens a capture file, or standard input for "-". pcap (micro- and nanoseconds, both byte orders, the
/// "modified" format of 1998) and pcapng (any number of sections, interfaces, link types and time resolutions)
/// are read by our own reader, everything else that libpcap understands through libpcap; gzip, zstd and xz are
/// told by content and unpacked as a stream. Memory stays bounded whatever the file says.
///
/// Each pcapng interface is a vantage of its own. A packet without a time stamp (pcapng Simple Packet Block)
/// gets that of the packet before it. Errors: not_found, no_permission, io; malformed for what is no capture;
/// usage for a filter that does not compile or a path that is a directory, a device or a FIFO (which could block
/// for ever; /dev/fd/N and /proc/self/fd/N, as process substitution gives them, are accepted).
LVSNAT_EXPORT Result<std::unique_ptr<PacketSource>> open_capture_file(const std::string& path,
                                                                      const CaptureFileOptions& options = {});

/// Several sources as one, ordered by time: always the earliest of the next frames of each; of equal ones, that of
/// the earlier source. Order inside a source is kept even where its times run backward. Vantages and statistics are
/// concatenated in the order given. Live sources never hold up each other: what has arrived is merged. A single source is
/// returned as it is. `sources` must not be empty.
LVSNAT_EXPORT std::unique_ptr<PacketSource> merge_sources(std::vector<std::unique_ptr<PacketSource>> sources);

struct LiveOptions {
  std::uint32_t snaplen = 256;    ///< bytes kept of a packet; 14 + 2 VLAN tags + IPv6 + ICMPv6 quote need 128
  std::uint32_t buffer_mib = 32;  ///< kernel ring; made smaller, and said so, where the kernel refuses
  bool promiscuous = false;       ///< never unless asked: a director's traffic is addressed to it
  std::string filter;             ///< pcap filter run by the kernel; empty keeps every packet
  std::uint16_t source_index = 0;
};

/// The present, as live captures tell time: the wall clock as it was when this process first asked or captured, going on
/// whatever is done to that clock since. Packets of live sources have times by it: an hour that somebody sets the clock back does
/// not put a reply before its request.
LVSNAT_EXPORT Timestamp capture_now() noexcept;
/// How far the wall clock was set since, in nanoseconds; 0: not, or less than can be told from a busy machine.
LVSNAT_EXPORT std::int64_t wall_clock_set_by() noexcept;

/// Captures on a network interface, or on all of them for "any" (cooked v2). read() returns within about 100 ms.
/// Drops, and times in which the interface was down, without carrier or gone, become Gap entries of the statistics. An
/// interface that was removed ends its source, even when one of the same name comes back. After stop(), what the kernel had
/// captured until then is still delivered (for 300 ms at most), then finished() is true.
/// Needs CAP_NET_RAW for this call only. Errors: not_found, no_permission (names the capability), usage (filter), io.
LVSNAT_EXPORT Result<std::unique_ptr<PacketSource>> open_live(const std::string& interface, const LiveOptions& options = {});

/// Whether a pcap filter compiles for a link type: ok, or an Error{usage} that quotes it.
LVSNAT_EXPORT Status check_filter(const std::string& expression, LinkType link = LinkType::ethernet);

/// One line of words for a cited frame, e.g. "10.1.1.2 > 192.168.1.254, TCP 80 > 40000 [SYN ACK] seq 7 ack 9 win 64240, no data,
/// TTL 64". At most 300 bytes, without control characters; bytes of payload are never shown. Decoded by libtins.
LVSNAT_EXPORT std::string describe_frame(const Frame& frame);

/// Keeps packets in a file. Nothing is lost in silence: a full disk is an Error of the write() or close() that met it; the file
/// is then cut back to its last whole record, and every later call returns the same error.
class LVSNAT_EXPORT CaptureWriter {
 public:
  enum class Format { pcapng, pcap };
  struct Options {
    Format format = Format::pcapng;
    /// Otherwise a path that exists is an error. Symbolic links are never followed.
    bool overwrite = false;
    std::string application = "lvsnat";  ///< pcapng shb_userappl
    std::string comment;                 ///< pcapng section comment
  };

  /// Creates the file with mode 0600; "-" is standard output. pcap files are written with nanosecond time stamps.
  /// Errors: usage (exists already, is a link or no regular file), no_permission, not_found, io.
  static Result<std::unique_ptr<CaptureWriter>> create(const std::string& path, const Options& options);

  CaptureWriter(const CaptureWriter&) = delete;
  CaptureWriter& operator=(const CaptureWriter&) = delete;
  virtual ~CaptureWriter();  ///< closes; errors of a close() that was left out are lost

  /// `vantages` is the table that frame.vantage indexes: in pcapng a vantage becomes an interface when its first packet comes,
  /// named by its interface where known, else by its source. `comment` (pcapng only) goes with the packet.
  /// Errors: io (disk full, ...), unsupported (a second link type in one pcap file), usage (no such vantage).
  virtual Status write(const Frame& frame, std::span<const Vantage> vantages, std::string_view comment = {}) = 0;
  /// Hands everything to the kernel.
  virtual Status flush() = 0;
  /// flush() and close. Later calls are errors, save close().
  virtual Status close() = 0;
  [[nodiscard]] virtual std::uint64_t packets() const = 0;  ///< accepted by write()

 protected:
  CaptureWriter() = default;
};

/// The packet itself, made by libtins: from the IP header on, or for Probe::Kind::neighbour over IPv4 the 28 bytes of ARP.
/// Errors: usage (addresses of two families, or none).
LVSNAT_EXPORT Result<std::vector<std::uint8_t>> probe_bytes(const Probe& probe);

/// Sends probes through raw sockets, as real packets go: by this host's routes and its output filter. Nothing is received.
class LVSNAT_EXPORT ProbeSender {
 public:
  /// One set of sockets for each address: this host's own, for probes that come from it, or the unspecified address of a family
  /// for any source. Needs CAP_NET_RAW for this call only. Errors: no_permission (names the capability), io (an address that
  /// is not this host's), unsupported.
  static Result<std::unique_ptr<ProbeSender>> open(std::span<const Address> sources);

  ProbeSender(const ProbeSender&) = delete;
  ProbeSender& operator=(const ProbeSender&) = delete;
  virtual ~ProbeSender();

  /// Errors: no_permission (this host's own output filter drops it), io (no route, interface down), usage (no socket of that
  /// source).
  virtual Status send(const Probe& probe) = 0;

 protected:
  ProbeSender() = default;
};

/// What a program that loads the library on demand gets from lvsnat_capture_interface(). Both sides must come from the same
/// release: check abi_version before anything else is touched.
struct CaptureInterface {
  static constexpr std::uint32_t kAbiVersion = 3;
  std::uint32_t abi_version;
  Result<std::unique_ptr<PacketSource>> (*open_capture_file)(const std::string& path, const CaptureFileOptions& options);
  Result<std::unique_ptr<PacketSource>> (*open_live)(const std::string& interface, const LiveOptions& options);
  std::unique_ptr<PacketSource> (*merge_sources)(std::vector<std::unique_ptr<PacketSource>> sources);
  Status (*check_filter)(const std::string& expression, LinkType link);
  std::string (*describe_frame)(const Frame& frame);
  Result<std::unique_ptr<CaptureWriter>> (*create_writer)(const std::string& path, const CaptureWriter::Options& options);
  Result<std::unique_ptr<ProbeSender>> (*open_probe_sender)(std::span<const Address> sources);
  Timestamp (*capture_now)() noexcept;
  std::int64_t (*wall_clock_set_by)() noexcept;
};

}  // namespace lvsnat

/// For dlsym(): a constant table that lives as long as the library is loaded. Do not dlclose() while sources or writers live.
extern "C" LVSNAT_EXPORT const lvsnat::CaptureInterface* lvsnat_capture_interface() noexcept;
