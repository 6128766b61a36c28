// Header fields of a message, for server and client alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace latchkey::net {

struct HttpHeader {
  std::string_view name;
  std::string_view value;
};

// A small ordered list; names compare without case; several fields may bear one name. All text lies in one block, so
// clear() keeps the memory for the next message. Bounded: 64 KiB of text and kHeadersMax fields, what is beyond is
// refused by add(). A value. Views are valid until the next change.
class HttpHeaders {
 public:
  static constexpr std::size_t kHeadersMax = 256;
  static constexpr std::size_t kTextBytesMax = 64 * 1024;

  HttpHeaders() = default;
  // Aborts where add() would refuse: for literals of the program's own.
  HttpHeaders(std::initializer_list<HttpHeader> headers);

  // False, and nothing added, when the bounds are reached, or the name is no token (RFC 9110 section 5.6.2), or the
  // value holds CR, LF, NUL or another control character than TAB. Keeps duplicates.
  bool add(std::string_view name, std::string_view value);
  // Replaces every field of that name by one.
  bool set(std::string_view name, std::string_view value);
  void erase(std::string_view name);
  void clear();

  // The first field of that name; nullopt if there is none.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  [[nodiscard]] std::string_view value_or(std::string_view name, std::string_view otherwise = {}) const;
  [[nodiscard]] bool contains(std::string_view name) const { return find(name).has_value(); }
  // Every value of that name, in order, joined by ", " (RFC 9110 section 5.3).
  [[nodiscard]] std::string joined(std::string_view name) const;

  [[nodiscard]] std::size_t size() const { return spans_.size(); }
  [[nodiscard]] bool empty() const { return spans_.empty(); }
  [[nodiscard]] HttpHeader operator[](std::size_t index) const;

  class Iterator {
   public:
    Iterator(const HttpHeaders* headers, std::size_t index) : headers_(headers), index_(index) {}
    HttpHeader operator*() const { return (*headers_)[index_]; }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const HttpHeaders* headers_;
    std::size_t index_;
  };
  [[nodiscard]] Iterator begin() const { return {this, 0}; }
  [[nodiscard]] Iterator end() const { return {this, spans_.size()}; }

 private:
  struct Span {
    std::uint32_t name_at;
    std::uint32_t value_at;
    std::uint32_t value_size;
    std::uint32_t name_size;
  };
  std::string text_;
  std::vector<Span> spans_;
};

// ASCII only, as field names, schemes and host names want it.
[[nodiscard]] bool equal_ignoring_case(std::string_view left, std::string_view right);

}  // namespace latchkey::net
