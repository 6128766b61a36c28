#include "net/forwarding.h"

#include <algorithm>

namespace latchkey::net {

namespace {

bool begins_with_ignoring_case(std::string_view text, std::string_view lower_case) {
  if (text.size() < lower_case.size()) return false;
  return std::ranges::equal(text.substr(0, lower_case.size()), lower_case, [](char one, char other) {
    return (one >= 'A' && one <= 'Z' ? static_cast<char>(one + 32) : one) == other;
  });
}

}  // namespace

bool is_sent_on(const HttpHeaders& headers) {
  if (headers.contains("Forwarded") || headers.contains("X-Real-IP") || headers.contains("Via")) return true;
  for (const auto& field : headers) {
    if (begins_with_ignoring_case(field.name, "x-forwarded-")) return true;
  }
  return false;
}

}  // namespace latchkey::net
