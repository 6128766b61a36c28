// Documents on their way out of the spool, piece by piece: as the body of an answer, and as what a copy is made of.
#pragma once

#include <memory>

#include "delivery/spool.h"
#include "net/http_server.h"

namespace latchkey::doors {

class SpooledSource final : public net::HttpSource {
 public:
  explicit SpooledSource(std::unique_ptr<delivery::OutgoingDocument> document) : document_(std::move(document)) {}
  [[nodiscard]] std::uint64_t size_bytes() const override { return document_->size_bytes(); }
  [[nodiscard]] Task<Result<std::string>> next() override;

 private:
  std::unique_ptr<delivery::OutgoingDocument> document_;
  std::uint64_t at_ = 0;
};

class SpooledBody final : public net::HttpBody {
 public:
  explicit SpooledBody(std::unique_ptr<delivery::OutgoingDocument> document) : document_(std::move(document)) {}
  [[nodiscard]] std::optional<std::uint64_t> stated_size() const override { return document_->size_bytes(); }
  [[nodiscard]] Task<Result<Bytes>> pull() override;

 private:
  std::unique_ptr<delivery::OutgoingDocument> document_;
  std::uint64_t at_ = 0;
};

// For answers to HEAD about a document whose octets are not needed, or no longer here.
class SizeAlone final : public net::HttpSource {
 public:
  explicit SizeAlone(std::uint64_t size_bytes) : size_bytes_(size_bytes) {}
  [[nodiscard]] std::uint64_t size_bytes() const override { return size_bytes_; }
  [[nodiscard]] Task<Result<std::string>> next() override;

 private:
  std::uint64_t size_bytes_;
};

}  // namespace latchkey::doors
