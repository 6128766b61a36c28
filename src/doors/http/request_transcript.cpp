#include "doors/http/request_transcript.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace latchkey::doors {
namespace {

using Line = people::ConversationLine;
using Speaker = people::ConversationLine::Speaker;

constexpr std::size_t kFieldsMost = 20;
constexpr std::size_t kTextBytesMax = 200;
constexpr std::size_t kProblemBytesMax = 64 * 1024;
constexpr std::string_view kHidden = "(hidden)";
constexpr std::string_view kProblemType = "urn:latchkey:problem:";

// A device may send anything in the method's place.
constexpr std::array<std::string_view, 19> kMethods = {
    "GET",      "HEAD", "POST", "PUT",  "DELETE", "OPTIONS",   "PATCH", "TRACE",  "CONNECT", "MKCOL",
    "PROPFIND", "COPY", "MOVE", "LOCK", "UNLOCK", "PROPPATCH", "ACL",   "REPORT", "SEARCH"};
constexpr std::array<std::string_view, 5> kSchemes = {"Basic", "Bearer", "Digest", "NTLM", "Negotiate"};

enum class Shown { whole, address, scheme, nothing };
struct Field {
  std::string_view name;
  Shown how;
};
constexpr std::array<Field, 17> kFields = {{{"Authorization", Shown::scheme},
                                            {"User-Agent", Shown::whole},
                                            {"Content-Type", Shown::whole},
                                            {"Content-Length", Shown::whole},
                                            {"Content-Encoding", Shown::whole},
                                            {"Content-Disposition", Shown::whole},
                                            {"Content-Range", Shown::whole},
                                            {"Transfer-Encoding", Shown::whole},
                                            {"Expect", Shown::whole},
                                            {"Prefer", Shown::whole},
                                            {"Idempotency-Key", Shown::nothing},
                                            {"Depth", Shown::whole},
                                            {"Overwrite", Shown::whole},
                                            {"Destination", Shown::address},
                                            {"If", Shown::whole},
                                            {"If-Match", Shown::whole},
                                            {"If-None-Match", Shown::whole}}};

Line line_of(Speaker speaker, std::string_view text) {
  std::string clean(text.substr(0, kTextBytesMax));
  std::ranges::replace_if(clean, [](char c) { return c < ' ' || c > '~'; }, '?');
  if (text.size() > kTextBytesMax) clean += "...";
  return {speaker, std::move(clean)};
}

// An address with somebody's name, and perhaps password, before its host.
bool may_name_a_user(std::string_view text) { return text.contains("//") && text.contains('@'); }

std::string without_query(std::string_view target) {
  const auto end = std::min(target.find_first_of("?#"), target.size());
  return std::string(target.substr(0, end)) + (end < target.size() ? "?" + std::string(kHidden) : "");
}

std::string shown_method(const std::string& method) {
  if (std::ranges::find(kMethods, std::string_view(method)) != kMethods.end()) return method;
  return "(hidden: no method, " + std::to_string(method.size()) + " octets)";
}

std::string shown_target(std::string_view target) {
  auto path = without_query(target);
  return may_name_a_user(path) ? std::string(kHidden) : path;
}

std::string shown_address(std::string_view address) {
  if (may_name_a_user(address)) return std::string(kHidden);
  if (const auto scheme = address.find("://"); scheme != std::string_view::npos) {
    const auto host_end = address.find_first_of("/?#", scheme + 3);
    address.remove_prefix(std::min(host_end, address.size()));
  }
  return address.starts_with('/') ? without_query(address) : std::string(kHidden);
}

// Which scheme, if it is one: a device may send its password in that place.
std::string shown_scheme(std::string_view credentials) {
  const auto end = std::min(credentials.find(' '), credentials.size());
  const auto known = std::ranges::find_if(
      kSchemes, [&](std::string_view scheme) { return net::equal_ignoring_case(scheme, credentials.substr(0, end)); });
  if (known == kSchemes.end()) return std::string(kHidden);
  return std::string(*known) + (end < credentials.size() ? " " + std::string(kHidden) : "");
}

std::string shown_value(Shown how, std::string_view value) {
  switch (how) {
    case Shown::whole:
      return std::string(may_name_a_user(value) ? kHidden : value);
    case Shown::address:
      return shown_address(value);
    case Shown::scheme:
      return shown_scheme(value);
    case Shown::nothing:
      return std::string(kHidden);
  }
  return std::string(kHidden);
}

struct Problem {
  std::string code;
  std::string words;
};

Problem problem_in(const net::HttpResponse& response) {
  if (response.headers.value_or("Content-Type") != "application/problem+json") return {};
  const auto body = base::parse_json(response.body, {.size_bytes_max = kProblemBytesMax});
  if (!body || !body->is_object()) return {};
  const auto type = base::string_or(body->as_object(), "type");
  if (!type.starts_with(kProblemType)) return {};
  return {.code = type.substr(kProblemType.size()), .words = base::string_or(body->as_object(), "detail")};
}

}  // namespace

std::vector<Line> request_lines(const net::HttpRequest& request) {
  std::vector<Line> lines{line_of(Speaker::device, shown_method(request.method) + " " + shown_target(request.target))};
  std::size_t left_out = 0;
  for (const auto& [name, value] : request.headers) {
    const auto field =
        std::ranges::find_if(kFields, [&name](const Field& one) { return net::equal_ignoring_case(one.name, name); });
    if (field == kFields.end()) continue;
    if (lines.size() > kFieldsMost) {
      ++left_out;
    } else {
      lines.push_back(line_of(Speaker::device, std::string(field->name) + ": " + shown_value(field->how, value)));
    }
  }
  if (left_out > 0) lines.push_back(line_of(Speaker::note, std::to_string(left_out) + " header fields are left out here"));
  return lines;
}

Line body_line(CameBody body) {
  const auto octets = std::to_string(body.octets) + " octets";
  if (body.whole) return line_of(Speaker::note, "The body, " + octets);
  return line_of(Speaker::note, body.asked_for ? "Of the body " + octets + " had been taken in" : "The body was not read");
}

std::vector<Line> answer_lines(const net::HttpResponse& response) {
  const auto problem = problem_in(response);
  if (problem.code == "connection_lost") return {line_of(Speaker::note, "The line was cut")};
  std::vector<Line> lines{
      line_of(Speaker::server, std::to_string(response.status) + " " + std::string(net::reason_phrase(response.status)))};
  if (!problem.code.empty()) lines.push_back(line_of(Speaker::server, problem.code + ": " + problem.words));
  return lines;
}

}  // namespace latchkey::doors
