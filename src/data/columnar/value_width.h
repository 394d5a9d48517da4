#pragma once

#include <cstddef>

#include "columnar/schema.h"

namespace millrace::columnar {

/// Bytes of one value in an Arrow array's buffer: of a text the offset, of a boolean while it is
/// built (a byte, which becomes a bit).
std::size_t width_of(Kind kind);

}  // namespace millrace::columnar
