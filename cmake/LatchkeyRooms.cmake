# The layer table. A room is a folder of src/, a CMake target and a namespace. It may use the rooms its row names, and
# nothing else: not another room's headers (checked against every #include below) and not another room's libraries.
# Rows stand from the ground floor up; a row may only name rows above it in this file. There is no exception list.
#
#                 floor  room        may use                                              third-party libraries
set(LATCHKEY_LAYERS
  "0|base|                                                        |latchkey_boost_headers Boost::json fmt::fmt PkgConfig::UTF8PROC"
  "1|crypto|base                                                  |PkgConfig::SODIUM OpenSSL::Crypto"
  "1|net|base                                                     |latchkey_boost_headers Boost::url OpenSSL::SSL CURL::libcurl"
  "2|oauth|base crypto                                            |Boost::url"
  "2|wire|base                                                    |EXPAT::EXPAT"
  "2|vault|base crypto                                            |"
  "2|cloud|base crypto                                            |"
  "2|pages|base net                                               |"
  "3|catalog|base oauth                                           |"
  "3|store|base crypto                                            |SQLite::SQLite3 PostgreSQL::PostgreSQL"
  "4|people|base crypto vault store                               |PkgConfig::UTF8PROC"
  "5|grants|base crypto net oauth vault cloud catalog store people|"
  "6|doctor|base crypto net oauth cloud catalog store grants        |"
  "6|connectors|base net oauth wire catalog grants                |"
  "7|delivery|base crypto net wire vault store people grants connectors|"
  "8|doors|base net wire store people grants delivery             |"
  "8|console|base crypto net oauth vault pages catalog store people grants doctor delivery|"
  "8|relay|base crypto net oauth cloud pages catalog store        |"
  "8|sandbox|base crypto net oauth                                |"
  "9|app|base crypto net oauth wire vault cloud pages catalog store people grants doctor connectors delivery doors console relay sandbox|CLI11::CLI11 tomlplusplus::tomlplusplus PkgConfig::QRENCODE"
)

# What nearly every file includes, compiled once for all of them. Nothing of ours, so it opens no door between rooms and
# hides no warning; a file names what it uses all the same.
set(LATCHKEY_PRECOMPILED
  <algorithm> <array> <chrono> <cstdint> <filesystem> <functional> <map> <memory> <mutex> <optional> <set> <span> <string>
  <string_view> <utility> <vector> <boost/asio/any_io_executor.hpp> <boost/asio/awaitable.hpp> <boost/json.hpp> <fmt/format.h>)

# latchkey_precompile(TARGET OF [header...]): gives TARGET the common headers, and the named ones. What is compiled for OF
# serves all that name it without headers of their own; the two must be compiled alike.
function(latchkey_precompile target of)
  if(target STREQUAL of OR ARGN)
    target_precompile_headers(${target} PRIVATE ${LATCHKEY_PRECOMPILED} ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM ${of})
  endif()
endfunction()

function(_latchkey_row room out_rooms out_libraries)
  foreach(row IN LISTS LATCHKEY_LAYERS)
    if(row MATCHES "^([0-9])\\|${room}\\|([^|]*)\\|(.*)$")
      set(rooms "${CMAKE_MATCH_2}")
      set(libraries "${CMAKE_MATCH_3}")
      separate_arguments(rooms UNIX_COMMAND "${rooms}")
      separate_arguments(libraries UNIX_COMMAND "${libraries}")
      set(${out_rooms} "${rooms}" PARENT_SCOPE)
      set(${out_libraries} "${libraries}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "The room '${room}' has no row in cmake/LatchkeyRooms.cmake")
endfunction()

# Refuses an #include "ROOM/..." of a room that the row does not name. Tests may also include what their room may not
# (a test of people may build a SQLite store), never anything from a floor above: the link refuses that.
function(_latchkey_check_includes room rooms sources)
  foreach(source IN LISTS sources)
    file(STRINGS "${source}" includes REGEX "^#include \"[a-z0-9_]+/")
    foreach(line IN LISTS includes)
      string(REGEX REPLACE "^#include \"([a-z0-9_]+)/.*" "\\1" used "${line}")
      if(NOT used STREQUAL room AND NOT used IN_LIST rooms)
        list(JOIN rooms " " allowed)
        message(FATAL_ERROR "${source}: ${line}\nThe room '${room}' may use only: ${allowed} (cmake/LatchkeyRooms.cmake)")
      endif()
    endforeach()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
  endforeach()
endfunction()

# latchkey_room(NAME [TESTS_PRECOMPILE header...]): builds every .cpp of this folder (and its sub-folders) except tests into
# the static library latchkey_NAME, and every *_test.cpp into the test program NAME_tests, the named headers compiled once for all of them.
function(latchkey_room room)
  cmake_parse_arguments(PARSE_ARGV 1 ROOM "" "" "TESTS_PRECOMPILE")
  _latchkey_row(${room} rooms libraries)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp" "${CMAKE_CURRENT_SOURCE_DIR}/*.h")
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test(ing)?\\.(cpp|h)$")
  list(FILTER sources EXCLUDE REGEX "_test(ing)?\\.(cpp|h)$|/main\\.cpp$")
  _latchkey_check_includes(${room} "${rooms}" "${sources}")
  add_library(latchkey_${room} STATIC ${sources})
  set_target_properties(latchkey_${room} PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(latchkey_${room} PUBLIC "${CMAKE_SOURCE_DIR}/src" "${CMAKE_BINARY_DIR}/generated")
  set(lower "")
  foreach(used IN LISTS rooms)
    if(TARGET latchkey_${used})
      list(APPEND lower latchkey_${used})
    endif()
  endforeach()
  target_link_libraries(latchkey_${room} PUBLIC ${lower} fmt::fmt PRIVATE ${libraries})
  if(room STREQUAL "base")
    target_link_libraries(latchkey_base PUBLIC latchkey_boost_headers Boost::json)
  endif()
  latchkey_precompile(latchkey_${room} latchkey_base)
  set(programs ${tests})
  list(FILTER programs INCLUDE REGEX "\\.cpp$")
  if(LATCHKEY_TESTS AND programs AND NOT LATCHKEY_FUZZ)
    add_executable(${room}_tests ${tests})
    target_link_libraries(${room}_tests PRIVATE latchkey_${room} ${libraries} GTest::gmock GTest::gtest_main)
    # What the tests themselves say compiles three times as fast so; what they test is the room's objects, as they are released.
    target_compile_options(${room}_tests PRIVATE -O0 -U_FORTIFY_SOURCE)
    if(room STREQUAL "base")
      latchkey_precompile(base_tests base_tests <gmock/gmock.h> <gtest/gtest.h>)
    else()
      latchkey_precompile(${room}_tests base_tests ${ROOM_TESTS_PRECOMPILE})
    endif()
    set_property(GLOBAL APPEND PROPERTY LATCHKEY_TEST_PROGRAMS ${room}_tests)
  endif()
endfunction()

# The tests of all rooms, one name a line, for scripts/test.
function(latchkey_list_test_programs)
  get_property(programs GLOBAL PROPERTY LATCHKEY_TEST_PROGRAMS)
  add_custom_target(tests DEPENDS ${programs})
  set(lines "")
  foreach(program IN LISTS programs)
    string(APPEND lines "$<TARGET_FILE:${program}>\n")
  endforeach()
  file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/test-programs.txt" CONTENT "${lines}")
endfunction()
