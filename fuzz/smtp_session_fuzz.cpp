// Whatever a client sends, in pieces of any size, at a server that takes everything: from one that is known by its address,
// and from one who has to sign in. Reading in pieces makes no difference.
#include <cstdlib>

#include "wire/smtp/session.h"

namespace {

using namespace latchkey::wire::smtp;

enum class Client { known, unknown };

std::string replay(std::string_view octets, std::size_t piece, Client client) {
  Session session({.host = "mail.example", .starttls = true, .auth = true, .size_bytes_max = 1000});
  if (client == Client::known) session.ask_size();
  std::string said;
  while (!octets.empty()) {
    const auto part = octets.substr(0, piece);
    octets.remove_prefix(part.size());
    session.feed(part);
    while (auto action = session.next()) {
      said += session.take_output();
      if (std::holds_alternative<Authenticate>(*action)) {
        session.answer({235, "2.7.0", "ok"});
        session.ask_size();
      } else if (std::holds_alternative<AskSize>(*action)) {
        session.announce_size(700);
      } else if (std::holds_alternative<BeginMail>(*action) || std::holds_alternative<AddRecipient>(*action)) session.answer({250, "2.1.0", "ok"});
      else if (std::holds_alternative<BeginData>(*action)) session.answer({354, "", "go"});
      else if (std::holds_alternative<EndData>(*action)) session.answer({250, "2.0.0", "ok"});
      else if (std::holds_alternative<StartTls>(*action)) return said + session.take_output();
      else if (std::holds_alternative<Close>(*action)) return said + session.take_output();
      else if (auto* data = std::get_if<DataPiece>(&*action)) said += data->octets;
    }
    said += session.take_output();
  }
  return said;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 10'000) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  for (const auto client : {Client::known, Client::unknown}) {
    if (replay(octets, 1, client) != replay(octets, 7, client)) std::abort();
  }
  return 0;
}
