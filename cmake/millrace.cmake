# millrace_room(<floor>/<room> [DEPS <room>...] [LIBRARIES <target>...])
#
# The static library of one room, and one test program of its *_test.cc and *_contract.cc. What tests share stands in
# *_fixture.{h,cc}, of which no product has anything: the .cc files are a library <room>_fixture that the room's test is
# linked with, and those of the rooms that use it. DEPS are the rooms that it may include, LIBRARIES the third-party
# targets that its .cc files use. The test `layers` compares DEPS with every #include. Headers are found as
# "<room>/<file>.h".
set(MILLRACE_LAYERS_FILE ${CMAKE_BINARY_DIR}/layers.txt)
file(WRITE ${MILLRACE_LAYERS_FILE} "")

# Tests are compiled without optimisation, and in a release without places for a debugger, whatever is done to what they
# test: it would be a third of their time, for nothing.
set(MILLRACE_TEST_OPTIONS ${MILLRACE_WARNINGS} -O0 $<$<CONFIG:Release>:-g0>)

# The standard headers that nearly every file needs, precompiled once for the rooms and once, with GoogleTest, for the
# tests.
if(MILLRACE_PCH)
  set(MILLRACE_PCH_HEADERS <algorithm> <chrono> <cstdint> <functional> <map> <memory> <optional> <span> <string>
                           <string_view> <utility> <variant> <vector>)
  file(WRITE ${CMAKE_BINARY_DIR}/precompiled/empty.cc "")
  add_library(precompiled STATIC ${CMAKE_BINARY_DIR}/precompiled/empty.cc)
  target_compile_options(precompiled PRIVATE ${MILLRACE_WARNINGS})
  target_precompile_headers(precompiled PRIVATE ${MILLRACE_PCH_HEADERS})
  if(MILLRACE_TESTS)
    add_library(precompiled_tests STATIC ${CMAKE_BINARY_DIR}/precompiled/empty.cc)
    target_compile_options(precompiled_tests PRIVATE ${MILLRACE_TEST_OPTIONS})
    target_link_libraries(precompiled_tests PRIVATE GTest::gtest)
    target_precompile_headers(precompiled_tests PRIVATE <gtest/gtest.h> ${MILLRACE_PCH_HEADERS})
  endif()
endif()

# A header, and the templates that it makes the compiler fill in, is read once for four files where MILLRACE_UNITY is on.
# What stands in an anonymous namespace is seen by the files after it: in a room its names differ from file to file.
function(millrace_compile_in_batches target)
  if(MILLRACE_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 4)
    # It says that a type of an anonymous namespace is no file's own any more.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

function(millrace_room place)
  cmake_parse_arguments(arg "" "" "DEPS;LIBRARIES" ${ARGN})
  get_filename_component(floor ${place} DIRECTORY)
  get_filename_component(room ${place} NAME)
  set(folder ${CMAKE_SOURCE_DIR}/src/${place})
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cc)
  file(GLOB headers CONFIGURE_DEPENDS ${folder}/*.h)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_(test|contract)\\.cc$")
  set(fixtures ${sources})
  list(FILTER fixtures INCLUDE REGEX "_fixture\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|contract|fixture)\\.cc$")
  list(FILTER headers EXCLUDE REGEX "_(contract|fixture)\\.h$")
  # Headers over a library's own (the engine's over DuckDB's C API) are for their room's .cc files alone.
  list(FILTER headers EXCLUDE REGEX "/duckdb_[a-z]+\\.h$")

  foreach(dep ${arg_DEPS})
    if(NOT TARGET ${dep})
      message(FATAL_ERROR "${place} depends on ${dep}, which is not declared before it in CMakeLists.txt")
    endif()
  endforeach()

  if(NOT sources)
    file(WRITE ${CMAKE_BINARY_DIR}/headers_only/${room}.cc "")
    set(sources ${CMAKE_BINARY_DIR}/headers_only/${room}.cc)
  endif()
  add_library(${room} STATIC ${sources})
  target_sources(${room} PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR}/src/${floor} FILES ${headers})
  set_target_properties(${room} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON OUTPUT_NAME millrace_${room})
  target_compile_options(${room} PRIVATE ${MILLRACE_WARNINGS})
  target_link_libraries(${room} PUBLIC ${arg_DEPS} PRIVATE ${arg_LIBRARIES})
  if(MILLRACE_PCH)
    target_precompile_headers(${room} REUSE_FROM precompiled)
  endif()
  millrace_compile_in_batches(${room})

  list(JOIN arg_DEPS "," names)
  file(APPEND ${MILLRACE_LAYERS_FILE} "${place}:${names}\n")

  if(fixtures AND MILLRACE_TESTS)
    add_library(${room}_fixture STATIC ${fixtures})
    target_compile_options(${room}_fixture PRIVATE ${MILLRACE_WARNINGS})
    target_link_libraries(${room}_fixture PUBLIC ${room} PRIVATE ${arg_LIBRARIES})
    if(MILLRACE_PCH)
      target_precompile_headers(${room}_fixture REUSE_FROM precompiled)
    endif()
  endif()

  if(tests AND MILLRACE_TESTS)
    add_executable(${room}_test ${tests})
    target_compile_options(${room}_test PRIVATE ${MILLRACE_TEST_OPTIONS})
    target_compile_definitions(${room}_test PRIVATE MILLRACE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    foreach(tested ${room} ${arg_DEPS})
      if(TARGET ${tested}_fixture)
        target_link_libraries(${room}_test PRIVATE ${tested}_fixture)
      endif()
    endforeach()
    target_link_libraries(${room}_test PRIVATE ${room} ${arg_LIBRARIES} GTest::gtest GTest::gtest_main)
    if(MILLRACE_PCH)
      target_precompile_headers(${room}_test REUSE_FROM precompiled_tests)
    endif()
    millrace_compile_in_batches(${room}_test)
    add_dependencies(unit_tests ${room}_test)
    add_test(NAME ${room} COMMAND ${room}_test --gtest_brief=1)
    set_tests_properties(${room} PROPERTIES LABELS unit TIMEOUT 600
                         ENVIRONMENT "MILLRACE_DEPS=${MILLRACE_DEPS}")
  endif()
endfunction()

# millrace_python_test(<name> <label> <file> [VENV <venv>] [DEPENDS <target>...])
#
# One file of Python tests, run by the interpreter of a venv that scripts/setup --tests made from
# tests/interop/requirements-<venv>.txt, or by the system's. It finds the programs in $MILLRACE_BIN.
function(millrace_python_test name label file)
  cmake_parse_arguments(arg "" "VENV" "" ${ARGN})
  set(python /usr/bin/python3)
  if(arg_VENV)
    set(python ${MILLRACE_DEPS}/venv-${arg_VENV}/bin/python)
  endif()
  add_test(NAME ${name} COMMAND ${python} ${CMAKE_SOURCE_DIR}/tests/run.py ${name} ${CMAKE_SOURCE_DIR}/${file})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 600
    ENVIRONMENT "MILLRACE_DEPS=${MILLRACE_DEPS};MILLRACE_BIN=${CMAKE_BINARY_DIR};MILLRACE_SOURCE=${CMAKE_SOURCE_DIR};PYTHONDONTWRITEBYTECODE=1")
endfunction()
