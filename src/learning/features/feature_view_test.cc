#include "features/feature_view.h"

#include <gtest/gtest.h>

namespace millrace::features {
namespace {

constexpr const char* kFlights = R"({
  "entities": [{"name": "plane", "join_keys": ["tailnum"]},
               {"name": "airport", "join_keys": "airport"}],
  "feature_views": [
    {"name": "plane_history", "entities": ["plane"], "source": "plane_history",
     "timestamp_field": "landed_at", "created_timestamp_column": "delivered_at", "ttl": "2d",
     "features": [{"name": "last_delay", "type": "DOUBLE"}, "flights"]},
    {"name": "airport_rates", "entities": ["airport"], "source": "rates", "mode": "latest_event",
     "timestamp_field": "hour", "features": ["late_rate"]}],
  "training_sets": [
    {"name": "training", "labels": "labels", "key": "flight_id", "timestamp": "score_time",
     "label": "late", "split": "part", "embargo": "30m",
     "request_columns": [{"name": "distance", "known_at": "scheduled_at - INTERVAL 30 DAY"},
                         {"name": "origin", "known_at": "scheduled_at"}],
     "entity_columns": [{"name": "tailnum", "known_at": "scheduled_at - INTERVAL 2 HOUR"},
                        {"name": "dest", "known_at": "scheduled_at"}],
     "features": ["plane_history:last_delay",
                  {"feature": "airport_rates:late_rate", "as": "origin_rate", "on": {"airport": "origin"}},
                  {"feature": "airport_rates:late_rate", "as": "dest_rate", "on": {"airport": "dest"}}]}]
})";

Result<Definitions> read(std::string_view text) {
  Definitions definitions;
  const auto json = Json::parse(text);
  EXPECT_TRUE(json.ok()) << text;
  std::vector<Error> errors;
  read_definitions(*json, definitions, errors);
  if (errors.empty()) resolve(definitions, errors);
  if (!errors.empty()) return errors.front();
  return definitions;
}

std::vector<std::string> texts(const std::vector<Error>& errors) {
  std::vector<std::string> texts;
  for (const Error& error : errors) texts.push_back(error.message());
  return texts;
}

TEST(FeatureView, ReadsWhatAProjectDefines) {
  const auto read_back = read(kFlights);
  ASSERT_TRUE(read_back.ok()) << read_back.error().message();
  const FeatureView& view = read_back->views.front();
  EXPECT_EQ(view.join_keys, std::vector<std::string>{"tailnum"});
  EXPECT_EQ(view.ttl, Duration(std::chrono::hours(48)));
  EXPECT_EQ(view.mode, Mode::AsKnown);
  EXPECT_EQ(view.features[0].type, columnar::simple(columnar::Kind::Float64));
  EXPECT_FALSE(view.features[1].type.has_value());
  const TrainingSet& set = read_back->training_sets.front();
  EXPECT_EQ(set.embargo, Duration(std::chrono::minutes(30)));
  EXPECT_EQ(set.features[0].alias, "last_delay");
  EXPECT_EQ(set.request_columns[0].known_at, "scheduled_at - INTERVAL 30 DAY");
  EXPECT_EQ(set.entity_columns[0].known_at, "scheduled_at - INTERVAL 2 HOUR");
  EXPECT_EQ(joined_columns(set, read_back->views),
            (std::vector<std::string>{"tailnum", "origin", "dest"}));
}

struct Refused {
  const char* why;
  std::string from;
  std::string to;
  const char* says;
};

TEST(FeatureView, RefusesSlipsWithTheirPlace) {
  const std::vector<Refused> cases = {
      {"a member misspelt", "\"timestamp_field\": \"landed_at\"",
       "\"timestamp_feld\": \"landed_at\"",
       "feature_views 1 (plane_history): unknown member 'timestamp_feld'; did you mean "
       "'timestamp_field'?"},
      {"an entity misspelt", "\"entities\": [\"plane\"]", "\"entities\": [\"plne\"]",
       "feature view plane_history: no entity 'plne'; did you mean 'plane'?"},
      {"a view misspelt", "[\"plane_history:last_delay\"", "[\"plane_histry:last_delay\"",
       "no feature view 'plane_histry'; did you mean 'plane_history'?"},
      {"a feature misspelt", "[\"plane_history:last_delay\"", "[\"plane_history:last_dely\"",
       "has no feature 'last_dely'; did you mean 'last_delay'? If it is the view that misspells "
       "it, "
       "mend it there"},
      {"no view at all", "[\"plane_history:last_delay\"", "[\"last_delay\"",
       "write it as view:feature"},
      {"two columns of one name", "\"as\": \"dest_rate\"", "\"as\": \"ORIGIN_RATE\"",
       "there is a column 'ORIGIN_RATE' already"},
      {"a feature named like the label", "\"as\": \"dest_rate\"", "\"as\": \"late\"",
       "there is a column 'late' already"},
      {"a key that the view has not", "{\"airport\": \"dest\"}", "{\"airprt\": \"dest\"}",
       "no join key 'airprt'; did you mean 'airport'?"},
      {"a ttl that is none", "\"ttl\": \"2d\"", "\"ttl\": \"two days\"",
       "feature_views 1 (plane_history): ttl"},
      {"a ttl without a time", "\"timestamp_field\": \"landed_at\", ", "",
       "need a timestamp_field"},
      {"a mode of its own", "\"latest_event\"", "\"last_event\"", "did you mean 'latest_event'?"},
      {"a type of its own", "\"DOUBLE\"", "\"DUBLE\"",
       "feature_views 1 (plane_history): features: type"},
      {"a request column without its time", ", \"known_at\": \"scheduled_at - INTERVAL 30 DAY\"",
       "",
       "the member 'known_at' is missing: the moment from which the value was known, a column of "
       "the "
       "labels such as the scoring time, or SQL over their columns"},
      {"an entity column without its time", ", \"known_at\": \"scheduled_at - INTERVAL 2 HOUR\"",
       "", "training_sets 1 (training): entity_columns: the member 'known_at' is missing"},
      {"the label sent by the caller", "\"name\": \"distance\"", "\"name\": \"LATE\"",
       "training set training: the request column 'LATE' is the label"},
      {"features joined by the label", "\"on\": {\"airport\": \"dest\"}",
       "\"on\": {\"airport\": \"Late\"}", "the column to join by 'Late' is the label"},
      {"an entity column that nothing is joined by", "{\"name\": \"tailnum\",",
       "{\"name\": \"tailnumb\",",
       "no feature is joined by the entity column 'tailnumb'; did you mean 'tailnum'?"},
      {"a column declared twice", "{\"name\": \"dest\",", "{\"name\": \"ORIGIN\",",
       "the column 'ORIGIN' is declared twice"},
      {"a key of nothing", "\"key\": \"flight_id\"", "\"key\": []",
       "key: expected a list of texts"},
      {"an embargo that is a number", "\"embargo\": \"30m\"", "\"embargo\": 30",
       "embargo: expected a text"},
  };
  for (const Refused& c : cases) {
    SCOPED_TRACE(c.why);
    std::string text = kFlights;
    const auto at = text.find(c.from);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, c.from.size(), c.to);
    const auto read_back = read(text);
    ASSERT_FALSE(read_back.ok());
    EXPECT_NE(read_back.error().message().find(c.says), std::string::npos)
        << read_back.error().message();
  }
}

TEST(FeatureView, NamesAreTakenOnceAcrossDocuments) {
  Definitions definitions;
  const Json document = *Json::parse(kFlights);
  std::vector<Error> errors;
  read_definitions(document, definitions, errors);
  read_definitions(document, definitions, errors);
  ASSERT_EQ(texts(errors), std::vector<std::string>());
  resolve(definitions, errors);
  ASSERT_FALSE(errors.empty());
  EXPECT_NE(errors.front().message().find("defined twice"), std::string::npos);
}

TEST(FeatureView, AllMistakesOfADefinitionAreKnownAtOnce) {
  Definitions definitions;
  std::vector<Error> errors;
  read_definitions(*Json::parse(R"({"feature_views": [
      {"name": "planes", "entites": "plane", "source": 3, "ttl": "long", "features": [{"nam": "a"}, 1]},
      {"name": "weather", "entities": "airfield", "source": "weather", "features": ["rain"]}]})"),
                   definitions, errors);
  const std::string place = "feature_views 1 (planes): ";
  EXPECT_EQ(
      texts(errors),
      (std::vector<std::string>{
          place + "unknown member 'entites'; did you mean 'entities'?",
          place + "the member 'entities' is missing",
          place + "source: expected a text; found integer",
          place + "ttl: 'long' is not a duration; write a number and ms, s, m, h, d or w, such as "
                  "30s, 5m, 2h or 1h30m",
          place + "features: unknown member 'nam'; did you mean 'name'?",
          place + "features: expected an object; found integer"}));
  ASSERT_EQ(definitions.views.size(), 1U) << "one that is whole is kept";
  EXPECT_EQ(definitions.views[0].name, "weather");
}

TEST(FeatureView, AKnownColumnThatIsOnlyANameIsToldTheForm) {
  Definitions definitions;
  std::vector<Error> errors;
  read_definitions(*Json::parse(R"({"training_sets": [
      {"name": "late", "labels": "labels", "key": "id", "timestamp": "at",
       "request_columns": ["qty"], "entity_columns": ["shop", 1]}]})"),
                   definitions, errors);
  const std::string place = "training_sets 1 (late): ";
  const std::string moment =
      ", known_at: ...}, the moment from which the value was known, a column of the labels such as "
      "the scoring time, or SQL over their columns; found ";
  EXPECT_EQ(texts(errors),
            (std::vector<std::string>{
                place + "request_columns: expected {name: qty" + moment + "string",
                place + "entity_columns: expected {name: shop" + moment + "string",
                place + "entity_columns: expected {name: ..." + moment + "integer"}));
}

TEST(FeatureView, AllReferencesThatLeadNowhereAreKnownAtOnce) {
  Definitions definitions;
  std::vector<Error> errors;
  read_definitions(*Json::parse(R"({
      "entities": [{"name": "plane", "join_keys": "tailnum"}],
      "feature_views": [{"name": "planes", "entities": ["plane", "plne"], "source": "planes",
                         "features": ["seats", "seats"]}],
      "training_sets": [{"name": "late", "labels": "labels", "key": "id", "timestamp": "at",
                         "features": ["planes:seat", "plans:seats"]}]})"),
                   definitions, errors);
  ASSERT_EQ(texts(errors), std::vector<std::string>());
  resolve(definitions, errors);
  EXPECT_EQ(texts(errors),
            (std::vector<std::string>{
                "feature view planes: no entity 'plne'; did you mean 'plane'?",
                "feature view planes: feature 'seats' is defined twice; rename one",
                "training set late: feature planes:seat: the view planes has no feature 'seat'; "
                "did you mean 'seats'? If it is the view that misspells it, mend it there",
                "training set late: feature plans:seats: no feature view 'plans'; did you mean "
                "'planes'?"}));
}

}  // namespace
}  // namespace millrace::features
