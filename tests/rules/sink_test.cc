#include "rules/sink.h"

#include <gtest/gtest.h>

#include <string>

namespace lvsnat {
namespace {

const Rule& rule(int code) {
  const Rule* found = find_rule(code);
  EXPECT_NE(found, nullptr);
  return *found;
}

Subject about(std::string rip) {
  Subject subject;
  subject.real_server = std::move(rip);
  return subject;
}

TEST(FindingSink, AccusingAgainCountsAndKeepsTheWorst) {
  FindingSink sink;
  Finding& first = sink.accuse(rule(111), about("10.1.1.2"), Severity::warning, Confidence::likely);
  EXPECT_EQ(first.title, rule(111).title);
  Finding& again = sink.accuse(rule(111), about("10.1.1.2"), Severity::error, Confidence::possible);
  EXPECT_EQ(&first, &again);
  const auto found = sink.take();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].count, 2U);
  EXPECT_EQ(found[0].severity, Severity::error);
  EXPECT_EQ(found[0].confidence, Confidence::likely);
  EXPECT_TRUE(sink.empty());
}

TEST(FindingSink, OneFindingPerRealServerAndCodeInCodeOrder) {
  FindingSink sink;
  sink.accuse(rule(108), about("10.1.1.3"), Severity::error, Confidence::certain);
  sink.accuse(rule(101), about("10.1.1.3"), Severity::error, Confidence::certain);
  sink.accuse(rule(101), about("10.1.1.2"), Severity::error, Confidence::certain);
  const auto found = sink.take();
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].code, 101);
  EXPECT_EQ(found[0].subject.real_server, "10.1.1.3");
  EXPECT_EQ(found[1].code, 101);
  EXPECT_EQ(found[1].subject.real_server, "10.1.1.2");
  EXPECT_EQ(found[2].code, 108);
}

TEST(FindingSink, SubjectsThatOnlyConcatenateAlikeStayApart) {
  FindingSink sink;
  Subject a, b;
  a.service = "x;1:y";
  b.service = "x";
  b.director = "y";
  sink.accuse(rule(101), a, Severity::error, Confidence::certain);
  sink.accuse(rule(101), b, Severity::error, Confidence::certain);
  Subject empty_text;
  empty_text.client = "";
  sink.accuse(rule(101), empty_text, Severity::error, Confidence::certain);
  sink.accuse(rule(101), {}, Severity::error, Confidence::certain);
  EXPECT_EQ(sink.take().size(), 4U);
}

TEST(FindingSink, EvidenceIsAHandfulAndNeverTwiceTheSame) {
  FindingSink sink;
  Finding& finding = sink.accuse(rule(101), about("10.1.1.2"), Severity::error, Confidence::certain);
  for (std::uint32_t frame = 1; frame <= 100; ++frame) {
    Evidence evidence;
    evidence.text = "ARP for the client";
    evidence.frame = (frame + 1) / 2;
    FindingSink::prove(finding, evidence);
  }
  ASSERT_EQ(finding.evidence.size(), FindingSink::kEvidence);
  for (std::size_t i = 0; i < finding.evidence.size(); ++i) EXPECT_EQ(finding.evidence[i].frame, i + 1);
}

TEST(FindingSink, RecordsAreCitedOnceAndBounded) {
  FindingSink sink;
  Finding& finding = sink.accuse(rule(101), about("10.1.1.2"), Severity::error, Confidence::certain);
  for (std::uint32_t record = 0; record < 5000; ++record) {
    FindingSink::cite(finding, record / 2);
    FindingSink::cite(finding, record / 2);
  }
  EXPECT_EQ(finding.connections.size(), FindingSink::kConnections);
  EXPECT_EQ(finding.connections.front(), 0U);
  EXPECT_EQ(finding.connections.back(), FindingSink::kConnections - 1);
}

TEST(FindingSink, SubjectsOfOneCodeAreBoundedAndStillCounted) {
  FindingSink sink;
  constexpr std::size_t kClients = 5000;
  for (std::size_t i = 0; i < kClients; ++i) {
    Subject subject = about("10.1.1.2");
    subject.client = "client " + std::to_string(i);
    sink.accuse(rule(113), subject, Severity::warning, Confidence::certain);
  }
  for (std::size_t i = 0; i < kClients; ++i) {
    sink.accuse(rule(101), about("server " + std::to_string(i)), Severity::error, Confidence::certain);
  }
  const auto found = sink.take();
  EXPECT_LE(found.size(), 4 * FindingSink::kSubjects);
  std::size_t clients = 0;
  std::size_t servers = 0;
  for (const Finding& finding : found) (finding.code == 113 ? clients : servers) += finding.count;
  EXPECT_EQ(clients, kClients);
  EXPECT_EQ(servers, kClients);
}

TEST(FindingSink, MergeUnitesReports) {
  FindingSink sink;
  Finding& mine = sink.accuse(rule(304), about("10.1.1.2"), Severity::error, Confidence::likely);
  FindingSink::unchecked(mine, "the neighbour table");
  Finding theirs;
  theirs.code = 304;
  theirs.subject = about("10.1.1.2");
  theirs.confidence = Confidence::certain;
  theirs.count = 3;
  theirs.cause = "a redirect";
  theirs.unchecked = {"the neighbour table"};
  theirs.cure = {{Where::real_server, "ip route flush cache", std::nullopt}, {Where::real_server, "ip route flush cache", "x"}};
  sink.merge(theirs);
  const auto found = sink.take();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].count, 4U);
  EXPECT_EQ(found[0].confidence, Confidence::certain);
  EXPECT_EQ(found[0].cause, "a redirect");
  EXPECT_EQ(found[0].unchecked.size(), 1U);
  EXPECT_EQ(found[0].cure.size(), 1U);
}

}  // namespace
}  // namespace lvsnat
