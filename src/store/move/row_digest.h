// A figure for a whole table, whatever the order in which its rows are read: the sum, in four lanes of 64 bits, of each row's
// SHA-256. For proving a copy, not against somebody who wants to be wrong.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/id.h"

namespace latchkey::store {

class TableDigest {
 public:
  // The row's fields, each as its kind, length and octets. Texts count as PostgreSQL keeps them.
  template <class... Fields>
  void add(const std::tuple<Fields&...>& fields) {
    row_.clear();
    std::apply([this](const auto&... each) { (this->put(each), ...); }, fields);
    close_row();
  }
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::string text() const;
  friend bool operator==(const TableDigest& a, const TableDigest& b) { return a.rows_ == b.rows_ && a.lanes_ == b.lanes_; }

 private:
  void put(std::int64_t value);
  void put(const std::string& text);
  void put(const Bytes& octets) { put_octets('o', octets); }
  void put(WallTime time) { put(base::to_unix_ms(time)); }
  void put(const std::optional<WallTime>& time);
  void put(const std::vector<std::string>& lines);
  template <class Tag>
  void put(const base::Id<Tag>& id) {
    put_octets('d', id.bytes());
  }
  template <class Number>
    requires(std::is_integral_v<Number> || std::is_enum_v<Number>)
  void put(Number value) {
    put(static_cast<std::int64_t>(value));
  }
  void put_octets(char kind, ByteView octets);
  void close_row();

  Bytes row_;
  std::int64_t rows_ = 0;
  std::array<std::uint64_t, 4> lanes_{};
};

}  // namespace latchkey::store
