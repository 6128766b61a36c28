#include "doors/webdav/dav_errors.h"

#include <algorithm>
#include <array>
#include <utility>

#include "doors/http/door_request.h"

namespace latchkey::doors {

net::HttpResponse dav_problem(const Error& error) {
  constexpr std::array<std::pair<std::string_view, int>, 13> kOwn{{{"method_not_allowed", 405},
                                                                   {"no_parent", 409},
                                                                   {"exists", 405},
                                                                   {"precondition_failed", 412},
                                                                   {"no_body_wanted", 415},
                                                                   {"collections_stay", 403},
                                                                   {"other_connector", 403},
                                                                   {"same_place", 403},
                                                                   {"other_server", 502},
                                                                   {"mail_connector", 403},
                                                                   {"document_gone", 410},
                                                                   {"answer_too_long", 507},
                                                                   {"too_many_collections", 507}}};
  const auto own = std::ranges::find(kOwn, std::string_view(error.reason), &std::pair<std::string_view, int>::first);
  if (own == kOwn.end()) return problem_of(error);
  auto response = net::HttpResponse::problem(own->second, error.reason, error.text).with("Cache-Control", "no-store");
  if (own->second == 405) response.headers.set("Allow", kDavMethods);
  return response;
}

}  // namespace latchkey::doors
