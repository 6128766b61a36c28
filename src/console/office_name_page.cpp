#include "console/office_name_page.h"

#include "base/run_on.h"
#include "pages/security_headers.h"

namespace latchkey::console {

Task<net::HttpResponse> OfficeNamePage::handle(net::HttpRequest request) {
  auto response = net::HttpResponse::problem(405, "method_not_allowed", "This address is read only.");
  response.with("Allow", "GET");
  if (request.method == "GET" || request.method == "HEAD") {
    const auto proof = co_await base::run_on(engine_, desk_.name_proof());
    response = !proof ? net::HttpResponse::problem(503, "not_ready", "This cannot be told at present.")
               : proof->empty()
                   ? net::HttpResponse::problem(404, "not_found", "This server is enrolled at no Cloud Service.")
                   : net::HttpResponse::text(200, *proof);
  }
  pages::secure_api(response);
  co_return response;
}

}  // namespace latchkey::console
