#include "sandbox/practice_uploads.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "net/url.h"

namespace latchkey::sandbox {
namespace {

constexpr std::string_view kUploads = "/drive/uploads";
constexpr std::size_t kUploadsMax = 20'000;
constexpr std::size_t kKeyBytesMax = 100;
constexpr std::uint64_t kSizeMax = 1ULL << 40;

net::HttpResponse problem_of(const Error& error) {
  const int status = error.kind == ErrorKind::invalid ? 400 : error.kind == ErrorKind::conflict ? 409 : 507;
  return net::HttpResponse::problem(status, error.reason, error.text);
}

std::optional<PracticeConflict> parse_conflict(std::string_view word) {
  if (word.empty() || word == "rename") return PracticeConflict::rename;
  if (word == "replace") return PracticeConflict::replace;
  if (word == "new_version") return PracticeConflict::new_version;
  if (word == "fail") return PracticeConflict::refuse;
  return std::nullopt;
}

// Segment by segment: the slashes between them stay.
std::string encode_path(std::string_view path) {
  std::string encoded;
  for (;;) {
    const auto slash = path.find('/');
    encoded += net::percent_encode(path.substr(0, slash));
    if (slash == std::string_view::npos) return encoded;
    encoded += '/';
    path.remove_prefix(slash + 1);
  }
}

struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t size = 0;
};

// "bytes 0-99/200" (RFC 9110 section 14.4).
std::optional<Range> parse_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  Range range;
  const auto number = [&](std::uint64_t& into, char behind) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    if (error != std::errc()) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (behind == '\0') return text.empty();
    if (!text.starts_with(behind)) return false;
    text.remove_prefix(1);
    return true;
  };
  if (!number(range.first, '-') || !number(range.last, '/') || !number(range.size, '\0')) return std::nullopt;
  if (range.first > range.last || range.last >= range.size) return std::nullopt;
  return range;
}

}  // namespace

JsonObject file_json(const StoredFile& file, const std::string& issuer) {
  return {{"path", file.path},
          {"size", file.size_bytes},
          {"sha256", file.sha256},
          {"content_type", file.content_type},
          {"version", file.version},
          {"changed_at", base::to_rfc3339(file.changed_at)},
          {"url", issuer + "/drive/files/" + encode_path(file.path)}};
}

void PracticeUploads::clear() {
  uploads_.clear();
  order_.clear();
}

void PracticeUploads::make_room() {
  while (order_.size() >= kUploadsMax) {
    uploads_.erase(order_.front());
    order_.pop_front();
  }
}

net::HttpResponse PracticeUploads::answer(const net::HttpRequest& request, const std::string& sub, const std::string& issuer,
                                          WallTime now) {
  if (request.path == kUploads) {
    if (request.method != "POST")
      return net::HttpResponse::problem(405, "method_not_allowed", "Begin an upload with POST.").with("Allow", "POST");
    return begin(request, sub, issuer, now);
  }
  const auto key = request.path.substr(std::min(request.path.size(), kUploads.size() + 1));
  const auto found = uploads_.find({sub, key});
  if (found == uploads_.end()) return net::HttpResponse::problem(404, "no_such_upload", "There is no such upload.");
  auto& upload = found->second;
  if (request.method == "PUT") return take_part(request, sub, upload, issuer, now);
  if (request.method == "GET") {
    if (upload.ended) return net::HttpResponse::json(200, JsonObject{{"file", file_json(upload.file, issuer)}});
    return net::HttpResponse::json(200, JsonObject{{"next", upload.file.size_bytes}});
  }
  if (request.method == "DELETE") {
    std::erase(order_, found->first);
    uploads_.erase(found);
    return net::HttpResponse::no_content();
  }
  return net::HttpResponse::problem(405, "method_not_allowed", "Use GET, PUT or DELETE here.")
      .with("Allow", "GET, PUT, DELETE");
}

net::HttpResponse PracticeUploads::begin(const net::HttpRequest& request, const std::string& sub, const std::string& issuer,
                                         WallTime now) {
  const auto parsed = parse_json(request.body);
  const auto* wish = parsed ? parsed->if_object() : nullptr;
  if (wish == nullptr) return net::HttpResponse::problem(400, "invalid_request", "The body is a JSON object.");
  const auto key = base::string_or(*wish, "key");
  const auto conflict = parse_conflict(base::string_or(*wish, "conflict"));
  const auto* size = wish->if_contains("size");
  const bool size_is_good = size != nullptr && size->is_int64() && size->get_int64() >= 0 &&
                            static_cast<std::uint64_t>(size->get_int64()) <= kSizeMax;
  const bool key_is_good = !key.empty() && key.size() <= kKeyBytesMax && std::ranges::all_of(key, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-';
  });
  if (!conflict || !size_is_good || !key_is_good) {
    return net::HttpResponse::problem(
        400, "invalid_request",
        "An upload has a path, a size, a key of letters, digits and hyphens, and perhaps a conflict rule.");
  }
  const auto address = issuer + std::string(kUploads) + "/" + key;
  if (const auto known = uploads_.find({sub, key}); known != uploads_.end()) {
    auto& upload = known->second;
    // Every octet is there, but its end was refused: asked for again, it may succeed now.
    if (!upload.ended && upload.file.size_bytes == upload.size) {
      if (const auto done = end(sub, upload, now); !done) return problem_of(done.error());
    }
    if (upload.ended)
      return net::HttpResponse::json(201, JsonObject{{"upload", address}, {"file", file_json(known->second.file, issuer)}});
    return net::HttpResponse::json(201, JsonObject{{"upload", address}, {"next", known->second.file.size_bytes}});
  }
  Upload upload;
  upload.file.path = base::string_or(*wish, "path");
  upload.file.content_type = base::string_or(*wish, "content_type");
  upload.size = static_cast<std::uint64_t>(size->get_int64());
  upload.conflict = *conflict;
  if (const auto good = PracticeStorage::check_path(upload.file.path); !good) return problem_of(good.error());
  if (*conflict == PracticeConflict::refuse && storage_.find_file(sub, upload.file.path) != nullptr) {
    return net::HttpResponse::problem(409, "exists", "A file of that path exists.");
  }
  if (upload.size == 0) {
    if (const auto done = end(sub, upload, now); !done) return problem_of(done.error());
  }
  make_room();
  const auto& kept = uploads_.emplace(Key{sub, key}, std::move(upload)).first->second;
  order_.emplace_back(sub, key);
  if (kept.ended)
    return net::HttpResponse::json(201, JsonObject{{"upload", address}, {"file", file_json(kept.file, issuer)}});
  return net::HttpResponse::json(201, JsonObject{{"upload", address}, {"next", 0}});
}

net::HttpResponse PracticeUploads::take_part(const net::HttpRequest& request, const std::string& sub, Upload& upload,
                                             const std::string& issuer, WallTime now) {
  if (upload.ended) return net::HttpResponse::json(201, JsonObject{{"file", file_json(upload.file, issuer)}});
  const auto range = parse_range(request.headers.value_or("Content-Range"));
  auto& file = upload.file;
  if (!range || range->size != upload.size || range->last - range->first + 1 != request.body.size()) {
    return net::HttpResponse::problem(400, "bad_range",
                                      "Content-Range says `bytes FIRST-LAST/SIZE`, and the body is that part.");
  }
  if (range->first != file.size_bytes) {
    return net::HttpResponse::problem(416, "other_part_expected", "Another part comes next.", {{"next", file.size_bytes}});
  }
  upload.hash.update(base::as_bytes(request.body));
  file.size_bytes += request.body.size();
  if (upload.size <= kFileBytesMax) file.content += request.body;
  if (file.size_bytes < upload.size) return net::HttpResponse::json(202, JsonObject{{"next", file.size_bytes}});
  if (const auto done = end(sub, upload, now); !done) return problem_of(done.error());
  return net::HttpResponse::json(201, JsonObject{{"file", file_json(file, issuer)}});
}

Result<void> PracticeUploads::end(const std::string& sub, Upload& upload, WallTime now) {
  // Into a copy, so that an end which is refused (a full drive) may be tried again.
  auto hash = upload.hash;
  upload.file.sha256 = base::to_hex(hash.finish());
  upload.file.changed_at = now;
  const auto stored = storage_.put_uploaded(sub, upload.file, upload.conflict);
  if (!stored) return std::unexpected(stored.error());
  upload.file = **stored;
  upload.file.content.clear();
  upload.ended = true;
  return {};
}

}  // namespace latchkey::sandbox
