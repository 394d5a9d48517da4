# The libraries that Millrace stands on, as imported targets. scripts/setup installs them; docs/dependencies.md says
# why each was chosen.
set(MILLRACE_DEPS "$ENV{MILLRACE_DEPS}" CACHE PATH "folder that scripts/setup fills (default: ~/.cache/millrace/deps)")
if(NOT MILLRACE_DEPS)
  set(MILLRACE_DEPS "$ENV{HOME}/.cache/millrace/deps" CACHE PATH "" FORCE)
endif()

find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(absl REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(CURL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(LibArchive REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(simdjson REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
# Its -pthread defines _REENTRANT, which the headers precompiled for all rooms do not have; glibc needs it no more.
set_target_properties(PkgConfig::RE2 PROPERTIES INTERFACE_COMPILE_OPTIONS "" INTERFACE_LINK_OPTIONS "")

# DuckDB: static libraries and the C API's header, from the Go module that carries them.
set(MILLRACE_DUCKDB "${MILLRACE_DEPS}/duckdb-1.5.5")
if(NOT EXISTS "${MILLRACE_DUCKDB}/duckdb.h")
  message(FATAL_ERROR "DuckDB 1.5.5 is not in ${MILLRACE_DUCKDB}.\n  Run scripts/setup, which puts it there, then configure again.")
endif()
add_library(millrace_duckdb INTERFACE)
target_include_directories(millrace_duckdb SYSTEM INTERFACE "${MILLRACE_DUCKDB}")
set(duckdb_archives "")
foreach(archive duckdb_static duckdb_generated_extension_loader autocomplete_extension core_functions_extension
                icu_extension json_extension parquet_extension tpcds_extension tpch_extension duckdb_fastpforlib
                duckdb_fmt duckdb_fsst duckdb_hyperloglog duckdb_mbedtls duckdb_miniz duckdb_pg_query duckdb_re2
                duckdb_skiplistlib duckdb_utf8proc duckdb_yyjson duckdb_zstd)
  list(APPEND duckdb_archives "${MILLRACE_DUCKDB}/lib${archive}.a")
endforeach()
target_link_libraries(millrace_duckdb INTERFACE -Wl,--start-group ${duckdb_archives} -Wl,--end-group
                                                Threads::Threads ${CMAKE_DL_LIBS})

# XGBoost is loaded on first use from beside the binary or from here.
set(MILLRACE_XGBOOST "${MILLRACE_DEPS}/xgboost-cpu-3.2.0/xgboost/lib/libxgboost.so")

# FlatBuffers: headers alone, which stand among the system's; nothing of it is linked.
find_path(MILLRACE_FLATBUFFERS flatbuffers/flatbuffers.h)
if(NOT MILLRACE_FLATBUFFERS)
  message(FATAL_ERROR "flatbuffers/flatbuffers.h is missing.\n  Run scripts/setup, which installs libflatbuffers-dev, then configure again.")
endif()
