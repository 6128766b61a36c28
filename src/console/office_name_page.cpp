#include "console/office_name_page.h"

#include "base/run_on.h"
#include "pages/security_headers.h"

namespace latchkey::console {

Task<net::HttpResponse> OfficeNamePage::handle(net::HttpRequest request) {
  const auto status = co_await base::run_on(engine_, desk_.status());
  auto response = net::HttpResponse::problem(404, "not_found", "This server is enrolled at no Cloud Service.");
  if (request.method != "GET" && request.method != "HEAD") {
    response = net::HttpResponse::problem(405, "method_not_allowed", "This address is read only.");
    response.with("Allow", "GET");
  } else if (!status) {
    response = net::HttpResponse::problem(503, "not_ready", "This cannot be told at present.");
  } else if (status->enrolled) {
    response = net::HttpResponse::text(200, status->name_proof);
  }
  pages::secure_api(response);
  co_return response;
}

}  // namespace latchkey::console
