#include <string>
#include <vector>

#include "base/text.h"
#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/sink.h"

namespace lvsnat::rules {
namespace {

void check(const Facts& facts, FindingSink& sink) {
  for (const SourceStatistics& s : facts.sources) {
    std::vector<std::string> wrong;
    if (s.refused) wrong.push_back("could not be read" + (s.problem ? ": " + *s.problem : std::string()));
    if (s.dropped.value_or(0) != 0)
      wrong.push_back(std::to_string(*s.dropped) + " packets were dropped before they could be captured");
    if (s.truncated)
      wrong.push_back("ends inside a packet: the file was cut" +
                      (s.problem && !s.refused ? " (" + *s.problem + ")" : std::string()));
    if (s.damaged && !s.refused)
      wrong.push_back("is damaged: what follows was not read" + (s.problem ? " (" + *s.problem + ")" : std::string()));
    for (const SourceStatistics::Gap& gap : s.gaps) {
      if (wrong.size() >= FindingSink::kEvidence) break;
      wrong.push_back("nothing was captured for " + to_duration(gap.to - gap.from) +
                      (gap.why.empty() ? std::string() : ": " + gap.why));
    }
    if (wrong.empty()) continue;
    Subject subject;
    subject.interface = s.interface && !s.interface->empty() ? *s.interface : printable(s.name, 200);
    Finding& f = sink.accuse(capture_incomplete, subject, Severity::warning, Confidence::certain);
    f.title =
        s.refused ? printable(s.name, 200) + " could not be read" : "The capture " + printable(s.name, 200) + " is incomplete";
    f.cause = s.refused ? "What this input would have shown is not part of this report."
                        : "Packets are missing that were on the wire, so a leg that was not seen may have been there: what rests "
                          "on an absence is withdrawn or marked as possible.";
    for (std::string& text : wrong) {
      Evidence e;
      e.text = printable(text, 400);
      e.source = s.name;
      FindingSink::prove(f, std::move(e));
    }
    if (s.dropped.value_or(0) != 0)
      f.cure.push_back(
          Cure{Where::director,
               "tcpdump -B 65536 -s 128 -w FILE ...   # a larger buffer and shorter packets (for lvsdiag: -B 64 -s 128)",
               std::nullopt});
  }
}

}  // namespace

constinit const Rule capture_incomplete{
    .code = 901,
    .id = "capture-incomplete",
    .severity = Severity::warning,
    .where = "any",
    .title = "The capture is incomplete",
    .page = R"md(
## What it means

Packets are missing from what was read: the kernel or the interface dropped
some, a file is cut or damaged, or an interface was down for a while. What was
seen was seen; what was not seen may have been there. Every verdict of absence
that the gap could have caused is withdrawn, so a fault may be missing from this
report.

## How it looks

The report's list of sources tells: packets dropped, `truncated`, `damaged`, or
refused.
Leg strings have `?` where `-` could have stood. tcpdump says it at its end:

    123456 packets captured
    789 packets dropped by kernel

## How it comes about

The ring buffer was too small for a burst; the disk was slower than the traffic;
the capture was killed, or the file copied while it grew; the file system was
full; the interface went down; one of several files cannot be read or is no
capture. Captures on `any` lose packets without saying so.

## How to check by hand

    capinfos eth0.pcap                   # packets, "cut short"?
    ip -s -s link show eth0              # dropped, missed
    df -h .

## Cure

Capture again, with less to do for the machine: only the cluster's packets, a
bigger buffer, no resolving:

    tcpdump -ni eth1 -s 128 -B 64 -w eth1.pcap host 10.1.1.2 or arp or icmp
    lvsdiag -i eth0 -i eth1 -B 64 -s 128

(128 bytes cover TCP headers with options and quoted packets; FTP needs `-s 0`.)
For long captures rotate: `-C 500 -W 10`. To keep a larger ring there is nothing
to configure beyond the option.

## Nearest look-alikes

- LVS902: nothing was lost, a side was not captured at all.
- LVS903: nothing of a service was in it.
- LVS125: the network lost packets, not the capture: holes with retransmissions.
- A snaplen that is too short: packets are counted as truncated, one by one.

## What this tool needs to see to say so

Drop counters of a live capture or in pcapng statistics, a record that goes
beyond the end of the file, an interface-down notice, or an input that could not
be read. A plain pcap file does not tell drops: they show at most as holes in
TCP sequences. With one of several inputs refused it still diagnoses the rest.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
