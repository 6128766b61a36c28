#include "sandbox/practice_people.h"

#include "base/bytes.h"

namespace latchkey::sandbox {

const std::array<Person, 3>& practice_people() {
  static const std::array<Person, 3> people{{
      {"anna-practice", "Anna Practice", "anna@practice.example"},
      {"ben-rehearsal", "Ben Rehearsal", "ben@practice.example"},
      {"scan-room", "Scan Room", "scan-room@practice.example"},
  }};
  return people;
}

Result<Person> person_named(std::string_view name) {
  const auto first = name.find_first_not_of(' ');
  name = first == std::string_view::npos ? std::string_view() : name.substr(first, name.find_last_not_of(' ') - first + 1);
  Person person;
  person.name = name;
  std::size_t characters = 0;
  for (const char c : name) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) {
      return fail(ErrorKind::invalid, "bad_name", "A name has no control characters.", {.field = "name"});
    }
    if ((octet & 0xc0) != 0x80) ++characters;
    const char lower = static_cast<char>(octet >= 'A' && octet <= 'Z' ? octet - 'A' + 'a' : octet);
    if ((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9')) {
      person.sub += lower;
    } else if (octet >= 0x80) {
      person.sub += base::to_hex(base::as_bytes({&c, 1}));
    } else if (!person.sub.empty() && person.sub.back() != '-') {
      person.sub += '-';
    }
  }
  while (!person.sub.empty() && person.sub.back() == '-') person.sub.pop_back();
  if (person.sub.empty() || characters > 60) {
    return fail(ErrorKind::invalid, "bad_name", "Type a name of 1 to 60 characters with a letter or a digit in it.",
                {.field = "name"});
  }
  for (const Person& known : practice_people()) {
    if (known.sub == person.sub) return known;
  }
  person.email = person.sub + "@practice.example";
  return person;
}

}  // namespace latchkey::sandbox
