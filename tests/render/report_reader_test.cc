// What render_json() writes is read back; what strangers write is refused with the place of what is wrong.
#include <gtest/gtest.h>

#include <string>

#include "lvsnat/render.h"
#include "reports.h"

namespace lvsnat {
namespace {

Report trace_report() {
  Report r;
  r.tool = "lvstrace";
  r.tool_version = "0.1.0";
  r.host = "rs1";
  r.taken = 1'795'398'655'123'456'789;
  r.verdict = Verdict::error;
  r.director.addresses = {*parse_address("10.1.1.9")};
  r.notes = {"a note"};
  ReplyWay way;
  way.real_server = *parse_address("10.1.1.2");
  way.clients = {*parse_prefix("192.168.1.254/32"), *parse_prefix("0.0.0.0/0")};
  way.asked = way.redirected = true;
  way.way = ReplyWay::Way::gateway;
  way.gateway = *parse_address("10.1.1.1");
  way.interface = "eth0";
  way.expires = 283;
  way.route = "default via 10.1.1.1 dev eth0";
  way.code = 304;
  r.reply_ways = {way};
  Finding f;
  f.code = 304;
  f.title = "A redirect";
  f.cause = "Two\nlines.";
  f.subject.real_server = "10.1.1.2";
  f.subject.client = "192.168.1.254";
  f.count = 1;
  f.evidence.push_back({"ip route get", "live", std::nullopt, r.taken, std::nullopt});
  f.cure.push_back({Where::real_server, "ip route flush cache", "nothing"});
  f.unchecked = {"a question"};
  f.because.push_back({302, f.subject, 2});
  r.findings = {f};
  return r;
}

std::string why(const std::string& text) {
  const auto report = read_json_report(text);
  return report ? std::string() : report.error().message;
}

TEST(ReportReader, ReadsWhatIsWritten) {
  const Report written = trace_report();
  const std::string json = render_json(written);
  const auto read = read_json_report(json);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->host, "rs1");
  EXPECT_EQ(read->taken, written.taken);
  ASSERT_EQ(read->reply_ways.size(), 1u);
  EXPECT_EQ(read->reply_ways[0].clients, written.reply_ways[0].clients);
  EXPECT_EQ(read->reply_ways[0].expires, 283u);
  EXPECT_EQ(render_json(*read), json) << "nothing is lost on the way";
  for (const Report& report : {test::healthy_report(), test::redirect_report(), test::wrong_gateway_report(),
                               test::one_side_report(), test::hostile_report()}) {
    const auto again = read_json_report(render_json(report));
    EXPECT_TRUE(again) << again.error().message;
  }
}

TEST(ReportReader, SaysWhereSomethingIsWrong) {
  const std::string json = render_json(trace_report());
  const auto with = [&json](const std::string& old_text, const std::string& new_text) {
    std::string out = json;
    const std::size_t at = out.find(old_text);
    EXPECT_NE(at, std::string::npos) << old_text;
    return out.replace(at, old_text.size(), new_text);
  };
  EXPECT_NE(why(with("\"severity\": \"error\"", "\"severity\": 3")).find("findings[0].severity"), std::string::npos);
  EXPECT_NE(why(with("\"code\": \"LVS304\"", "\"code\": \"304\"")).find("LVS301"), std::string::npos);
  EXPECT_NE(why(with("\"192.168.1.254/32\"", "\"nonsense\"")).find("reply_ways[0].clients[0]"), std::string::npos);
  EXPECT_NE(why(with("\"expires\": 283", "\"expires\": -1")).find("reply_ways[0].expires"), std::string::npos);
  EXPECT_NE(why(with("2026-11-23T01:50:55", "2026-13-23T01:50:55")).find("taken"), std::string::npos);
  EXPECT_NE(why(with("\"schema\": 1", "\"schema\": 2")).find("schema 2"), std::string::npos);
}

TEST(ReportReader, RefusesWhatIsNoReport) {
  EXPECT_NE(why(""), "");
  EXPECT_NE(why("[]").find("no report"), std::string::npos);
  EXPECT_NE(why("{}").find("no report"), std::string::npos);
  EXPECT_NE(why("{\"type\":\"finding\"}\n{\"type\":\"report\"}\n").find("ndjson"), std::string::npos);
  EXPECT_NE(why(std::string(100'000, '[')).find("nested"), std::string::npos);
  EXPECT_NE(why("{\"schema\":1,\"tool\":\"lvstrace\",\"verdict\":\"ok\",\"sources\":[],\"topology\":{},\"findings\":{}}")
                .find("findings"),
            std::string::npos);
}

TEST(ReportReader, TextOfStrangersIsMadePrintable) {
  Report r = trace_report();
  std::string json = render_json(r);
  const std::size_t at = json.find("A redirect");
  json.replace(at, 10, "A\\u001b[31m\\u202e");
  const auto read = read_json_report(json);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->findings[0].title.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace lvsnat
