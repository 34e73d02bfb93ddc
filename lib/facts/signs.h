// What a connection's legs amount to: the judgements that several rules share, made once.
//
// A single unpaired packet is no absence. Something is missing only after a retransmission that met the
// same fate, or a silence that the connection cannot explain, and only where the capture could have shown it.
#pragma once

#include <optional>

#include "facts/facts.h"

namespace lvsnat {

/// Tells of all suspects, once all else is known, what is missing: rules ask the next three over and over.
void note_missing(Facts&);
/// Leg 1 came and leg 2 did not follow (any more).
inline Missing missing_demasq(const Facts&, const Suspect& s) { return s.demasq; }
/// Leg 2 went out and leg 3 did not come to the director (any more). Replies that were seen on their way to another MAC do not
/// count.
inline Missing missing_reply(const Facts&, const Suspect& s) { return s.reply; }
/// One wire on which requests came and the reply was seen, and nothing tells whom the reply was sent to (a capture without MAC
/// addresses): it may have gone to the director, or past it.
bool may_pass_by(const Facts&, const Suspect&);
/// Leg 3 reached the director and leg 4 did not follow (any more). False without leg 1.
inline Missing missing_masq(const Facts&, const Suspect& s) { return s.masq; }

/// The reply leg was seen, but addressed to a MAC that is not the director's (a hub, a mirror port, a capture elsewhere).
bool reply_to_other_mac(const Facts&, const Suspect&);
/// That MAC; none if the reply goes to the director or nothing is known.
Mac reply_destination(const Facts&, const Suspect&);
/// Legs without the frames that were only seen on their way past the director.
LegString director_legs(const Facts&, const Suspect&);

/// Somebody asks for `target` again and again: three broadcasts or more at the pace of one who gets no answer, and none was
/// seen. Answers are unicast and pass other hosts by, so it is the repetition that tells. Probes of RFC 5227 want no answer.
bool insistent(const Question&);

/// One connection that is nothing but a SYN (see Facts::half_open).
bool is_half_open(const Facts&, const Connection&);
/// A client sends its SYN again after 1 s (3 s by RFC 1122).
inline constexpr Timestamp kRetryTime = 2 * kSecond;
/// Would a client whose first packet came then have tried again by the end of what was seen?
inline bool had_time_to_retry(const Facts& facts, Timestamp first) { return facts.last - first >= kRetryTime; }

/// Two hosts that both answer for an address. A failover announces itself: an address that changes hands by announcements,
/// now and then, is no conflict.
struct Conflict {
  Mac first, second;  // `first` is the director's where it is one of them
  /// Nothing: its claim was not seen, but its kernel still has the address.
  std::optional<FrameRef> first_frame;
  FrameRef second_frame;
  bool held = false;  // the director's kernel still had the address when the other one had claimed it
  Confidence confidence = Confidence::likely;
};
std::optional<Conflict> conflict_over(const Facts&, const Address&);

/// 00:00:5e:00:01:xx (IPv4) and 00:00:5e:00:02:xx (IPv6): RFC 5798.
bool is_vrrp_mac(const Mac&);

/// Clues of one kind on one leg.
const Clue* first_clue(const Suspect&, Clue::Kind, Leg);

/// A frame on this path was sent by the director.
bool sent_by_director(const Facts&, std::uint16_t path);

}  // namespace lvsnat
