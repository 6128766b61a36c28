#include "connectors/webdav/dav_delivery.h"

namespace latchkey::connectors {
namespace {

using Step = DavResumePoint::Step;

constexpr int kNamesMax = 200;
constexpr std::string_view kHashAgreed = " sha256";

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::string beside(const std::string& path, const std::string& name) {
  const auto folder = folder_of(path);
  return folder.empty() ? name : folder + "/" + name;
}

std::unexpected<Error> exists(std::string text) { return fail(ErrorKind::conflict, "exists", std::move(text)); }

std::unexpected<Error> something_else() {
  return fail(ErrorKind::corrupt, "hash_mismatch",
              "The WebDAV server has something else than was sent. Look at the file there before trying again.");
}

// Nothing is tried again by itself after it; not_found: the order itself was deleted meanwhile.
bool is_final(ErrorKind kind) {
  return kind == ErrorKind::invalid || kind == ErrorKind::refused || kind == ErrorKind::not_found ||
         kind == ErrorKind::conflict || kind == ErrorKind::corrupt;
}

}  // namespace

std::string numbered(const std::string& path, int number) {
  if (number < 2) return path;
  const auto slash = path.rfind('/');
  const auto dot = path.rfind('.');
  const auto begin = slash == std::string::npos ? 0 : slash + 1;
  const auto at = dot == std::string::npos || dot <= begin ? path.size() : dot;
  return path.substr(0, at) + " (" + std::to_string(number) + ")" + path.substr(at);
}

DavDelivery::DavDelivery(net::HttpTransport& transport, Turns& turns, const StoreOrder& order)
    : turns_(turns),
      order_(order),
      api_(transport, *order.tokens),
      server_(api_, order.base_url),
      nextcloud_(NextcloudAccount::of(order.base_url)),
      at_(DavResumePoint::parse(order.resume_point)),
      mark_(order.key) {
  upload_path_ = writes_in_place() ? order.path : beside(order.path, std::string(kOnItsWay) + order.key);
}

Task<Result<Receipt>> DavDelivery::run() {
  auto receipt = co_await work();
  if (receipt || !is_final(receipt.error().kind)) co_return receipt;
  // What will never succeed leaves nothing behind. Whoever tries it again by hand begins anew: without the temporary name a
  // resume point would say that it has been moved.
  const auto forgotten = co_await note({});
  const bool may_remove = forgotten || forgotten.error().kind == ErrorKind::not_found;
  if (may_remove && !writes_in_place()) co_await server_.remove(server_.url_of(upload_path_));
  co_return receipt;
}

Task<Result<Receipt>> DavDelivery::work() {
  const auto before = co_await settled();
  if (!before) co_return std::unexpected(before.error());
  if (*before) co_return **before;
  if (const auto sent = co_await upload(); !sent) co_return std::unexpected(sent.error());
  co_return co_await place();
}

// Whether a try before has arrived already, or the rule forbids to go on.
Task<Result<std::optional<Receipt>>> DavDelivery::settled() {
  if (at_.step == Step::placing) {
    const auto temporary = co_await server_.look(upload_path_);
    if (!temporary) co_return std::unexpected(temporary.error());
    if (!*temporary) {
      // The move takes the temporary name away; so does whoever tidies up there, and then somebody else's document may lie
      // at the target.
      const auto placed = co_await server_.look(at_.path);
      if (!placed) co_return std::unexpected(placed.error());
      if (is_whole(*placed) && (!at_.marked || bears_mark(**placed))) co_return receipt_of(**placed);
      at_ = {};
    }
  }
  const auto seen = co_await server_.look(order_.path);
  if (!seen) co_return std::unexpected(seen.error());
  if (!*seen) co_return std::optional<Receipt>();
  if (is_whole(*seen) && bears_mark(**seen)) co_return receipt_of(**seen);
  lay_there_ = (*seen)->etag;
  if (writes_in_place()) before_ = (*seen)->etag;
  if (order_.on_conflict == OnConflict::refuse)
    co_return exists("A document of that name is there already, and the connector's rule is not to touch it.");
  if ((*seen)->is_folder && order_.on_conflict != OnConflict::rename)
    co_return exists("A folder of that name is there, which a document cannot replace.");
  co_return std::optional<Receipt>();
}

Task<Result<bool>> DavDelivery::is_uploaded() {
  if (at_.step == Step::nothing) co_return false;
  if (at_.step == Step::chunks) {
    const auto size = order_.document->size_bytes();
    const auto all = (size + chunk_bytes_of(size) - 1) / chunk_bytes_of(size);
    if (!nextcloud_ || at_.chunks < all) co_return false;
    // The last step may have happened: then the chunks are gone, and the document is there.
    const auto waiting = co_await server_.is_there(nextcloud_->upload_url(order_.key));
    if (!waiting) co_return std::unexpected(waiting.error());
    if (*waiting) co_return false;
  }
  const auto seen = co_await server_.look(upload_path_);
  if (!seen) co_return std::unexpected(seen.error());
  if (!is_whole(*seen)) co_return false;
  // Written in place, an older version of the same size may lie there: then the upload has expired, and begins anew.
  co_return at_.step != Step::chunks || is_new(**seen, at_.before);
}

bool DavDelivery::is_new(const DavResource& seen, const std::string& before) const {
  return !writes_in_place() || bears_mark(seen) || seen.etag != before;
}

Task<Result<void>> DavDelivery::upload() {
  const auto before = co_await is_uploaded();
  if (!before) co_return std::unexpected(before.error());
  if (!*before) {
    const bool by_chunks = nextcloud_ && order_.document->size_bytes() > kChunkedAboveBytes;
    const auto sent = by_chunks ? co_await upload_chunks() : co_await upload_whole();
    if (!sent) co_return sent;
  }
  // A process that died with the last chunk may not have come so far.
  if (!*before || at_.step == Step::chunks) {
    const auto marked = co_await server_.mark(upload_path_, mark_);
    if (!marked) co_return std::unexpected(marked.error());
  }
  const auto seen = co_await server_.look(upload_path_);
  if (!seen) co_return std::unexpected(seen.error());
  if (!is_whole(*seen)) co_return something_else();
  keeps_marks_ = bears_mark(**seen);
  if (keeps_marks_) mark_ = (*seen)->mark;
  if (at_.step == Step::placing) co_return Result<void>{};
  co_return co_await note({.step = Step::uploaded, .marked = keeps_marks_});
}

Task<Result<void>> DavDelivery::upload_whole() {
  net::HttpHeaders headers;
  if (nextcloud_) {
    headers = NextcloudUpload::headers_of(*order_.document);
    headers.set("X-Hash", "sha256");
  }
  if (!order_.content_type.empty()) headers.set("Content-Type", order_.content_type);
  const auto reply = co_await server_.put(upload_path_, *order_.document, std::move(headers), *this);
  if (!reply) co_return std::unexpected(reply.error());
  const auto stated = reply->headers.value_or("X-Hash-SHA256");
  if (stated.empty()) co_return Result<void>{};
  if (!net::equal_ignoring_case(stated, base::to_hex(order_.document->sha256()))) co_return something_else();
  mark_ += kHashAgreed;
  co_return Result<void>{};
}

Task<Result<void>> DavDelivery::upload_chunks() {
  // Nextcloud judges the room in the target's folder, so that has to be there.
  const auto folder = folder_of(upload_path_);
  if (!folder.empty()) {
    const auto seen = co_await server_.look(folder);
    if (!seen) co_return std::unexpected(seen.error());
    if (!*seen) {
      if (const auto made = co_await server_.make_folders_above(upload_path_); !made) co_return made;
    }
  }
  // Chunks that a process before has sent were begun over what lay there then.
  if (at_.step == Step::chunks) before_ = at_.before;
  NextcloudUpload chunked(server_, *nextcloud_, order_.key, upload_path_, *order_.document);
  if (const auto sent = co_await chunked.send(at_.chunks, *this); !sent) {
    if (is_final(sent.error().kind)) co_await chunked.forget();
    co_return sent;
  }
  const auto done = co_await chunked.put_together();
  if (done) co_return done;
  // The chunks are gone where it has happened all the same, and where the server has forgotten them.
  const auto waiting = co_await server_.is_there(nextcloud_->upload_url(order_.key));
  if (!waiting || *waiting) co_return done;
  const auto seen = co_await server_.look(upload_path_);
  if (!seen) co_return std::unexpected(seen.error());
  if (is_whole(*seen) && is_new(**seen, before_)) co_return Result<void>{};
  co_return done;
}

Task<Result<Receipt>> DavDelivery::place() {
  if (writes_in_place()) {
    const auto seen = co_await server_.look(order_.path);
    if (!seen) co_return std::unexpected(seen.error());
    if (!is_whole(*seen)) co_return something_else();
    co_return receipt_of(**seen);
  }
  for (int number = 1; number <= kNamesMax; ++number) {
    auto placed = co_await place_as(numbered(order_.path, number));
    if (!placed) co_return std::unexpected(placed.error());
    if (*placed) co_return **placed;
    if (order_.on_conflict == OnConflict::refuse) break;
  }
  co_return exists("A document of that name is there already, and the connector's rule is not to touch it.");
}

// nullopt: the name is taken.
Task<Result<std::optional<Receipt>>> DavDelivery::place_as(std::string path) {
  if (const auto done = co_await note({.step = Step::placing, .path = path, .marked = keeps_marks_}); !done)
    co_return std::unexpected(done.error());
  const auto turn = co_await turns_.take(server_.url_of(path));
  const auto moved =
      co_await server_.move(server_.url_of(upload_path_), path, may_overwrite() ? Overwrite::yes : Overwrite::no, {});
  if (!moved) co_return std::unexpected(moved.error());
  if (*moved == Moved::taken) co_return std::optional<Receipt>();
  const auto seen = co_await server_.look(path);
  if (!seen) co_return std::unexpected(seen.error());
  const bool ours = is_whole(*seen) && (!keeps_marks_ || (*seen)->mark == mark_);
  if (ours && keeps_marks_) co_return receipt_of(**seen);
  // Without our mark only the temporary name tells whether the server, or whoever answers for it, did what it said.
  const auto left = co_await server_.look(upload_path_);
  if (!left) co_return std::unexpected(left.error());
  if (*left) co_return not_moved();
  if (ours) co_return receipt_of(**seen);
  if (may_overwrite() && !is_as_before(*seen)) co_return replaced(path);
  if (!may_overwrite() || !keeps_marks_) {
    // What is there now is somebody else's, or will be: with its size it could pass for this one.
    if (const auto done = co_await note({}); !done) co_return std::unexpected(done.error());
  }
  if (may_overwrite()) co_return not_moved();
  // Somebody was faster with the same name, and the server let both have it.
  co_return fail(ErrorKind::unavailable, "target_unavailable",
                 "Somebody wrote another document of that name at the same moment. This one is sent again.");
}

std::unexpected<Error> DavDelivery::not_moved() {
  return fail(ErrorKind::unavailable, "target_unavailable",
              "The WebDAV server said that the document has its name now, and does not have it under that name.");
}

bool DavDelivery::is_as_before(const std::optional<DavResource>& seen) const {
  return !seen || (!seen->etag.empty() && seen->etag == lay_there_);
}

// By another of its name, as the rule wants it: it was there, and how it was nobody has seen.
Receipt DavDelivery::replaced(const std::string& path) const {
  auto receipt = receipt_of({.path = path,
                             .is_folder = false,
                             .size_bytes = order_.document->size_bytes(),
                             .etag = {},
                             .file_id = {},
                             .mark = {}});
  receipt.proof = Proof::none;
  return receipt;
}

Task<Result<void>> DavDelivery::note(DavResumePoint point) {
  at_ = point;
  co_return co_await order_.progress->note(point.text(), point.step == Step::nothing ? 0 : order_.document->size_bytes());
}

Task<Result<void>> DavDelivery::chunks(std::uint64_t sent, std::uint64_t sent_bytes) {
  at_ = {.step = Step::chunks, .chunks = sent, .before = before_};
  co_return co_await order_.progress->note(at_.text(), sent_bytes);
}

Task<Result<void>> DavDelivery::left(std::uint64_t octets) {
  co_return co_await order_.progress->note(at_.text(), octets);
}

bool DavDelivery::may_overwrite() const {
  return order_.on_conflict == OnConflict::replace || order_.on_conflict == OnConflict::new_version;
}

// The key of a delivery that has begun anew begins with its key before.
bool DavDelivery::bears_mark(const DavResource& seen) const {
  return seen.mark == order_.key || seen.mark == order_.key + std::string(kHashAgreed);
}

bool DavDelivery::is_whole(const std::optional<DavResource>& seen) const {
  return seen && !seen->is_folder && seen->size_bytes == order_.document->size_bytes();
}

Receipt DavDelivery::receipt_of(const DavResource& seen) const {
  const bool agreed = seen.mark == order_.key + std::string(kHashAgreed);
  const bool has_page = nextcloud_ && !seen.file_id.empty();
  return {.id = seen.file_id.empty() ? seen.path : seen.file_id,
          .link = has_page ? nextcloud_->server_url + "/index.php/f/" + seen.file_id : server_.url_of(seen.path),
          .path = seen.path,
          .size_bytes = seen.size_bytes,
          .hash = agreed ? "sha256:" + base::to_hex(order_.document->sha256()) : std::string(),
          .proof = agreed ? Proof::hash : Proof::size};
}

}  // namespace latchkey::connectors
