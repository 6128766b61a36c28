#include "doors/smtp/smtp_errors.h"

#include <string_view>

namespace latchkey::doors {
namespace {

using wire::smtp::Reply;

struct Known {
  std::string_view reason;
  int code;
  std::string_view status;
};

constexpr Known kKnown[] = {
    {"no_such_connector", 550, "5.1.1"},  {"no_such_grant", 550, "5.7.1"},         {"no_mail_connector", 550, "5.7.1"},
    {"recipient_not_allowed", 550, "5.7.1"}, {"several_mail_connectors", 550, "5.3.5"}, {"no_sender_address", 550, "5.3.5"},
    {"document_too_large", 552, "5.3.4"}, {"too_many_recipients", 550, "5.5.3"},   {"mail_cap_reached", 450, "4.7.1"},
    {"spool_full", 452, "4.3.1"},         {"too_many_uploads", 451, "4.3.2"},      {"too_many_uploads_of_one", 451, "4.3.2"},
    {"use_not_allowed", 550, "5.7.1"},    {"invalid_credentials", 550, "5.7.1"},   {"delegation_ended", 550, "5.7.1"},
    {"bad_address", 553, "5.1.3"},        {"too_many_documents", 554, "5.6.0"},
    {"unknown_encoding", 554, "5.6.1"},
    {"content_type_not_allowed", 554, "5.6.1"},  // RFC 3463 section 3.7: media not supported
};

// As the HTTP door says it.
constexpr std::string_view kStoreAway = "The server's database does not answer at the moment. Try again in a while.";
constexpr std::string_view kItsLog = "The server cannot take this at the moment. Its log says why.";

// The store's own words name hosts, users and files: they are for the log, and for no stranger at the door.
bool is_stores(const Error& error) { return error.reason == "store_unavailable" || error.reason == "commit_ambiguous"; }

}  // namespace

Reply reply_of(const Error& error) {
  for (const auto& known : kKnown) {
    if (error.reason == known.reason) return {known.code, std::string(known.status), error.text};
  }
  if (is_stores(error)) return {451, "4.3.0", std::string(kStoreAway)};
  switch (error.kind) {
    case ErrorKind::invalid:
      return {554, "5.6.0", error.text};
    case ErrorKind::refused:
    case ErrorKind::conflict:
    case ErrorKind::not_found:
      return {554, "5.7.1", error.text};
    case ErrorKind::needs_person:
      return {550, "5.7.1", error.text};
    case ErrorKind::misconfigured:
      return {451, "4.3.5", error.text};
    case ErrorKind::unavailable:
    case ErrorKind::ambiguous:
      return {451, "4.3.0", error.text};
    case ErrorKind::corrupt:
    case ErrorKind::bug:
      return {451, "4.3.0", std::string(kItsLog)};
  }
  return {451, "4.3.0", error.text};
}

Reply sign_in_reply_of(const Error& error) {
  if (error.reason == "too_many_attempts") return {454, "4.7.0", error.text};
  if (error.reason == "insecure_transport") return {538, "5.7.11", error.text};
  if (error.kind == ErrorKind::refused || error.kind == ErrorKind::not_found) return {535, "5.7.8", error.text};
  if (is_stores(error)) return {454, "4.7.0", std::string(kStoreAway)};
  if (error.kind == ErrorKind::corrupt || error.kind == ErrorKind::bug || error.kind == ErrorKind::misconfigured) return {454, "4.7.0", std::string(kItsLog)};
  return {454, "4.7.0", error.text};
}

}  // namespace latchkey::doors
