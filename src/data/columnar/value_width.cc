#include "columnar/value_width.h"

namespace millrace::columnar {

std::size_t width_of(Kind kind) {
  switch (kind) {
    case Kind::Boolean:
    case Kind::Int8:
      return 1;
    case Kind::Int16:
      return 2;
    case Kind::Int32:
    case Kind::Float32:
    case Kind::Date:
    case Kind::String:
    case Kind::Binary:
      return 4;
    case Kind::Decimal:
      return 16;
    default:
      return 8;
  }
}

}  // namespace millrace::columnar
