#include "app/relay_certificate.h"

namespace latchkey::app {

Result<std::unique_ptr<RelayCertificate>> RelayCertificate::load(Files files, const std::string& data, const WallClock& wall, Log& log) {
  auto context = net::TlsServerContext::load(files.certificate, files.key);
  if (!context) return std::unexpected(context.error());
  return std::unique_ptr<RelayCertificate>(new RelayCertificate(std::move(*context), std::move(files), data, wall, log));
}

RelayCertificate::RelayCertificate(std::unique_ptr<net::TlsServerContext> context, Files files, const std::string& data,
                                   const WallClock& wall, Log& log)
    : wall_(wall),
      context_(std::move(context)),
      alerts_(wall, log),
      keeper_({.certificate_file = std::move(files.certificate),
               .key_file = std::move(files.key),
               .folder = TlsFolder(data),
               .names = {},
               .context = context_.get(),
               .alerts = alerts_,
               .wall = wall,
               .log = log}) {}

relay::CertificateFigures RelayCertificate::figures() const {
  const auto now = keeper_.status();
  if (now.chain.empty()) return {.days_left = 0, .refused = true};
  const auto left = std::chrono::duration<double>(now.chain.front().not_after - wall_.now()).count() / 86'400;
  return {.days_left = left, .refused = !now.problem.empty()};
}

}  // namespace latchkey::app
