#include "grants/kept_answers.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "grants/token_way.h"

namespace latchkey::grants {
namespace {

// Said by a Cloud Service when it has looked, and keeps nothing under the intent: it would have to post the request, and does not. And by this
// server when it has dropped the keys to which whatever is kept was sealed.
constexpr std::string_view kNothingThere[] = {"cloud_app_unknown",   "cloud_type_unknown",          "cloud_type_not_enrolled",
                                              "cloud_not_exchanged", "cloud_host_not_allowed",      "cloud_token_endpoint_unknown",
                                              "cloud_not_enrolled",  "cloud_token_request_refused", "cloud_refresh_token_foreign"};

}  // namespace

// What is not of the way is the provider's, and told when nothing was posted.
bool may_be_kept(const Error& error) {
  return is_of_the_way(error) && std::ranges::find(kNothingThere, error.reason) == std::end(kNothingThere);
}

}  // namespace latchkey::grants
