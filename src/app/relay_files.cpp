#include "app/relay_files.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/terminal.h"
#include "app/version.h"
#include "crypto/hash.h"
#include "store/postgres/relay_books.h"

namespace latchkey::app {
namespace {

// All instances have the instance key in common: replies and blobs are sealed under it.
Bytes service_of(const relay::RelayKeys& keys) {
  const auto digest =
      crypto::keyed_blake2b(keys.instance.reveal(), base::as_bytes(std::string_view("latchkey relay books")));
  return {digest.begin(), digest.end()};
}

Result<store::PostgresBooks> open_shared_books(const RelayConfig& config, const relay::RelayKeys& keys, Entropy& entropy,
                                               Log& log) {
  store::PostgresBooksOptions options{
      .url = config.store, .password = {}, .service = service_of(keys), .program_version = std::string(version())};
  if (!config.store_password_file.empty()) {
    auto password = read_secret_file("store_password_file", config.store_password_file);
    if (!password) return std::unexpected(password.error());
    options.password = std::move(*password);
  }
  return store::open_postgres_books(std::move(options), entropy, log);
}

}  // namespace

Result<RelayFiles> open_relay_files(const RelayConfig& config, Entropy& entropy, Log& log) {
  if (::mkdir(config.data.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(
        ErrorKind::misconfigured, "data_directory",
        fmt::format("The data directory {} cannot be made ({}). Make its parent, or name another with data = \"...\".",
                    config.data, std::strerror(errno)),
        {.field = "data"});
  }
  const bool had_keys = ::access(config.keys_path().c_str(), F_OK) == 0;
  auto keys = relay::load_or_make_relay_keys(config.keys_path(), entropy);
  if (!keys) return std::unexpected(keys.error());
  if (config.shares_store()) {
    auto books = open_shared_books(config, *keys, entropy, log);
    if (books) {
      return RelayFiles{
          .keys = std::move(*keys), .book = std::move(books->enrolments), .shared_exchanges = std::move(books->exchanges)};
    }
    // Keys made a moment ago, which nobody has seen, must not lie in the way of those that belong here.
    if (!had_keys && books.error().reason == "other_service") ::unlink(config.keys_path().c_str());
    return std::unexpected(std::move(books.error()));
  }
  auto book = store::open_sqlite_enrolment_book(config.book_path());
  if (!book) return std::unexpected(book.error());
  return RelayFiles{.keys = std::move(*keys), .book = std::move(*book), .shared_exchanges = nullptr};
}

}  // namespace latchkey::app
