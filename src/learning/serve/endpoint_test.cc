#include "serve/endpoint.h"

#include <atomic>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "model/sample_model_fixture.h"
#include "net/http_client.h"

namespace millrace::serve {
namespace {

using net::Headers;
using net::HttpClient;
using net::Method;
using net::Response;

const Instant kNow = *parse_instant("2013-12-01T05:00:00Z");
const std::string kRow = "25,700,EV,false\n";

class Serving : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    first = new model::SampleModel(*model::make_sample_model(5));
    second = new model::SampleModel(*model::make_sample_model(6));
  }
  static void TearDownTestSuite() {
    delete first;
    delete second;
  }
  void SetUp() override { start({}); }

  void start(EndpointOptions options) {
    options.body_bytes_max = 100'000;
    Result<std::unique_ptr<Endpoint>> started = Endpoint::start(options);
    ASSERT_TRUE(started) << started.error().message();
    endpoint_ = *std::move(started);
  }

  void serve(const model::SampleModel& sample, std::int64_t version) {
    auto loaded = load_version(version, sample.artefact, sample.manifest);
    ASSERT_TRUE(loaded) << loaded.error().message();
    endpoint_->switch_to(*std::move(loaded), kNow);
  }

  /// The second model under another name.
  static model::SampleModel other() {
    model::SampleModel other = *second;
    other.manifest.model = "other";
    return other;
  }

  HttpClient client() { return HttpClient({.base_url = "http://" + endpoint_->address()}); }

  Response post(std::string_view body, const Headers& headers,
                std::string_view target = "/invocations") {
    Result<Response> response = client().send(Method::Post, target, body, headers);
    EXPECT_TRUE(response) << response.error().message();
    return response ? *std::move(response) : Response{};
  }

  static float score_of(const model::SampleModel& sample) {
    const auto predictor = *model::Predictor::load(sample.artefact, sample.manifest);
    model::FeatureRows row{.values = {}, .width = 4};
    const Json values[] = {25, 700, "EV", false};
    for (std::size_t i = 0; i < 4; ++i) {
      row.values.push_back(*predictor->encoder().encode(i, values[i], 1));
    }
    return predictor->predict(row)->front();
  }

  static model::SampleModel* first;
  static model::SampleModel* second;
  std::unique_ptr<Endpoint> endpoint_;
};
model::SampleModel* Serving::first = nullptr;
model::SampleModel* Serving::second = nullptr;

TEST_F(Serving, PingTellsWhetherAModelIsLoaded) {
  EXPECT_EQ(client().send(Method::Get, "/ping")->status, 503);
  EXPECT_EQ(post(kRow, {{"Content-Type", "text/csv"}}).status, 503);
  serve(*first, 1);
  EXPECT_EQ(client().send(Method::Get, "/ping")->status, 200);
}

TEST_F(Serving, AnswersCsvWithOneScorePerLine) {
  serve(*first, 3);
  const Response response = post(kRow + ",,,\n" + kRow, {{"Content-Type", "text/csv"}});
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.headers.get("Content-Type"), "text/csv; charset=utf-8");
  EXPECT_EQ(response.headers.get("X-Millrace-Model-Version"), "3");
  EXPECT_EQ(response.headers.get("X-Millrace-Model"), "sample");
  EXPECT_EQ(std::stof(response.body), score_of(*first));
  EXPECT_EQ(std::count(response.body.begin(), response.body.end(), '\n'), 3);
}

TEST_F(Serving, AnswersJsonAsTheBuiltInAlgorithmDoes) {
  serve(*first, 1);
  for (
      const char* body :
      {R"({"instances":[[25,700,"EV",false]]})",
       R"({"instances":[{"delay":25,"distance":700,"carrier":"EV","weekend":false}]})",
       R"({"dataframe_split":{"columns":["delay","distance","carrier","weekend"],"data":[[25,700,"EV",false]]}})",
       R"({"dataframe_records":[{"delay":25,"distance":700,"carrier":"EV","weekend":false}]})"}) {
    const Response response = post(body, {{"Content-Type", "application/json"}});
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.headers.get("Content-Type"), "application/json");
    const Json json = *Json::parse(response.body);
    EXPECT_EQ(static_cast<float>(json["predictions"].as_array()[0]["score"].as_double()),
              score_of(*first));
  }
}

TEST_F(Serving, AcceptDecidesTheAnswer) {
  serve(*first, 1);
  EXPECT_EQ(post(kRow, {{"Content-Type", "text/csv"}, {"Accept", "application/json"}})
                .headers.get("Content-Type"),
            "application/json");
  EXPECT_EQ(post(kRow, {{"Content-Type", "text/csv"}, {"Accept", "image/png"}}).status, 406);
}

TEST_F(Serving, RefusesByTheContainersStatuses) {
  serve(*first, 1);
  struct Case {
    const char* why;
    std::string body;
    const char* type;
    int status;
    const char* says;
  };
  const std::vector<Case> cases = {
      {"no body", "", "text/csv", 204, ""},
      {"another media type", kRow, "text/libsvm", 415, "text/libsvm"},
      {"another character set", kRow, "text/csv; charset=utf-16", 415, "in UTF-8"},
      {"no media type", kRow, "", 415, "Content-Type"},
      {"no JSON", "{", "application/json", 400, "not JSON"},
      {"no CSV", "1,\"", "text/csv", 400, "no CSV"},
      {"a member twice", R"({"instances":[{"delay":1,"delay":500}]})", "application/json", 400,
       "'delay'"},
      {"too few columns", "1,2\n", "text/csv", 400, "row 1 has 2 values"},
      {"NaN", "nan,700,EV,false\n", "text/csv", 400, "row 1, feature 'delay'"},
      {"NaN in JSON", R"({"instances":[[NaN,700,"EV",false]]})", "application/json", 400,
       "send null for a number that is not known"},
      {"a name twice", "delay,delay,carrier,weekend\n1,2,EV,false\n", "text/csv", 400,
       "the feature 'delay' is given twice"},
      {"a name that is no feature", R"({"instances":[{"dealy":1}]})", "application/json", 400,
       "did you mean 'delay'"},
      {"its code is of the rows", R"({"instances":[{"dealy":1}]})", "application/json", 400,
       R"("code":"invalid")"},
      {"too large", std::string(100'001, 'x'), "text/csv", 413,
       "the body is larger than 100000 bytes"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const Response response = post(c.body, {{"Content-Type", c.type}});
    EXPECT_EQ(response.status, c.status) << response.body;
    EXPECT_NE(response.body.find(c.says), std::string::npos) << response.body;
  }
  EXPECT_EQ(endpoint_->served().front().requests, 0U);
  EXPECT_EQ(endpoint_->served().front().refused, 12U);
}

TEST_F(Serving, ModelsAnswerUnderTheirNames) {
  serve(*first, 1);
  serve(other(), 9);
  const Headers csv = {{"Content-Type", "text/csv"}};
  EXPECT_EQ(std::stof(post(kRow, csv, "/models/other/invocations").body), score_of(*second));
  EXPECT_EQ(std::stof(post(kRow, csv, "/models/sample/invocations").body), score_of(*first));
  const Response unknown = post(kRow, csv, "/models/othr/invocations");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_NE(unknown.body.find("did you mean 'other'"), std::string::npos) << unknown.body;
  const Json models = *client().get_json("/models");
  ASSERT_EQ(models["models"].as_array().size(), 2U);
  EXPECT_EQ(models["models"].as_array()[0]["version"], Json(9));
  EXPECT_EQ(models["models"].as_array()[1]["requests"], Json(1));
  EXPECT_EQ(models["models"].as_array()[1]["since"], Json("2013-12-01T05:00:00Z"));
}

TEST_F(Serving, DefaultModelWaitsForItsOwn) {
  start({.default_model = "other"});
  serve(*first, 1);
  EXPECT_EQ(client().send(Method::Get, "/ping")->status, 503);
  const Response waiting = post(kRow, {{"Content-Type", "text/csv"}});
  EXPECT_EQ(waiting.status, 503);
  EXPECT_NE(waiting.body.find("the default model 'other' is not loaded"), std::string::npos)
      << waiting.body;
  serve(other(), 1);
  EXPECT_EQ(client().send(Method::Get, "/ping")->status, 200);
  EXPECT_EQ(std::stof(post(kRow, {{"Content-Type", "text/csv"}}).body), score_of(*second));
}

/// Whichever comes first: what is loaded in another order after a restart answers the same.
TEST_F(Serving, OfSeveralModelsNoneIsTheDefaultUnlessItIsSet) {
  for (const bool other_first : {false, true}) {
    SCOPED_TRACE(other_first);
    start({});
    serve(other_first ? other() : *first, 1);
    const Response alone = post(kRow, {{"Content-Type", "text/csv"}});
    EXPECT_EQ(alone.headers.get("X-Millrace-Model"), other_first ? "other" : "sample");
    serve(other_first ? *first : other(), 1);
    const Response refused = post(kRow, {{"Content-Type", "text/csv"}});
    EXPECT_EQ(refused.status, 409);
    EXPECT_NE(refused.body.find("several models are loaded: other, sample"), std::string::npos)
        << refused.body;
    EXPECT_EQ(client().send(Method::Get, "/ping")->status, 200);
    EXPECT_EQ(client().get_json("/models")->string_or("default_model", "?"), "");

    start({.default_model = "sample"});
    serve(other_first ? other() : *first, 1);
    serve(other_first ? *first : other(), 1);
    const Response chosen = post(kRow, {{"Content-Type", "text/csv"}});
    EXPECT_EQ(chosen.headers.get("X-Millrace-Model"), "sample");
  }
}

TEST_F(Serving, VersionThatCannotBeLoadedIsNoneToSwitchTo) {
  model::Manifest wrong = second->manifest;
  wrong.golden_rows[0].score += 0.5;
  struct Case {
    const char* why;
    std::string artefact;
    model::Manifest manifest;
  };
  const std::vector<Case> cases = {
      {"golden rows score differently", second->artefact, wrong},
      {"the artefact is cut off", second->artefact.substr(0, 500), second->manifest},
      {"the manifest is another model's", second->artefact, first->manifest},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const auto refused = load_version(2, c.artefact, c.manifest);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::Corruption);
    EXPECT_NE(refused.error().message().find("version 2 of model 'sample'"), std::string::npos);
  }
}

// What the clients of a hammering saw.
struct Seen {
  std::atomic<int> answers = 0;
  std::atomic<int> wrong = 0;
  std::atomic<int> of_second = 0;
};

void hammer(HttpClient client, const std::atomic<bool>& stop, float one, float two, Seen& seen) {
  while (!stop) {
    const Result<Response> response =
        client.send(Method::Post, "/invocations", kRow, {{"Content-Type", "text/csv"}});
    const bool answered = response && response->status == 200;
    const std::string version =
        answered ? std::string(response->headers.get("X-Millrace-Model-Version")) : "";
    // The score is that of the version in the header, never a mixture.
    const float expected = version == "2" ? two : one;
    if (!answered || std::stof(response->body) != expected) ++seen.wrong;
    if (version == "2") ++seen.of_second;
    ++seen.answers;
  }
}

TEST_F(Serving, SwitchingLosesNoRequest) {
  const float one = score_of(*first);
  const float two = score_of(*second);
  ASSERT_NE(one, two);
  serve(*first, 1);
  std::atomic<bool> stop = false;
  Seen seen;
  std::vector<std::thread> clients;
  clients.reserve(3);
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] { hammer(client(), stop, one, two, seen); });
  }
  for (int i = 0; i < 200; ++i) {
    const model::SampleModel& next = i % 2 == 0 ? *second : *first;
    serve(next, i % 2 == 0 ? 2 : 1);
  }
  // At least one answer of each version after the switches began.
  serve(*second, 2);
  const int before = seen.of_second;
  while (seen.of_second == before && seen.wrong == 0) std::this_thread::yield();
  stop = true;
  for (std::thread& thread : clients) thread.join();
  EXPECT_EQ(seen.wrong, 0);
  EXPECT_GT(seen.answers, 100);
  EXPECT_GT(seen.of_second, 0);
}

TEST_F(Serving, StopEndsTheListening) {
  serve(*first, 1);
  const std::string address = endpoint_->address();
  endpoint_->stop(std::chrono::seconds(5));
  const Result<Response> refused =
      HttpClient({.base_url = "http://" + address}).send(Method::Get, "/ping");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::Unavailable);
}

}  // namespace
}  // namespace millrace::serve
