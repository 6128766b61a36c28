// A provider that tells the truth to the test: which refresh token is live, by its own rules, and whether anybody can know.
//
// One account stands behind each grant. A family is what one consent began: a chain of refresh tokens. `rotation` and
// `replay` are those of the grant's type in the catalogue; what a provider does beyond them (answers the same token again
// within its grace, leaves the refresh token out) is drawn per account.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "catalog/provider.h"
#include "chance.h"
#include "timeline.h"

namespace latchkey::simulation {

struct Habits {
  catalog::Rotation rotation = catalog::Rotation::single_use;
  catalog::ReplayPolicy replay = catalog::ReplayPolicy::revokes_family;
  Seconds grace{0};
  Seconds lifetime{3600};
  std::optional<Seconds> early_refused;  // while the access token has more than this left
  bool kills_access = false;
  bool same_within_grace = false;        // a replay gets the same answer, not another token
  bool replay_replaces = false;          // ... or another token, and the one answered before dies
  bool family_dies_after_grace = false;
  bool revokes_consent = false;  // given back any token of the account's, it ends all the account has given; else only what that token began
};

struct RefreshToken {
  std::string text;
  int family = 0;
  int parent = -1;
  enum class State { live, spent, dead } state = State::live;
  Nanoseconds spent_at{0};
  int answered_with = -1;  // the child of its first use
  // What Latchkey has of it. `superseded`: it was kept, and let go when a newer one worked. `unwanted`: given to a grant that had been locked meanwhile. `kept`: durable in a journal or a store; `behind_a_restore`: it was, and the backup put back
  // does not hold it.
  bool counted = false;    // the store has taken it once
  bool in_journal = false;  // the journal has said that it holds it
  enum class Known { on_its_way, arrived, kept, never_arrived, died_with_process, unreadable, behind_a_restore, superseded, unwanted } known = Known::on_its_way;
  bool in_doubt = false;   // sent, and what came of it is not known
  bool doubt_restored_away = false;  // so was it when a backup was put back, and nobody knows any more
  // Attempts without a definite answer, as far as anybody knows of them: how many, when the first and the last were sent, and how far the
  // clock of whoever sent the last was ahead.
  int doubts = 0;
  Nanoseconds doubted_first{0};
  Nanoseconds doubted_last{0};
  Milliseconds doubted_ahead{0};
  Milliseconds sent_ahead{0};  // the same of whoever sent it last, whatever came of it
  const Process* in_doubt_with = nullptr;  // the process whose journal has what came instead of an answer, while it lives
  bool doubt_in_journal = false;  // ... and that journal has said that it holds it
  bool doubt_in_standby = false;  // the one that has taken over has an attempt with it on record
  const Process* in_doubt_owed = nullptr;  // whoever alone knows of it, since a standby took over that had not heard of the attempt
  Nanoseconds answered_at{0};  // the last definite answer to it that arrived
  bool pretended = false;  // no token: words that stood in one's place beside an error
  bool tried_near_the_end = false;  // sent when it was spent, or in doubt, and the access token was about to end
  bool lost_by_repetition = false;  // a request was read twice, and this came with the answer that did not arrive
  int refusals = 0;        // definite ones that arrived whole, since the last success with it
};

struct AccessToken {
  Nanoseconds issued_at{0};
  Nanoseconds expires_at{0};
  Nanoseconds arrived_at{0};
  Nanoseconds stamped_ahead{0};  // how far the clock of whoever got it was ahead
  bool killed = false;
};

struct Account {
  std::size_t subject = 0;                // whose it is
  Habits habits;
  std::vector<RefreshToken> tokens;       // of all families
  std::vector<AccessToken> access;        // access token N of this account is `at-ACCOUNT-N`
  int family = 0;
  bool family_dead = false;
  bool lied = false;                      // a false refusal since the last answer that was kept
  int ended_by = -1;                      // the token whose replay ended the family
  bool ended_by_repetition = false;       // ... which the network sent twice
  bool given_back = false;                // the family ended since a token was given back
  Nanoseconds consented_at{0};
  std::optional<std::size_t> shares_with;  // another grant's, of the same person's account: to a provider that revokes a whole consent it is one
  [[nodiscard]] const RefreshToken* find(std::string_view text) const;
  [[nodiscard]] RefreshToken* find(std::string_view text);
  [[nodiscard]] bool is_live(std::string_view text) const;
  [[nodiscard]] bool any_live() const;
};

// What the world wants the next answers to be like: probabilities.
struct Moods {
  double trouble = 0;       // a transient error instead of an answer: 502, 503, 429, pages
  double half_done = 0;     // committed, and then 500 or 504
  double lies = 0;          // `invalid_grant` for a token that is good
  double odd_shapes = 0;    // successes in strange shapes
  double no_refresh_token = 0;  // left out, empty or null: the old one stays good
  double no_access_token = 0;
  double unreadable = 0;    // committed, and the answer is garbage without the token in it
  double wrongly_typed = 0;  // committed, and in the new refresh token's place stands what is none
  double error_beside = 0;  // the new tokens, and an error beside them
  double gateways = 0;      // a gateway's own code instead of an answer: 520 to 529, 408, 501, 598, 599; nothing was spent
  double half_gateways = 0;  // committed, and then one of these
  double echoes = 0;        // an error that repeats the request, the refresh token in it masked; nothing was spent
};

struct Answer {
  int status = 200;
  std::string content_type = "application/json";
  std::string retry_after;
  std::string body;
  int refresh_token = -1;   // new, and in the body
  int access_token = -1;    // in the body
  std::string refused;      // the refresh token that this refuses for good
  bool doubtful = false;    // whether the token was spent cannot be known from it
  bool success = false;
  // It says what became of the token; another one (503, 429, "too early") leaves an earlier attempt as much in doubt as it was (F1).
  [[nodiscard]] bool is_definite() const { return success || !refused.empty() || refresh_token >= 0; }
};

struct Asked {
  std::size_t account = 0;
  std::string refresh_token;
  std::string client_secret;
};

class Provider {
 public:
  Provider(Timeline& timeline, Chance chance) : timeline_(timeline), chance_(chance), revoking_(Chance(chance).next() + 1) {}

  std::vector<Account> accounts;
  Moods moods;
  std::vector<std::string> secrets;  // good ones; empty: none is asked for

  // A new consent: a new family with one live refresh token, and an access token. What the old family was is over.
  struct Consent {
    std::string refresh_token;
    std::string access_token;
  };
  Consent consent(std::size_t account);
  [[nodiscard]] Answer answer(const Asked& asked);
  // The token of `asked` is given back (RFC 7009). Whether that has ended a family, its account says (`given_back`).
  [[nodiscard]] Answer revoke(const Asked& asked);
  // Words in a token's place say whose they are, since whoever takes them for one sends them.
  [[nodiscard]] static std::string words_of(std::size_t account);
  [[nodiscard]] static std::string access_text(std::size_t account, int number);
  // The access token a text names; nullptr: none of this provider's.
  [[nodiscard]] AccessToken* access_of(std::string_view text);

  // Rare branches taken, by name.
  std::map<std::string, std::uint64_t> taken;

 private:
  int add_refresh_token(Account& account, std::size_t which, int parent);
  int add_access_token(Account& account);
  [[nodiscard]] Answer refusal(std::string_view error, int status = 400);
  [[nodiscard]] Answer trouble();
  [[nodiscard]] Answer gateway();
  [[nodiscard]] Answer echo(std::size_t which);
  [[nodiscard]] Answer success(std::size_t which, int spent, int brought);
  [[nodiscard]] Answer grant(std::size_t which, int spent);
  void kill_family(Account& account, int by);
  static void end_consent(Account& account);

  Timeline& timeline_;
  Chance chance_;
  Chance revoking_;  // of its own, so that what is given back does not move what else is drawn
};

}  // namespace latchkey::simulation
