#include "relay/office_name_check.h"

#include <fmt/format.h>

#include "cloud/office_name.h"
#include "net/ip_address.h"
#include "net/url.h"

namespace latchkey::relay {
namespace {

constexpr Milliseconds kConnectTime{10'000};
constexpr Milliseconds kTotalTime{20'000};
constexpr std::size_t kAnswerMax = 1024;
constexpr int kHttpsPort = 443;

}  // namespace

Result<std::string> name_of_origin(std::string_view origin) {
  const auto url = net::Url::parse(origin);
  const bool named = url && url->is_https() && url->path() == "/" && url->query().empty() && !url->host().starts_with('[') &&
                     !net::IpAddress::parse(url->host());
  if (!named) {
    return fail(
        ErrorKind::invalid, "name_unverifiable",
        fmt::format("Browsers are sent back to {}, which is no https address with a DNS name: there is nothing to verify.",
                    origin));
  }
  return url->port() == kHttpsPort ? std::string(url->host()) : fmt::format("{}:{}", url->host(), url->port());
}

Task<Result<std::string>> verify_office_name(net::HttpTransport& transport, Enrolment office, std::string origin) {
  auto name = name_of_origin(origin);
  if (!name) co_return name;
  net::HttpCall call{.method = "GET", .url = origin + std::string(cloud::kOfficeNamePath)};
  call.connect_timeout = kConnectTime;
  call.total_timeout = kTotalTime;
  call.response_bytes_max = kAnswerMax;
  const auto address = call.url;
  const auto outcome = co_await transport.send(std::move(call));
  const auto* reply = std::get_if<net::Reply>(&outcome);
  if (reply == nullptr) {
    const auto* unsent = std::get_if<net::NothingSent>(&outcome);
    const auto& error = unsent != nullptr ? unsent->error : std::get<net::Ambiguous>(outcome).error;
    co_return fail(
        ErrorKind::unavailable, "name_unreachable",
        fmt::format("{} cannot be fetched from here: {}", address, error.text.empty() ? error.reason : error.text),
        {.detail = error.detail});
  }
  if (reply->status == 200 && base::as_text(reply->body) == cloud::office_name_proof(office.office, office.keys))
    co_return name;
  co_return fail(
      ErrorKind::refused, "name_not_proven",
      fmt::format("{} does not show this office's enrolment and keys (status {}), so the name is not known to be its own.",
                  address, reply->status));
}

}  // namespace latchkey::relay
