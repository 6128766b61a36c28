#include "store/postgres/values.h"

#include <libpq-fe.h>

#include "base/result.h"

namespace latchkey::store::postgres {
namespace {

// Oids of the built-in types; fixed in PostgreSQL's own catalogue (pg_type.dat) and kept by whoever speaks its protocol.
constexpr unsigned kBytea = 17;
constexpr unsigned kInt8 = 20;
constexpr unsigned kText = 25;
constexpr unsigned kUuid = 2950;

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

std::string big_endian(std::int64_t value) {
  std::string octets(8, '\0');
  auto rest = static_cast<std::uint64_t>(value);
  for (int i = 7; i >= 0; --i, rest >>= 8) octets[static_cast<std::size_t>(i)] = static_cast<char>(rest & 0xff);
  return octets;
}

// How many octets the well-formed character at the start takes; 0: none is there. A zero octet counts as none.
std::size_t character_size(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const auto first = at(0);
  if (first == 0) return 0;
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  const auto second = at(1);
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool surrogate = first == 0xed && second > 0x9f;
  const bool beyond = first == 0xf4 && second > 0x8f;
  return overlong || surrogate || beyond ? 0 : size;
}

}  // namespace

std::string storable(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const auto size = character_size(text);
    clean.append(size == 0 ? kReplacement : text.substr(0, size));
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return clean;
}

void Values::add_one(std::int64_t value) { values_.push_back({kInt8, false, big_endian(value)}); }

void Values::add_one(std::string_view text) { values_.push_back({kText, false, storable(text)}); }

void Values::add_one(ByteView octets) { values_.push_back({kBytea, false, std::string(base::as_text(octets))}); }

void Values::add_one(const std::optional<WallTime>& time) {
  if (time) return add_one(*time);
  values_.push_back({kInt8, true, {}});
}

void Values::add_one(const std::vector<std::string>& lines) {
  std::string joined;
  for (const auto& line : lines) joined.append(line).push_back('\n');
  add_one(std::string_view(joined));
}

void Values::add_id(ByteView octets) { values_.push_back({kUuid, false, std::string(base::as_text(octets))}); }

Rows::Rows(pg_result* result) : result_(result, &PQclear) {}

bool Rows::row() {
  column_ = 0;
  return result_ != nullptr && ++row_ < PQntuples(result_.get());
}

std::string Rows::tag() const { return result_ == nullptr ? "" : PQcmdStatus(result_.get()); }

std::string_view Rows::octets() {
  const int column = column_++;
  return {PQgetvalue(result_.get(), row_, column), static_cast<std::size_t>(PQgetlength(result_.get(), row_, column))};
}

bool Rows::next_is_null() const { return PQgetisnull(result_.get(), row_, column_) != 0; }

void Rows::read_one(std::int64_t& value) {
  LATCHKEY_CHECK(PQftype(result_.get(), column_) == kInt8);
  std::uint64_t found = 0;
  for (const char octet : octets()) found = found << 8 | static_cast<std::uint8_t>(octet);
  value = static_cast<std::int64_t>(found);
}

void Rows::read_one(Bytes& value) {
  const auto found = base::as_bytes(octets());
  value.assign(found.begin(), found.end());
}

void Rows::read_one(WallTime& time) {
  std::int64_t ms = 0;
  read_one(ms);
  time = base::from_unix_ms(ms);
}

void Rows::read_one(std::optional<WallTime>& time) {
  if (next_is_null()) {
    ++column_;
    time = std::nullopt;
    return;
  }
  read_one(time.emplace());
}

void Rows::read_one(std::vector<std::string>& lines) {
  const auto joined = octets();
  lines.clear();
  for (std::size_t start = 0; start < joined.size();) {
    const auto end = std::min(joined.find('\n', start), joined.size());
    lines.emplace_back(joined.substr(start, end - start));
    start = end + 1;
  }
}

}  // namespace latchkey::store::postgres
