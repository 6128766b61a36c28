// The console's pages as files of the binary.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/entropy.h"
#include "pages/embedded_file.h"
#include "net/http_server.h"

namespace latchkey::console {

// Answers GET and HEAD for the console's files and page paths; anything else is a 404 page (405 for other methods).
// A resource; thread-safe.
class Pages final : public net::HttpHandler {
 public:
  // `files` outlives the object (see embedded_console()). Without an index.html every page path answers with a page that
  // says how to build the console.
  Pages(std::span<const pages::EmbeddedFile> files, Entropy& entropy);

  [[nodiscard]] std::optional<net::HttpResponse> try_handle_now(const net::HttpRequest& request) override;
  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view method, std::string_view path) const override;

 private:
  struct Variants {
    const pages::EmbeddedFile* plain = nullptr;
    const pages::EmbeddedFile* br = nullptr;
    const pages::EmbeddedFile* gz = nullptr;
  };
  [[nodiscard]] net::HttpResponse answer(const net::HttpRequest& request) const;
  [[nodiscard]] net::HttpResponse file(const net::HttpRequest& request, std::string_view path, const Variants& variants) const;
  [[nodiscard]] net::HttpResponse page(int status) const;

  std::map<std::string_view, Variants> files_;
  Entropy& entropy_;
};

// A path the console's own router knows; only these are answered by index.html.
[[nodiscard]] bool is_page_path(std::string_view path);

// Whether Accept-Encoding allows that coding (RFC 9110 section 12.5.3); q=0 forbids it.
[[nodiscard]] bool accepts_encoding(std::string_view accept_encoding, std::string_view coding);

}  // namespace latchkey::console
