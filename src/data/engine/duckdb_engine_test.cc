// DuckDB keeps the law of the port.

#include "engine/engine_contract.h"

namespace millrace::engine {
namespace {

INSTANTIATE_TEST_SUITE_P(Duckdb, EngineContract,
                         testing::Values(EngineUnderTest{"duckdb", open_duckdb}));

}  // namespace
}  // namespace millrace::engine
