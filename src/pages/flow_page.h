// The few pages the server renders itself: plain words in the console's clothes, strict policy, no foreign resource.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http_types.h"
#include "pages/security_headers.h"

namespace latchkey::pages {

enum class FlowSign { ok, bad, info };

// Every text is plain: it is escaped here, and nowhere else.
struct FlowPage {
  int status = 200;
  PageKind kind = PageKind::flow;
  FlowSign sign = FlowSign::info;
  std::string title;
  std::string text;                                          // `code` between backticks; an empty line starts a paragraph
  std::vector<std::pair<std::string, std::string>> facts{};  // a small table: word and value
  std::string post_to{};                                     // a button that posts to this path of our own
  std::string post_text{};
  std::vector<std::pair<std::string, std::string>> post_fields{};  // hidden fields that go with it
  std::string link{};  // path of our own, or the provider's address
  std::string link_text{};
  std::string go_on_to{};               // the browser goes there by itself at once (meta refresh)
  std::string note{};                   // small print below
  std::optional<int> close_after_ms{};  // the window closes itself then
};

[[nodiscard]] net::HttpResponse flow_page(const FlowPage& page);

// For element content and double-quoted attribute values.
[[nodiscard]] std::string escape_html(std::string_view text);

}  // namespace latchkey::pages
