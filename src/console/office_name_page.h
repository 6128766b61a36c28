// /.well-known/latchkey-office: which enrolment at a Cloud Service this server has, with which public keys, so that the
// service can tell whether the DNS name is this office's (RULES S1). Anybody may read it.
#pragma once

#include "grants/cloud_desk.h"
#include "net/http_server.h"

namespace latchkey::console {

// A resource; the desk is called on `engine`. Thread-safe.
class OfficeNamePage final : public net::HttpHandler {
 public:
  static constexpr std::string_view kPath = "/.well-known/latchkey-office";  // as cloud/office_name.h has it

  OfficeNamePage(grants::CloudDesk& desk, Executor engine) : desk_(desk), engine_(std::move(engine)) {}
  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view, std::string_view) const override { return 0; }

 private:
  grants::CloudDesk& desk_;
  Executor engine_;
};

}  // namespace latchkey::console
