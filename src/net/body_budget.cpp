#include "net/body_budget.h"

#include <charconv>
#include <utility>

namespace latchkey::net {

bool states_small_body(const HttpRequest& request) {
  const auto text = request.headers.find("Content-Length");
  std::uint64_t octets = 0;
  return text && std::from_chars(text->data(), text->data() + text->size(), octets).ec == std::errc() && octets <= kFreeBodyBytes;
}

bool BodyBudget::Share::grow_to(std::size_t body_bytes, const IpAddress& client) {
  if (body_bytes <= budget_.limits_.free_bytes + counted_) return true;
  if (counted_ == 0) source_ = SourceAddress(client);
  const std::size_t more = body_bytes - budget_.limits_.free_bytes - counted_;
  if (!budget_.take(source_, more)) return false;
  counted_ += more;
  return true;
}

void BodyBudget::Share::give_back() {
  if (counted_ > 0) budget_.put_back(source_, std::exchange(counted_, 0));
}

bool BodyBudget::take(const SourceAddress& source, std::size_t more) {
  const std::lock_guard lock(mutex_);
  const auto known = by_source_.find(source);
  const std::size_t of_source = known == by_source_.end() ? 0 : known->second;
  if (more > limits_.bytes_max - held_ || more > limits_.source_bytes_max - of_source) {
    ++refused_;
    return false;
  }
  by_source_[source] = of_source + more;
  held_ += more;
  return true;
}

void BodyBudget::put_back(const SourceAddress& source, std::size_t octets) {
  const std::lock_guard lock(mutex_);
  held_ -= octets;
  const auto known = by_source_.find(source);
  if ((known->second -= octets) == 0) by_source_.erase(known);
}

}  // namespace latchkey::net
