// The body of a scoring request. First byte: 'c' for CSV, anything else for JSON.

#include "fuzz.h"
#include "serve/scoring.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  static const model::FeatureEncoder kEncoder = [] {
    std::vector<model::Feature> features(3);
    features[0] = {.name = "delay", .type = "DOUBLE"};
    features[1] = {.name = "carrier",
                   .kind = model::FeatureKind::Category,
                   .type = "VARCHAR",
                   .categories = {"AA", "UA"}};
    features[2] = {.name = "weekend", .type = "BOOLEAN"};
    return *model::FeatureEncoder::make(std::move(features));
  }();
  if (size == 0) return 0;
  const std::string_view body = text_of(data + 1, size - 1);
  const Result<model::FeatureRows> rows =
      data[0] == 'c' ? serve::read_csv(kEncoder, body) : serve::read_json(kEncoder, body);
  if (!rows.ok()) {
    INVARIANT(!rows.error().message().empty(), "a refusal says why");
    return 0;
  }
  INVARIANT(rows->values.size() % 3 == 0, "rows have the model's width");
  return 0;
}
