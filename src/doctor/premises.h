// How this server was set up, as far as checks look at it. Values, made at the start.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace latchkey::doctor {

// A protocol listener.
struct Door {
  std::string name;    // "HTTP"
  std::string listen;  // "0.0.0.0:8480"
  bool loopback = false;
  bool tls = false;
};

// A listener of the SMTP door.
struct MailDoor {
  std::string setting;  // "smtp.submission"
  std::string listen;   // "0.0.0.0:587"
  std::uint16_t port = 0;
  enum class Security { none, starttls, tls } security = Security::none;
  std::vector<std::string> sources;  // the only addresses it takes; empty: all
};

struct Premises {
  std::string public_url;         // without a trailing slash
  bool public_url_given = false;  // false: made from the listener's address
  std::vector<Door> doors;
  std::vector<MailDoor> mail_doors;
  std::string drop_root;              // of the drop folders; empty: none
  bool behind_proxy = false;          // trusted_proxies names somebody
  std::string outbound_proxy;         // empty: none
  std::vector<std::string> ca_files;  // PEM authorities that clients are expected to trust beside the usual ones
  std::string data;                   // the data folder
  bool embedded_store = true;         // its backups are ours to make
};

}  // namespace latchkey::doctor
