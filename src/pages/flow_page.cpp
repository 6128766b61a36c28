#include "pages/flow_page.h"

#include <fmt/core.h>

namespace latchkey::pages {

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

namespace {

constexpr std::string_view kKey =
    "<svg viewBox=\"0 0 24 24\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\" stroke-linecap=\"round\" "
    "stroke-linejoin=\"round\" aria-hidden=\"true\"><circle cx=\"8\" cy=\"15\" r=\"5\"/><path d=\"M11.5 11.5 20 3m-4 4 3 "
    "3m-6 0 2 2\"/></svg>";

std::string_view picture_of(FlowSign sign) {
  switch (sign) {
    case FlowSign::ok:
      return "<path d=\"m5 13 4 4L19 7\"/>";
    case FlowSign::bad:
      return "<path d=\"M12 7v6m0 4h.01\"/>";
    case FlowSign::info:
      return "<path d=\"M12 11v6m0-10h.01\"/>";
  }
  return "";
}

std::string_view class_of(FlowSign sign) {
  switch (sign) {
    case FlowSign::ok:
      return "ok";
    case FlowSign::bad:
      return "bad";
    case FlowSign::info:
      return "info";
  }
  return "";
}

// Backticks become <code>; an empty line starts a paragraph.
std::string paragraphs(std::string_view text) {
  std::string out = "<p>";
  bool code = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '`') {
      out += code ? "</code>" : "<code>";
      code = !code;
    } else if (text.substr(i).starts_with("\n\n")) {
      out += "</p><p>";
      ++i;
    } else {
      out += escape_html(text.substr(i, 1));
    }
  }
  if (code) out += "</code>";
  return out + "</p>";
}

}  // namespace

net::HttpResponse flow_page(const FlowPage& page) {
  std::string html = "<!doctype html>\n<html lang=\"en\"";
  if (page.close_after_ms) html += fmt::format(" data-close-after=\"{}\"", *page.close_after_ms);
  html +=
      "><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
      "<meta name=\"color-scheme\" content=\"light dark\"><meta name=\"referrer\" content=\"no-referrer\">";
  if (!page.go_on_to.empty()) {
    html += fmt::format("<meta http-equiv=\"refresh\" content=\"0;url={}\">", escape_html(page.go_on_to));
  }
  html += fmt::format(
      "<title>{} · Latchkey</title><link rel=\"icon\" type=\"image/svg+xml\" href=\"/logo.svg\"><link rel=\"stylesheet\" "
      "href=\"/oauth/flow.css\">",
      escape_html(page.title));
  if (page.close_after_ms) html += "<script src=\"/oauth/done.js\" defer></script>";
  html += fmt::format("</head><body><main><p class=\"mark\">{}Latchkey</p>", kKey);
  html += fmt::format(
      "<div class=\"sign {}\"><svg viewBox=\"0 0 24 24\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2.5\" "
      "stroke-linecap=\"round\" stroke-linejoin=\"round\" aria-hidden=\"true\">{}</svg></div>",
      class_of(page.sign), picture_of(page.sign));
  html += fmt::format("<h1>{}</h1>{}", escape_html(page.title), paragraphs(page.text));
  if (!page.facts.empty()) {
    html += "<dl>";
    for (const auto& [word, value] : page.facts) {
      html += fmt::format("<dt>{}</dt><dd>{}</dd>", escape_html(word), escape_html(value));
    }
    html += "</dl>";
  }
  if (!page.post_to.empty()) {
    html += fmt::format("<form method=\"post\" action=\"{}\">", escape_html(page.post_to));
    for (const auto& [name, value] : page.post_fields) {
      html += fmt::format("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape_html(name), escape_html(value));
    }
    html += fmt::format("<button>{}</button></form>", escape_html(page.post_text));
  }
  if (!page.link.empty()) {
    html +=
        fmt::format("<p><a class=\"button\" href=\"{}\">{}</a></p>", escape_html(page.link), escape_html(page.link_text));
  }
  if (!page.note.empty()) html += fmt::format("<p class=\"muted\">{}</p>", escape_html(page.note));
  html += "</main></body></html>\n";
  auto response = net::HttpResponse::html(page.status, std::move(html));
  secure_page(response, page.kind, {});
  return response;
}

}  // namespace latchkey::pages
