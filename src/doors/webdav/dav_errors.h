// What WebDAV's own refusals are called, and the one place that gives errors of this door their status.
#pragma once

#include "base/result.h"
#include "net/http_types.h"

namespace latchkey::doors {

inline constexpr std::string_view kDavMethods = "OPTIONS, PROPFIND, PROPPATCH, GET, HEAD, PUT, DELETE, MKCOL, MOVE, COPY";

// Its reasons, besides those of the parts behind the door: `method_not_allowed` 405, `no_parent` 409, `exists` 405,
// `precondition_failed` 412, `no_body_wanted` 415, `collections_stay`, `other_connector`, `same_place` 403, `other_server`
// 502, `already_sent` 409, `document_gone` 410, `too_many_collections` 507; all others as the HTTP door has them.
[[nodiscard]] net::HttpResponse dav_problem(const Error& error);

}  // namespace latchkey::doors
