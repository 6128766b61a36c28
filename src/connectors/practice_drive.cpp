#include "connectors/practice_drive.h"

#include <algorithm>
#include <cctype>

#include "net/url.h"

namespace latchkey::connectors {
namespace {

// Held twice while it is being sent.
constexpr std::size_t kPartBytes = 1024 * 1024;
// How many octets may have to be sent again after a crash; each note is a commit.
constexpr std::uint64_t kNoteEveryBytes = 8 * 1024 * 1024;
// The drive names another part than was sent: once is an answer lost before, again and again is no conversation.
constexpr int kDetoursMax = 5;
const std::string kService = "The practice drive";

std::string_view word_of(OnConflict rule) {
  switch (rule) {
    case OnConflict::rename:
      return "rename";
    case OnConflict::replace:
      return "replace";
    case OnConflict::new_version:
      return "new_version";
    case OnConflict::refuse:
      return "fail";
  }
  return "rename";
}

std::uint64_t number_in(const JsonObject& object, std::string_view name) {
  const auto* found = object.if_contains(name);
  return found != nullptr && found->is_int64() && found->get_int64() > 0 ? static_cast<std::uint64_t>(found->get_int64())
                                                                         : 0;
}

std::unexpected<Error> no_sense(std::string detail) {
  return fail(ErrorKind::unavailable, "target_unavailable", kService + " gives an answer that makes no sense.",
              {.detail = std::move(detail)});
}

// An upload's address comes from a reply: the token goes nowhere but where it was meant for (RULES A7).
bool is_below(const std::string& url, const std::string& base_url) {
  const auto address = net::Url::parse(url);
  const auto base = net::Url::parse(base_url);
  return address && base && address->origin() == base->origin();
}

}  // namespace

Task<Result<Receipt>> PracticeDrive::store(StoreOrder order) {
  ApiSession api(transport_, *order.tokens);
  Result<Standing> standing = std::unexpected(Error{.kind = ErrorKind::not_found});
  if (!order.resume_point.empty() && is_below(order.resume_point, order.base_url))
    standing = co_await ask(api, order.resume_point);
  if (!standing && standing.error().kind == ErrorKind::not_found) standing = co_await begin(api, order);
  if (!standing) co_return std::unexpected(standing.error());
  auto noted = standing->next;
  if (auto done = co_await order.progress->note(standing->upload, standing->next); !done)
    co_return std::unexpected(done.error());
  int detours = 0;
  while (!standing->file) {
    const auto before = standing->next;
    // All octets are there and no file: its end was refused the last time. Begun again, it is only ended.
    const bool only_end = standing->next >= order.document->size_bytes();
    standing = only_end ? co_await begin(api, order) : co_await send_part(api, order, std::move(*standing));
    if (!standing) co_return std::unexpected(standing.error());
    if (!standing->file && standing->next <= before && ++detours > kDetoursMax)
      co_return no_sense("the same part is asked for again and again");
    if (standing->next < noted + kNoteEveryBytes) continue;
    noted = standing->next;
    if (auto done = co_await order.progress->note(standing->upload, standing->next); !done)
      co_return std::unexpected(done.error());
  }
  co_return receipt_of(*standing->file, *order.document);
}

Task<Result<PracticeDrive::Standing>> PracticeDrive::begin(ApiSession& api, const StoreOrder& order) {
  const JsonObject wish{{"path", order.path},
                        {"size", order.document->size_bytes()},
                        {"key", order.key},
                        {"conflict", word_of(order.on_conflict)},
                        {"content_type", order.content_type}};
  ApiSession::Request request{.method = "POST", .url = order.base_url + "/drive/uploads"};
  request.headers.set("Content-Type", "application/json");
  request.body = Secret(std::string_view(boost::json::serialize(wish)));
  const auto reply = co_await api.call(std::move(request));
  if (!reply) {
    // Beginning twice under one key is beginning once.
    if (reply.error().kind == ErrorKind::ambiguous)
      co_return fail(ErrorKind::unavailable, reply.error().reason, reply.error().text, {.detail = reply.error().detail});
    co_return std::unexpected(reply.error());
  }
  if (!reply->ok()) co_return std::unexpected(error_of(*reply, kService));
  const auto json = reply->json();
  Standing standing{.upload = base::string_or(json, "upload"), .next = number_in(json, "next")};
  if (const auto* file = base::find_object(json, "file")) standing.file = *file;
  if (!is_below(standing.upload, order.base_url)) co_return no_sense("no upload address of its own");
  co_return standing;
}

Task<Result<PracticeDrive::Standing>> PracticeDrive::ask(ApiSession& api, std::string upload) {
  const auto reply = co_await api.call({.method = "GET", .url = upload});
  if (!reply && reply.error().kind == ErrorKind::ambiguous) {
    co_return fail(ErrorKind::unavailable, reply.error().reason, reply.error().text, {.detail = reply.error().detail});
  }
  if (!reply) co_return std::unexpected(reply.error());
  if (!reply->ok()) co_return std::unexpected(error_of(*reply, kService));
  const auto json = reply->json();
  Standing standing{.upload = std::move(upload), .next = number_in(json, "next")};
  if (const auto* file = base::find_object(json, "file")) standing.file = *file;
  co_return standing;
}

Task<Result<PracticeDrive::Standing>> PracticeDrive::send_part(ApiSession& api, const StoreOrder& order, Standing standing) {
  const auto size = order.document->size_bytes();
  if (standing.next >= size) co_return no_sense("everything has been sent");
  auto part = co_await order.document->read(standing.next, kPartBytes);
  if (!part) co_return std::unexpected(part.error());
  ApiSession::Request request{.method = "PUT", .url = standing.upload};
  request.headers.set("Content-Range", "bytes " + std::to_string(standing.next) + "-" +
                                           std::to_string(standing.next + part->size() - 1) + "/" + std::to_string(size));
  request.body = std::move(*part);
  const auto reply = co_await api.call(std::move(request));
  // Whether the part arrived can be asked: no doubt is left to people.
  if (!reply && reply.error().kind == ErrorKind::ambiguous) co_return co_await ask(api, std::move(standing.upload));
  if (!reply) co_return std::unexpected(reply.error());
  const auto json = reply->json();
  if (reply->status == 416) {
    standing.next = number_in(json, "next");
    co_return standing;
  }
  // The drive has forgotten the upload: the same key begins it anew.
  if (reply->status == 404) co_return co_await begin(api, order);
  if (!reply->ok()) co_return std::unexpected(error_of(*reply, kService));
  standing.next = std::max(standing.next, number_in(json, "next"));
  if (const auto* file = base::find_object(json, "file")) standing.file = *file;
  co_return standing;
}

Result<Receipt> PracticeDrive::receipt_of(const JsonObject& file, const Document& document) {
  Receipt receipt{.id = base::string_or(file, "path"),
                  .link = base::string_or(file, "url"),
                  .path = base::string_or(file, "path"),
                  .size_bytes = number_in(file, "size"),
                  .hash = "sha256:" + base::string_or(file, "sha256"),
                  .proof = Proof::hash};
  if (receipt.size_bytes == document.size_bytes() && receipt.hash == "sha256:" + base::to_hex(document.sha256()))
    return receipt;
  return fail(
      ErrorKind::corrupt, "hash_mismatch",
      kService + " has something else than was sent: its hash is another. Look at the file there before trying again.",
      {.detail = receipt.hash});
}

Task<Result<std::vector<ListItem>>> PracticeDrive::list(ListQuestion question) {
  if (question.kind != "file")
    co_return fail(ErrorKind::invalid, "unknown_kind", "The practice drive lists `file`.", {.field = "kind"});
  ApiSession api(transport_, *question.tokens);
  const auto reply = co_await api.call({.method = "GET", .url = question.base_url + "/drive/files"});
  if (!reply) co_return std::unexpected(reply.error());
  if (!reply->ok()) co_return std::unexpected(error_of(*reply, kService));
  std::vector<ListItem> items;
  const auto json = reply->json();
  const auto* rows = base::find_array(json, "items");
  if (rows == nullptr) co_return items;
  const auto contains = [&](const std::string& name) {
    return std::ranges::search(name, question.filter, [](char left, char right) {
             return std::tolower(static_cast<unsigned char>(left)) == std::tolower(static_cast<unsigned char>(right));
           }).begin() != name.end();
  };
  for (const auto& row : *rows) {
    if (!row.is_object() || items.size() >= question.limit) continue;
    auto path = base::string_or(row.get_object(), "path");
    if (question.filter.empty() || contains(path)) {
      items.push_back({.id = path, .name = path, .kind = "file", .size_bytes = number_in(row.get_object(), "size")});
    }
  }
  co_return items;
}

}  // namespace latchkey::connectors
