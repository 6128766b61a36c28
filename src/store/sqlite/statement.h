// A prepared statement while it is being used: values go in by bind(), rows come out by row() and read().
//
// Invariants: borrowed from a Connection's cache and given back, reset, when this object goes; used on one thread. The
// first failure sticks: later calls do nothing, row() is false, and failure() says what happened, so that a loop needs
// one check, after it.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"

namespace latchkey::store::sqlite {

// What an SQLite result code means to a caller of the Store: store_corrupt, store_unavailable, or a bug.
// `message` (sqlite3_errmsg) goes to the detail.
[[nodiscard]] Error error_of(int extended_code, std::string_view message);

class Statement {
 public:
  // `code` other than SQLITE_OK: preparing has failed, the statement is born failed.
  Statement(sqlite3* database, sqlite3_stmt* handle, int code) : database_(database), handle_(handle), code_(code) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  // Binds to ?1, ?2, ... in order, going on where the last bind() stopped.
  template <class... Values>
  Statement& bind(const Values&... values) {
    (bind_one(values), ...);
    return *this;
  }
  template <class... Fields>
  Statement& bind(const std::tuple<Fields&...>& fields) {
    std::apply([this](const auto&... values) { (this->bind_one(values), ...); }, fields);
    return *this;
  }

  // The next row; false at the end and after a failure.
  [[nodiscard]] bool row();
  // Reads the row's columns in order, going on where the last read() stopped.
  template <class... Values>
  void read(Values&... values) {
    (read_one(values), ...);
  }
  template <class... Fields>
  void read(const std::tuple<Fields&...>& fields) {
    std::apply([this](auto&... values) { (this->read_one(values), ...); }, fields);
  }

  // Runs to the end. The number of rows changed by an INSERT, UPDATE or DELETE (not by its triggers).
  std::int64_t run();

  [[nodiscard]] bool failed() const { return code_ != SQLITE_OK; }
  [[nodiscard]] int code() const { return code_; }  // extended
  [[nodiscard]] std::string message() const;
  [[nodiscard]] std::unexpected<Error> failure() const { return std::unexpected(error_of(code_, message())); }

 private:
  void bind_one(std::int64_t value);
  void bind_one(std::string_view value);
  void bind_one(const std::string& value) { bind_one(std::string_view(value)); }
  void bind_one(const char* value) { bind_one(std::string_view(value)); }
  void bind_one(ByteView value);
  void bind_one(const Bytes& value) { bind_one(ByteView(value)); }
  void bind_one(WallTime value) { bind_one(base::to_unix_ms(value)); }
  void bind_one(const std::optional<WallTime>& value);
  void bind_one(const std::vector<std::string>& lines);
  template <class Tag>
  void bind_one(const base::Id<Tag>& id) {
    bind_one(id.bytes());
  }
  template <class Number>
    requires(std::is_integral_v<Number> || std::is_enum_v<Number>)
  void bind_one(Number value) {
    bind_one(static_cast<std::int64_t>(value));
  }

  void read_one(std::int64_t& value) { value = sqlite3_column_int64(handle_, column_++); }
  void read_one(std::string& value);
  void read_one(Bytes& value);
  void read_one(WallTime& value) { value = base::from_unix_ms(sqlite3_column_int64(handle_, column_++)); }
  void read_one(std::optional<WallTime>& value);
  void read_one(std::vector<std::string>& lines);
  template <class Tag>
  void read_one(base::Id<Tag>& id) {
    const int column = column_++;
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(handle_, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
    if (const auto found = base::Id<Tag>::from_bytes({data, size})) {
      id = *found;
    } else {
      code_ = SQLITE_CORRUPT;
    }
  }
  template <class Number>
    requires(std::is_integral_v<Number> || std::is_enum_v<Number>)
  void read_one(Number& value) {
    value = static_cast<Number>(sqlite3_column_int64(handle_, column_++));
  }
  void check(int code);

  sqlite3* database_;
  sqlite3_stmt* handle_;
  int code_;
  int parameter_ = 0;
  int column_ = 0;
};

}  // namespace latchkey::store::sqlite
