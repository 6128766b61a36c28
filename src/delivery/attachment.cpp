#include "delivery/attachment.h"

#include <algorithm>

#include "net/url.h"

namespace latchkey::delivery {
namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;  // in memory for each that is fetched

class SpooledSource final : public net::HttpSource {
 public:
  explicit SpooledSource(std::unique_ptr<OutgoingDocument> document) : document_(std::move(document)) {}

  std::uint64_t size_bytes() const override { return document_->size_bytes(); }
  Task<Result<std::string>> next() override {
    const auto left = document_->size_bytes() - std::min(at_, document_->size_bytes());
    auto piece = co_await document_->read(at_, static_cast<std::size_t>(std::min<std::uint64_t>(left, kPieceBytes)));
    if (!piece) co_return std::unexpected(piece.error());
    at_ += piece->size();
    co_return std::string(piece->reveal_text());
  }

 private:
  std::unique_ptr<OutgoingDocument> document_;
  std::uint64_t at_ = 0;
};

}  // namespace

net::HttpResponse attachment(std::string_view name, std::unique_ptr<OutgoingDocument> document) {
  const auto file = name.substr(std::min(name.rfind('/') + 1, name.size()));
  net::HttpResponse response;
  response.headers.set("Content-Type", "application/octet-stream");
  response.headers.set("Content-Disposition", "attachment; filename*=UTF-8''" + net::percent_encode(file));
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox");
  response.headers.set("Cache-Control", "no-store");
  if (document->size_bytes() > 0) response.source = std::make_shared<SpooledSource>(std::move(document));
  return response;
}

}  // namespace latchkey::delivery
