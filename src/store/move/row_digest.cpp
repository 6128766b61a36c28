#include "store/move/row_digest.h"

#include <fmt/format.h>

#include "crypto/hash.h"
#include "store/postgres/values.h"

namespace latchkey::store {

void TableDigest::put_octets(char kind, ByteView octets) {
  row_.push_back(static_cast<std::uint8_t>(kind));
  for (int shift = 56; shift >= 0; shift -= 8) row_.push_back(static_cast<std::uint8_t>(octets.size() >> shift));
  row_.insert(row_.end(), octets.begin(), octets.end());
}

void TableDigest::put(std::int64_t value) { put_octets('i', base::as_bytes(std::to_string(value))); }

void TableDigest::put(const std::string& text) { put_octets('t', base::as_bytes(postgres::storable(text))); }

void TableDigest::put(const std::optional<WallTime>& time) {
  if (time) return put(*time);
  put_octets('n', {});
}

void TableDigest::put(const std::vector<std::string>& lines) {
  std::string joined;
  for (const auto& line : lines) joined.append(line).push_back('\n');
  put(joined);
}

void TableDigest::close_row() {
  const auto digest = crypto::sha256(row_);
  for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i) value = value << 8 | digest[lane * 8 + i];
    lanes_[lane] += value;
  }
  ++rows_;
}

std::string TableDigest::text() const { return fmt::format("{:016x}{:016x}{:016x}{:016x}", lanes_[0], lanes_[1], lanes_[2], lanes_[3]); }

}  // namespace latchkey::store
