#include "doors/http/heard_request.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "doors/http/basic_credentials.h"
#include "doors/http/request_transcript.h"

namespace latchkey::doors {

class CountedBody final : public net::HttpBody {
 public:
  explicit CountedBody(std::shared_ptr<net::HttpBody> body) : body_(std::move(body)) {}
  [[nodiscard]] std::optional<std::uint64_t> stated_size() const override { return body_->stated_size(); }
  [[nodiscard]] Task<Result<Bytes>> pull() override {
    came_.asked_for = true;
    auto piece = co_await body_->pull();
    if (piece) {
      came_.octets += piece->size();
      came_.whole = piece->empty();
    }
    co_return piece;
  }
  [[nodiscard]] CameBody came() const { return came_; }

 private:
  std::shared_ptr<net::HttpBody> body_;
  CameBody came_;
};

HeardRequest::HeardRequest(const net::HttpRequest& request, WallTime began_at)
    : body_bytes_(request.body.size()), began_at_(began_at) {
  request_.method = request.method;
  request_.target = request.target;
  request_.headers = request.headers;
  request_.client = request.client;
}

void HeardRequest::judged(const Result<people::Principal>& who) {
  if (!who) {
    name_is_right_ = who.error().reason == "use_not_allowed";
    return;
  }
  const auto* device = std::get_if<people::AdmittedDevice>(&*who);
  whose_ = device != nullptr ? Whose::device : Whose::person;
  if (device != nullptr) device_ = device->device;
}

std::shared_ptr<net::HttpBody> HeardRequest::counting(std::shared_ptr<net::HttpBody> body) {
  auto counted = std::make_shared<CountedBody>(std::move(body));
  streamed_ = counted;
  return counted;
}

std::optional<DeviceId> HeardRequest::device() const {
  return whose_ == Whose::device ? std::optional(device_) : std::nullopt;
}

HeardRequest::Shown HeardRequest::shown() const {
  auto credentials = parse_basic(request_.headers.value_or("Authorization"));
  return {.name = credentials ? std::move(credentials->username) : std::string(),
          .address = name_is_right_ ? std::string() : request_.client.text()};
}

people::Conversation HeardRequest::conversation(const net::HttpResponse& answer, WallTime ended_at,
                                                std::string_view door) const {
  people::Conversation one{.began_at = began_at_,
                           .ended_at = ended_at,
                           .door = std::string(door),
                           .source = request_.client.text(),
                           .lines = request_lines(request_)};
  if (streamed_)
    one.lines.push_back(body_line(streamed_->came()));
  else if (body_bytes_ > 0)
    one.lines.push_back(body_line({.octets = body_bytes_, .asked_for = true, .whole = true}));
  std::ranges::move(answer_lines(answer), std::back_inserter(one.lines));
  return one;
}

}  // namespace latchkey::doors
