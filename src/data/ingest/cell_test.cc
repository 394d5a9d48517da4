#include "ingest/cell.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/time.h"
#include "ingest/time_text.h"

namespace millrace::ingest {
namespace {

using columnar::Kind;

ColumnRule rule(const columnar::DataType& type) {
  return (*column_rules(columnar::Schema({{"x", type}})))[0];
}

TEST(Cell, ReadsIntegersStrictly) {
  struct Case {
    Kind kind;
    const char* text;
    Fault fault;
    std::int64_t value;
  };
  const std::vector<Case> cases = {
      {Kind::Int8, "127", Fault::None, 127},
      {Kind::Int8, "128", Fault::Range, 0},
      {Kind::Int8, "-128", Fault::None, -128},
      {Kind::Int8, "-129", Fault::Range, 0},
      {Kind::Int16, "-32768", Fault::None, -32768},
      {Kind::Int32, "2147483648", Fault::Range, 0},
      {Kind::Int64, "9223372036854775807", Fault::None, INT64_MAX},
      {Kind::Int64, "-9223372036854775808", Fault::None, INT64_MIN},
      {Kind::Int64, "9223372036854775808", Fault::Range, 0},
      {Kind::Int32, "", Fault::Type, 0},
      {Kind::Int32, " 1", Fault::Type, 0},
      {Kind::Int32, "+1", Fault::Type, 0},
      {Kind::Int32, "1.0", Fault::Type, 0},
      {Kind::Int32, "0x1", Fault::Type, 0},
      {Kind::Boolean, "TRUE", Fault::None, 1},
      {Kind::Boolean, "0", Fault::None, 0},
      {Kind::Boolean, "yes", Fault::Type, 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    Cell cell;
    EXPECT_EQ(read_text(rule(columnar::simple(c.kind)), c.text, cell), c.fault);
    EXPECT_EQ(cell.integer, c.value);
    EXPECT_EQ(cell.state == Cell::State::Value, c.fault == Fault::None);
  }
}

TEST(Cell, ReadsNumbersAsJsonWritesThem) {
  const ColumnRule wide = rule(columnar::simple(Kind::Float64));
  const ColumnRule narrow = rule(columnar::simple(Kind::Float32));
  Cell cell;
  EXPECT_EQ(read_text(wide, "-1.5e3", cell), Fault::None);
  EXPECT_EQ(cell.number, -1500);
  EXPECT_EQ(read_text(wide, "1e-999", cell), Fault::None);
  EXPECT_EQ(cell.number, 0);
  EXPECT_EQ(read_text(wide, "1e999", cell), Fault::Range);
  EXPECT_EQ(read_text(narrow, "1e39", cell), Fault::Range);
  EXPECT_EQ(read_text(narrow, "3e38", cell), Fault::None);
  for (const char* text : {"", "-", ".5", "5.", "01", "1e", "1e+", "+1", "nan", "inf", "1 ", "0x1"})
    EXPECT_EQ(read_text(wide, text, cell), Fault::Type) << text;
}

TEST(Cell, ReadsDecimalsExactlyOrNotAtAll) {
  const ColumnRule price = rule(columnar::decimal(6, 2));
  struct Case {
    const char* text;
    Fault fault;
    std::int64_t unscaled;
  };
  for (const Case& c : std::vector<Case>{{"12.5", Fault::None, 1250},
                                         {"-12.50000", Fault::None, -1250},
                                         {"9999.99", Fault::None, 999999},
                                         {"10000", Fault::Range, 0},
                                         {"0.001", Fault::Range, 0},
                                         {"99999999999999999999999", Fault::Range, 0},
                                         {"1.", Fault::Type, 0},
                                         {".5", Fault::Type, 0},
                                         {"1e2", Fault::Type, 0},
                                         {"-", Fault::Type, 0},
                                         {"1.2.3", Fault::Type, 0}}) {
    SCOPED_TRACE(c.text);
    Cell cell;
    EXPECT_EQ(read_text(price, c.text, cell), c.fault);
    EXPECT_EQ(cell.integer, c.unscaled);
  }
}

TEST(TimeText, AgreesWithTheBaseWhereBothRead) {
  for (const std::string text :
       {"2013-12-01T05:00:00Z", "2013-12-01T00:00:00-05:00", "2013-12-01 05:00:00", "2013-12-01",
        "2012-02-29T23:59:59.123456Z", "1969-12-31T23:59:59.5Z", "0001-01-02T00:00:00Z",
        "9999-12-30T23:59:59Z", "2013-12-01T05:00"}) {
    const auto ours = read_moment(text, Offset::Allowed);
    ASSERT_TRUE(ours) << text;
    EXPECT_EQ(Instant(Duration(*ours)), *parse_instant(text)) << text;
  }
  EXPECT_EQ(read_moment("2013-12-01 05:00:00 +0100", Offset::Allowed),
            read_moment("2013-12-01T04:00:00.000000999Z", Offset::Allowed));
}

TEST(TimeText, RefusesWhatIsNoMoment) {
  for (const char* text :
       {"", "2013", "2013-13-01", "2013-02-29", "2013-12-1", "2013-12-01T", "2013-12-01T24:00:00Z",
        "2013-12-01T05:60:00Z", "2013-12-01T05:00:60Z", "2013-12-01T05:00:00.Z",
        "2013-12-01T05:00:00+1", "2013-12-01T05:00:00+99:00", "2013-12-01T05:00:00ZZ",
        "2013-12-01T05:00:00 ", "0000-01-01", "13-12-01", "2013/12/01", "2013-12-01X05:00:00"})
    EXPECT_FALSE(read_moment(text, Offset::Allowed)) << text;
  EXPECT_FALSE(read_moment("2013-12-01T05:00:00Z", Offset::Refused));
  EXPECT_TRUE(read_moment("2013-12-01T05:00:00", Offset::Refused));
  EXPECT_FALSE(read_moment("2013-12-01T05:00:00", Offset::Required));
  EXPECT_FALSE(read_moment("2013-12-01", Offset::Required));
  EXPECT_TRUE(read_moment("2013-12-01T05:00:00Z", Offset::Required));
  EXPECT_TRUE(read_moment("2013-12-01T05:00:00-05:00", Offset::Required));
  EXPECT_FALSE(read_date("2013-12-01T05:00:00"));
  EXPECT_EQ(read_date("1970-01-02"), 1);
}

TEST(Cell, ShowsValuesShortAndReadable) {
  EXPECT_EQ(in_quotes("a\xff\n"), "\"a\\xFF \"");
  EXPECT_EQ(in_quotes(std::string(50, 'x')), "\"" + std::string(40, 'x') + "...\"");
  EXPECT_EQ(in_quotes(std::string(39, 'x') + "ü and more"), "\"" + std::string(39, 'x') + "...\"");
}

}  // namespace
}  // namespace millrace::ingest
