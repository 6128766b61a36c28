// Values on their way to a statement, and rows on their way back, in PostgreSQL's binary form: integers as int8, ids as uuid,
// octets as bytea, texts as text. Times are milliseconds since 1970, as in SQLite.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/id.h"

// Of libpq, named here so that only the connection includes it.
struct pg_result;

namespace latchkey::store::postgres {

// A value: the parameters of one statement, $1, $2, ...
class Values {
 public:
  Values() = default;
  template <class... Each>
  explicit Values(const Each&... each) {
    add(each...);
  }
  template <class... Each>
  Values& add(const Each&... each) {
    (add_one(each), ...);
    return *this;
  }
  template <class... Fields>
  Values& add(const std::tuple<Fields&...>& fields) {
    std::apply([this](const auto&... each) { (this->add_one(each), ...); }, fields);
    return *this;
  }

  struct Value {
    unsigned type = 0;  // its oid
    bool null = false;
    std::string octets;
  };
  [[nodiscard]] const std::vector<Value>& all() const { return values_; }

 private:
  void add_one(std::int64_t value);
  // PostgreSQL keeps neither a zero octet nor malformed UTF-8 in a text: both become U+FFFD.
  void add_one(std::string_view text);
  void add_one(const std::string& text) { add_one(std::string_view(text)); }
  void add_one(const char* text) { add_one(std::string_view(text)); }
  void add_one(ByteView octets);
  void add_one(const Bytes& octets) { add_one(ByteView(octets)); }
  void add_one(WallTime time) { add_one(base::to_unix_ms(time)); }
  void add_one(const std::optional<WallTime>& time);
  void add_one(const std::vector<std::string>& lines);
  template <class Tag>
  void add_one(const base::Id<Tag>& id) {
    add_id(id.bytes());
  }
  template <class Number>
    requires(std::is_integral_v<Number> || std::is_enum_v<Number>)
  void add_one(Number value) {
    add_one(static_cast<std::int64_t>(value));
  }
  void add_id(ByteView octets);

  std::vector<Value> values_;
};

// A text as the database will give it back.
[[nodiscard]] std::string storable(std::string_view text);

// A statement's rows. Movable. Reading the wrong type is a bug and aborts.
class Rows {
 public:
  Rows() = default;
  explicit Rows(pg_result* result);

  // The next row; false at the end.
  [[nodiscard]] bool row();
  // Reads the row's columns in order, going on where the last read() stopped.
  template <class... Each>
  void read(Each&... each) {
    (read_one(each), ...);
  }
  template <class... Fields>
  void read(const std::tuple<Fields&...>& fields) {
    std::apply([this](auto&... each) { (this->read_one(each), ...); }, fields);
  }
  // Rows changed, as the command's tag says; the tag of COMMIT is `COMMIT` or `ROLLBACK`.
  [[nodiscard]] std::string tag() const;

 private:
  [[nodiscard]] std::string_view octets();
  [[nodiscard]] bool next_is_null() const;
  void read_one(std::int64_t& value);
  void read_one(std::string& text) { text = octets(); }
  void read_one(Bytes& value);
  void read_one(WallTime& time);
  void read_one(std::optional<WallTime>& time);
  void read_one(std::vector<std::string>& lines);
  template <class Tag>
  void read_one(base::Id<Tag>& id) {
    const auto found = base::Id<Tag>::from_bytes(base::as_bytes(octets()));
    if (found) id = *found;
  }
  template <class Number>
    requires(std::is_integral_v<Number> || std::is_enum_v<Number>)
  void read_one(Number& value) {
    std::int64_t number = 0;
    read_one(number);
    value = static_cast<Number>(number);
  }

  std::shared_ptr<pg_result> result_;
  int row_ = -1;
  int column_ = 0;
};

}  // namespace latchkey::store::postgres
