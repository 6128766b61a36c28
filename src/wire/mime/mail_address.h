// Addresses in header fields (RFC 5322 section 3.4) and envelopes (RFC 5321 section 4.1.2). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace latchkey::wire {

// A value.
struct Mailbox {
  std::string name;     // display name, UTF-8, decoded; may be empty
  std::string address;  // "a@b.example"
  friend bool operator==(const Mailbox&, const Mailbox&) = default;
};

// Local part and domain round one @, at most 254 octets, no blanks, control characters, brackets or commas; ASCII or UTF-8.
[[nodiscard]] bool is_address(std::string_view text);
// In small letters; empty where there is none.
[[nodiscard]] std::string domain_of(std::string_view address);
// Without case: providers ignore it in the local part, too.
[[nodiscard]] bool same_address(std::string_view left, std::string_view right);

// The mailboxes of To, From and their like: names, comments, groups and quoted strings understood; separated by commas or,
// as some devices do, semicolons. What is no address is left out. `field_value` is unfolded.
[[nodiscard]] std::vector<Mailbox> parse_mailboxes(std::string_view field_value);

// "Name" <address>, for a header; the name encoded (RFC 2047) or quoted where it must be. Control characters in it become
// blanks.
[[nodiscard]] std::string write_mailbox(const Mailbox& mailbox);

}  // namespace latchkey::wire
