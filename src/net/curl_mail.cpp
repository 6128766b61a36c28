#include "net/curl_mail.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/pool.h"
#include "net/curl_transfer.h"

namespace latchkey::net {
namespace {

constexpr std::size_t kRelayWordsMax = 200;

// One recipient who is gone must not keep the others from hearing. The name was mended in 8.2.0.
#if LIBCURL_VERSION_NUM >= 0x080200
constexpr auto kRecipientsMayFail = CURLOPT_MAIL_RCPT_ALLOWFAILS;
#else
constexpr auto kRecipientsMayFail = CURLOPT_MAIL_RCPT_ALLLOWFAILS;
#endif

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  LATCHKEY_CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

// What goes into a command line of SMTP: nothing that could end it.
bool is_clean(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == '<' || c == '>' || c == 0x7f; });
}

// One conversation, while curl_easy_perform runs.
struct Conversation {
  const MailCall& call;
  const CurlSettings& settings;
  std::size_t sent = 0;
  std::string relay_words;  // the relay's last line
  std::string asked_for{};  // the recipient whose answer is awaited
  std::string refused{};    // MailTaken::refused
  bool for_good = false;    // one of them was, at least
  std::optional<Error> address_refused{};

  static std::size_t read(char* out, std::size_t size, std::size_t count, void* self) {
    auto* conversation = static_cast<Conversation*>(self);
    const auto& message = conversation->call.message;
    const auto take = std::min(size * count, message.size() - conversation->sent);
    std::memcpy(out, message.data() + conversation->sent, take);
    conversation->sent += take;
    return take;
  }
  static std::size_t on_line(char* line, std::size_t size, std::size_t count, void* self) {
    auto* conversation = static_cast<Conversation*>(self);
    std::string words(line, std::min(size * count, kRelayWordsMax));
    for (char& c : words) {
      if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    }
    while (words.ends_with(' ')) words.pop_back();
    if (words.empty()) return size * count;
    // RFC 5321 4.2.1: of several lines the last one has no hyphen.
    const bool ends = words.size() == 3 || (words.size() > 3 && words[3] == ' ');
    if (!conversation->asked_for.empty() && ends) {
      if (words.front() != '2') {
        conversation->refused += (conversation->refused.empty() ? "" : "; ") + conversation->asked_for + ": " + words;
        conversation->for_good |= words.front() == '5';
      }
      conversation->asked_for.clear();
    }
    conversation->relay_words = std::move(words);
    return size * count;
  }
  // Only for this does libcurl say which recipient it is at.
  static int on_talk(CURL*, curl_infotype type, char* data, std::size_t size, void* self) {
    constexpr std::string_view kRecipient = "RCPT TO:<";
    const std::string_view line(data, size);
    if (type != CURLINFO_HEADER_OUT || !line.starts_with(kRecipient)) return 0;
    const auto end = line.find('>');
    static_cast<Conversation*>(self)->asked_for = line.substr(kRecipient.size(), end == std::string_view::npos ? end : end - kRecipient.size());
    return 0;
  }
  static curl_socket_t open_socket(void* self, curlsocktype, curl_sockaddr* address) {
    auto* conversation = static_cast<Conversation*>(self);
    const auto ip = IpAddress::from_sockaddr(&address->addr);
    if (!ip) return CURL_SOCKET_BAD;
    if (auto allowed = conversation->settings.policy.check_address(conversation->call.host, conversation->call.port, *ip); !allowed) {
      conversation->address_refused = std::move(allowed.error());
      return CURL_SOCKET_BAD;
    }
    if (conversation->call.security == MailSecurity::none && !conversation->call.user.empty() && kind_of(*ip) != AddressKind::loopback) {
      conversation->address_refused = fail(ErrorKind::misconfigured, "mail_password_in_clear",
                                           "A password is not sent in clear: set notices.smtp_security to starttls or tls, or empty "
                                           "notices.smtp_user.").error();
      return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }
};

Error error_of(const Conversation& conversation, CURLcode result, std::string_view reason, long response) {
  if (conversation.address_refused) return *conversation.address_refused;
  const auto& host = conversation.call.host;
  const auto detail = reason.empty() ? std::string(curl_easy_strerror(result)) : std::string(reason);
  const auto said = conversation.relay_words.empty() ? std::string(".") : ": " + conversation.relay_words;
  const auto make = [&](ErrorKind kind, std::string code, std::string text) {
    return fail(kind, std::move(code), std::move(text), {.detail = detail}).error();
  };
  if (result == CURLE_PEER_FAILED_VERIFICATION) {
    return make(ErrorKind::misconfigured, "tls_untrusted", "The certificate of " + host + " is not trusted. If it comes from an authority of your "
                "own, name that in outbound.ca_file.");
  }
  if (result == CURLE_USE_SSL_FAILED) return make(ErrorKind::misconfigured, "mail_no_starttls", host + " offers no STARTTLS, so nothing was sent.");
  if (result == CURLE_LOGIN_DENIED) return make(ErrorKind::misconfigured, "mail_sign_in", host + " refuses the sign-in" + said);
  if (result == CURLE_COULDNT_RESOLVE_HOST) return make(ErrorKind::unavailable, "name_not_resolved", "The name " + host + " cannot be resolved.");
  if (result == CURLE_OPERATION_TIMEDOUT) return make(ErrorKind::unavailable, "mail_timeout", host + " does not answer in time.");
  if (result == CURLE_COULDNT_CONNECT) return make(ErrorKind::unavailable, "connect_failed", host + " cannot be reached.");
  if (!conversation.refused.empty()) {
    return make(conversation.for_good ? ErrorKind::misconfigured : ErrorKind::unavailable, "mail_refused",
                host + " takes no mail for " + conversation.refused + ".");
  }
  const auto kind = response >= 500 ? ErrorKind::misconfigured : ErrorKind::unavailable;
  return make(kind, "mail_refused", "The mail was not taken by " + host + said);
}

}  // namespace

class CurlMail::Sender {
 public:
  explicit Sender(CurlSettings settings_in) : settings(std::move(settings_in)) { curl_global_init(CURL_GLOBAL_DEFAULT); }

  Result<MailTaken> perform(const MailCall& call) const {
    const bool clean = is_clean(call.from) && std::ranges::all_of(call.to, is_clean) && is_clean(call.host);
    if (!clean || call.host.empty() || call.from.empty() || call.to.empty()) {
      return fail(ErrorKind::misconfigured, "bad_mail_address", "notices.smtp_host, notices.mail_to and notices.mail_from must hold a host name and mail addresses, without spaces in them.");
    }
    const CurlEasyPtr easy(curl_easy_init());
    LATCHKEY_CHECK(easy != nullptr);
    Conversation conversation{.call = call, .settings = settings};
    std::array<char, CURL_ERROR_SIZE> reason{};
    const auto url = std::string(call.security == MailSecurity::tls ? "smtps://" : "smtp://") +
                     (call.host.find(':') == std::string::npos ? call.host : "[" + call.host + "]") + ":" + std::to_string(call.port);
    curl_slist* list = nullptr;
    for (const auto& to : call.to) list = curl_slist_append(list, ("<" + to + ">").c_str());
    const std::unique_ptr<curl_slist, CurlListFree> recipients(list);
    const auto from = "<" + call.from + ">";
    set(easy.get(), CURLOPT_URL, url.c_str());
    set(easy.get(), CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    set(easy.get(), CURLOPT_ERRORBUFFER, reason.data());
    set(easy.get(), CURLOPT_NOSIGNAL, 1L);
    set(easy.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(call.total_timeout.count()));
    set(easy.get(), CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min<Milliseconds>(call.total_timeout, Seconds(10)).count()));
    set(easy.get(), CURLOPT_PROXY, "");
    set(easy.get(), CURLOPT_NOPROXY, "*");
    set(easy.get(), CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    set(easy.get(), CURLOPT_USE_SSL, static_cast<long>(call.security == MailSecurity::none ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    set(easy.get(), CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(easy.get(), CURLOPT_CAPATH, static_cast<char*>(nullptr));
    if (!settings.ca_file.empty()) set(easy.get(), CURLOPT_CAINFO, settings.ca_file.c_str());
    std::string password(call.password.reveal_text());
    if (!call.user.empty()) {
      set(easy.get(), CURLOPT_USERNAME, call.user.c_str());
      set(easy.get(), CURLOPT_PASSWORD, password.c_str());
    }
    set(easy.get(), CURLOPT_MAIL_FROM, from.c_str());
    set(easy.get(), CURLOPT_MAIL_RCPT, recipients.get());
    set(easy.get(), kRecipientsMayFail, 1L);
    set(easy.get(), CURLOPT_VERBOSE, 1L);
    set(easy.get(), CURLOPT_DEBUGFUNCTION, &Conversation::on_talk);
    set(easy.get(), CURLOPT_DEBUGDATA, static_cast<void*>(&conversation));
    set(easy.get(), CURLOPT_UPLOAD, 1L);
    set(easy.get(), CURLOPT_READFUNCTION, &Conversation::read);
    set(easy.get(), CURLOPT_READDATA, static_cast<void*>(&conversation));
    set(easy.get(), CURLOPT_HEADERFUNCTION, &Conversation::on_line);
    set(easy.get(), CURLOPT_HEADERDATA, static_cast<void*>(&conversation));
    set(easy.get(), CURLOPT_OPENSOCKETFUNCTION, &Conversation::open_socket);
    set(easy.get(), CURLOPT_OPENSOCKETDATA, static_cast<void*>(&conversation));
    const auto result = curl_easy_perform(easy.get());
    base::wipe(password.data(), password.size());
    if (result == CURLE_OK) return MailTaken{.refused = std::move(conversation.refused)};
    long response = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &response);
    return std::unexpected(error_of(conversation, result, reason.data(), response));
  }

  CurlSettings settings;
  base::Pool pool{"mail", 1};
};

CurlMail::CurlMail(CurlSettings settings) : sender_(std::make_unique<Sender>(std::move(settings))) {}
CurlMail::~CurlMail() = default;

Task<Result<MailTaken>> CurlMail::send(MailCall call) {
  auto* sender = sender_.get();
  const auto shared = std::make_shared<const MailCall>(std::move(call));
  co_return co_await sender_->pool.run([sender, shared] { return sender->perform(*shared); });
}

}  // namespace latchkey::net
