// The headers that tell browsers what an answer may do. Every answer of a room that serves browsers passes one of these.
#pragma once

#include <string>
#include <string_view>

#include "net/http_types.h"

namespace latchkey::pages {

// JSON: never stored, never shown as a page, never read by another origin.
void secure_api(net::HttpResponse& response);

// A page of the console, or a server-rendered page of the authorise flow. `nonce` (empty: none) lets inline styles that
// carry it pass; scripts come from files of our own only.
//
// Cross-Origin-Opener-Policy: `same-origin-allow-popups` on console pages. `same-origin` would sever every popup at once:
// the dialog could neither close nor raise it any more. The pages of the flow carry none, so that the handle still works
// when the popup comes back from the provider. Where a provider's own policy severs it all the same, nothing depends on
// it: the page closes itself, and the dialog learns the result from the server.
enum class PageKind { console, flow };
void secure_page(net::HttpResponse& response, PageKind kind, std::string_view nonce);

// A file of our own (script, style, picture).
void secure_asset(net::HttpResponse& response);

[[nodiscard]] std::string content_security_policy(std::string_view nonce);

}  // namespace latchkey::pages
