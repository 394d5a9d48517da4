#include "net/router.h"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

Request request(Method method, std::string_view target) {
  Request made;
  made.method = method;
  EXPECT_TRUE(parse_target(target, made).ok()) << target;
  return made;
}

Router example() {
  Router router;
  router.add(Method::Get, "/dags/{dag}/runs/{run}", [](const Request& r) {
    return Response::text(r.path_parameter("dag") + " " + r.path_parameter("run"));
  });
  router.add(Method::Post, "/dags/{dag}/runs",
             [](const Request&) { return Response::text("made", 202); });
  router.add(Method::Get, "/", [](const Request&) { return Response::text("root"); });
  return router;
}

TEST(Router, FillsThePartsOfThePattern) {
  EXPECT_EQ(example()(request(Method::Get, "/dags/weekly/runs/2013-12-01T05%3A00%3A00Z")).body,
            "weekly 2013-12-01T05:00:00Z");
  EXPECT_EQ(example()(request(Method::Get, "/dags/a%2Fb/runs/c")).body, "a/b c");
  EXPECT_EQ(example()(request(Method::Get, "/")).body, "root");
}

TEST(Router, HeadIsAnsweredByGet) {
  EXPECT_EQ(example()(request(Method::Head, "/")).status, 200);
}

TEST(Router, SaysWhichMethodsAPathAnswers) {
  const Response response = example()(request(Method::Delete, "/dags/weekly/runs"));
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.get("allow"), "POST");
}

TEST(Router, AnswersNothingElse) {
  for (const char* target : {"/dags", "/dags//runs/x", "/dags/weekly/runs/x/", "/x"})
    EXPECT_EQ(example()(request(Method::Get, target)).status, 404) << target;
}

TEST(Router, SaysWhatThereIs) {
  EXPECT_EQ(example()(request(Method::Get, "/x")).to_error().message(),
            "nothing answers at '/x'; there are GET /dags/{dag}/runs/{run}, POST /dags/{dag}/runs, "
            "GET /");
}

TEST(Target, IsDecodedPartByPart) {
  const Request r = request(Method::Get, "/a%20b/c?x=1%2B1&y&z=a=b");
  EXPECT_EQ(r.path, (std::vector<std::string>{"a b", "c"}));
  EXPECT_EQ(r.query_parameter("x"), "1+1");
  EXPECT_EQ(r.query_parameter("y"), "");
  EXPECT_EQ(r.query_parameter("z"), "a=b");
}

TEST(Target, RefusesWhatIsNoPath) {
  for (const char* target : {"", "a", "/a%zz", "/a b", "/a%00b", "/?x=%00"}) {
    Request r;
    EXPECT_FALSE(parse_target(target, r).ok()) << target;
  }
}

TEST(Target, PartsAreEncodedSoThatTheyReadBack) {
  const std::string hostile = "a/b ?&=%#\xC3\xBC";
  EXPECT_EQ(request(Method::Get, "/" + encode_part(hostile)).path,
            std::vector<std::string>{hostile});
}

TEST(Response, ErrorsTravelAsJsonAndReadBack) {
  const Error back = Response::error(Error(ErrorCode::NotFound, "no such run")).to_error();
  EXPECT_EQ(back.code(), ErrorCode::NotFound);
  EXPECT_EQ(back.message(), "no such run");
  EXPECT_EQ(Response::text("busy", 503).to_error().code(), ErrorCode::Unavailable);
}

}  // namespace
}  // namespace millrace::net
