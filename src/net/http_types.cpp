#include "net/http_types.h"

#include "net/cookie_pairs.h"
#include "net/forwarding.h"
#include "net/url.h"

namespace latchkey::net {

bool HttpRequest::is_confidential() const {
  if (scheme == "https") return true;
  if (!client.is_loopback() || !client_known) return false;
  return !is_sent_on(headers);
}

std::optional<std::string> HttpRequest::query_parameter(std::string_view name) const {
  const auto fields = decode_form(query);
  if (!fields) return std::nullopt;
  const auto* value = find_field(*fields, name);
  if (value == nullptr) return std::nullopt;
  return *value;
}

std::optional<std::string> HttpRequest::cookie(std::string_view name) const {
  std::optional<std::string> found;
  bool twice = false;
  each_cookie(headers, [&](std::string_view each, std::string_view value) {
    if (each != name) return true;
    twice = found.has_value();
    found = std::string(value);
    return !twice;
  });
  // Two cookies of one name: one of them was planted by a neighbouring host, and nothing says which.
  return twice ? std::nullopt : found;
}

std::string HttpRequest::content_type() const {
  std::string_view value = headers.value_or("Content-Type");
  value = value.substr(0, value.find(';'));
  while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
  std::string type(value);
  for (char& c : type) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return type;
}

HttpResponse HttpResponse::json(int status, const Json& value) {
  return {status, {{"Content-Type", "application/json"}}, boost::json::serialize(value)};
}

HttpResponse HttpResponse::text(int status, std::string text) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(text)};
}

HttpResponse HttpResponse::html(int status, std::string text) {
  return {status, {{"Content-Type", "text/html; charset=utf-8"}}, std::move(text)};
}

HttpResponse HttpResponse::problem(int status, std::string_view code, std::string_view detail, const JsonObject& more) {
  JsonObject body;
  body["type"] = "urn:latchkey:problem:" + std::string(code);
  body["title"] = reason_phrase(status);
  body["status"] = status;
  body["detail"] = detail;
  for (const auto& member : more) body[member.key()] = member.value();
  return {status, {{"Content-Type", "application/problem+json"}}, boost::json::serialize(body)};
}

HttpResponse HttpResponse::redirect(int status, std::string_view location) {
  HttpResponse response;
  response.status = status;
  LATCHKEY_CHECK(response.headers.add("Location", location));
  return response;
}

HttpResponse HttpResponse::no_content() {
  HttpResponse response;
  response.status = 204;
  return response;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Status";
  }
}

}  // namespace latchkey::net
