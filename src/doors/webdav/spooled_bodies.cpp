#include "doors/webdav/spooled_bodies.h"

namespace latchkey::doors {
namespace {

constexpr std::size_t kPieceBytes = 128 * 1024;

}  // namespace

Task<Result<std::string>> SpooledSource::next() {
  const auto piece = co_await document_->read(at_, kPieceBytes);
  if (!piece) co_return std::unexpected(piece.error());
  at_ += piece->size();
  co_return std::string(base::as_text(piece->reveal()));
}

Task<Result<Bytes>> SpooledBody::pull() {
  if (at_ >= document_->size_bytes()) co_return Bytes{};
  const auto piece = co_await document_->read(at_, kPieceBytes);
  if (!piece) co_return std::unexpected(piece.error());
  at_ += piece->size();
  const auto octets = piece->reveal();
  co_return Bytes(octets.begin(), octets.end());
}

Task<Result<std::string>> SizeAlone::next() {
  co_return fail(ErrorKind::not_found, "document_gone", "The document is no longer on this server.");
}

}  // namespace latchkey::doors
