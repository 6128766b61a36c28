// MailClient over libcurl's smtp://, one mail at a time on a thread of its own: notices are few.
#pragma once

#include <memory>

#include "net/curl_transport.h"
#include "net/mail_client.h"

namespace latchkey::net {

// A resource; what awaits it has ended before it is destroyed. Of the settings a proxy does not count: relays are near.
class CurlMail final : public MailClient {
 public:
  explicit CurlMail(CurlSettings settings);
  CurlMail(const CurlMail&) = delete;
  CurlMail& operator=(const CurlMail&) = delete;
  ~CurlMail() override;

  [[nodiscard]] Task<Result<MailTaken>> send(MailCall call) override;

 private:
  class Sender;
  std::unique_ptr<Sender> sender_;
};

}  // namespace latchkey::net
