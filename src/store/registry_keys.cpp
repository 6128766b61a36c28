// The list of settings. A new one is a row here and a reader somewhere; the console, the CLI and the docs follow.
#include "store/registry.h"

namespace latchkey::store {
namespace {

using enum SettingType;

constexpr SettingInfo kKeys[] = {
    {"oauth.polling_time", duration, "20m", "1m", "30d", "minutes",
     "How long after a token was issued its grant is refreshed, if its own lifetime does not ask for it sooner. A bare "
     "number is minutes."},
    {"oauth.polling_time_by_type", text, "", "", "", "",
     "Another polling time for single types, such as xero=25m, box=40m, where a provider asks for less often."},
    {"oauth.use_cloud_service", boolean, "true", "", "", "",
     "Whether consent goes by way of the Cloud Service, once this server is enrolled at one, for providers at which no app of its "
     "own is registered."},
    {"oauth.refresh_connect_timeout", duration, "10s", "1s", "1m", "seconds",
     "How long a refresh waits for a connection to the provider."},
    {"oauth.refresh_total_timeout", duration, "50s", "5s", "1m", "seconds",
     "How long a whole refresh may take before its outcome counts as unknown. Keep it at least 15 s below "
     "oauth.refresh_lease."},
    {"oauth.refresh_lease", duration, "90s", "30s", "15m", "seconds",
     "How long a node keeps a grant to itself while refreshing it."},
    {"oauth.one_shot_parallel", integer, "32", "1", "1024", "",
     "Refreshes in flight at once whose refresh token may be spent only once."},
    {"oauth.parallel", integer, "256", "1", "4096", "", "All refreshes in flight at once."},
    {"revoke.disabled_after", duration, "10s", "0s", "90d", "seconds",
     "How long after a grant or a user was switched off what it holds is revoked at the provider, too. Switching on again before "
     "that needs no new consent; raise it where people are switched off for a holiday."},
    {"revoke.give_up_after", duration, "14d", "1h", "365d", "",
     "How long a provider that cannot be reached is asked again to revoke what was given up here."},
    {"authorize.pending_lifetime", duration, "10m", "1m", "1h", "minutes",
     "How long a consent may take before the attempt expires."},
    {"authorize.device_code_types", text, "", "", "", "",
     "Types that may be authorised with a device code, such as onedrive-business, exact. Off by default: whoever is talked into "
     "typing a code gives their account to another device. What comes back is held until an administrator has approved the account."},
    {"authorize.link_lifetime", duration, "3d", "10m", "30d", "", "How long a link that asks an account's owner for consent works."},
    {"auth.refusal_delay", duration, "300ms", "50ms", "5s", "",
     "Every refused username and PIN is answered this long after it arrived, whatever the reason, so that the time tells "
     "nothing."},
    {"auth.pin_min_length", integer, "6", "1", "64", "characters", "Shortest PIN that may be set. Existing PINs stay."},
    {"auth.pin_failures_unknown", integer, "100", "3", "10000", "",
     "Distinct wrong PINs for one user, over all sources never seen to succeed together, before those are locked out."},
    {"auth.pin_failures_known", integer, "100", "3", "10000", "",
     "Distinct wrong PINs for one user from one source that has succeeded before it is locked out."},
    {"auth.known_sources_max", integer, "8", "1", "64", "", "Sources remembered for a user after a right PIN."},
    {"auth.known_source_lifetime", duration, "30d", "1d", "365d", "",
     "After how long without a right PIN a source is forgotten."},
    {"auth.spray_limit", integer, "100", "3", "100000", "",
     "Distinct wrong tries of one source over all users within auth.spray_window before the source is locked out. Raise "
     "it where many devices share one address."},
    {"auth.spray_window", duration, "1h", "1m", "7d", "minutes", "The time over which auth.spray_limit counts."},
    {"auth.backoff_max", duration, "1m", "1s", "1h", "seconds",
     "The longest wait after wrong PINs in a row for one user from one source; it starts at one second after the third "
     "and doubles."},
    {"auth.pin_hash_threads", integer, "2", "1", "16", "",
     "Slow PIN checks at once; each takes 64 MiB while it runs."},
    {"auth.pin_hash_queue", integer, "64", "8", "4096", "",
     "Slow PIN checks that may wait; a quarter of the places is kept for sources that have succeeded before."},
    {"auth.session_lifetime", duration, "12h", "5m", "30d", "", "How long a console session lasts at most."},
    {"auth.session_idle", duration, "1h", "1m", "7d", "minutes", "After how long without a request a session ends."},
    {"auth.password_min_length", integer, "10", "8", "128", "characters", "Shortest console password that may be set."},
    {"keys.rotation_rest", duration, "90s", "1s", "1h", "seconds",
     "While the master key is rotated: how long the old key is still read after a pass over all records, for what was on its way."},
    {"notices.mail_to", text, "", "", "", "",
     "Who is told by mail when something needs a person: addresses between commas. Empty: nobody."},
    {"notices.mail_from", text, "", "", "", "", "The address such mails come from. Empty: the first of notices.mail_to."},
    {"notices.smtp_host", text, "", "", "", "",
     "The mail relay that takes them. One in a private network must be named in outbound.allow, too."},
    {"notices.smtp_port", integer, "587", "1", "65535", "", "The relay's port: 587 with starttls, 465 with tls, mostly 25 with none."},
    {"notices.smtp_security", choice, "starttls", "", "", "", "How the line to the relay is secured.", "starttls,tls,none"},
    {"notices.smtp_user", text, "", "", "", "",
     "The name to sign in with at the relay; its password is set with `latchkey notice set-secret mail`. Empty: no sign-in."},
    {"notices.webhook_url", text, "", "", "", "",
     "Where notices are posted as JSON (https). Signed once a secret is set with `latchkey notice set-secret webhook`."},
    {"notices.wait", duration, "1m", "1s", "1h", "seconds",
     "How long a cause must stand before it is told, and be gone before it counts as over: what mends itself is no news."},
    {"notices.remind_every", duration, "1d", "1m", "30d", "", "How often a cause that stands is told again."},
    {"delivery.document_mb_max", integer, "4096", "1", "1048576", "MB", "The largest document a door takes, where its connector does not say less."},
    {"mail.recipients_per_day", integer, "500", "1", "100000", "",
     "To how many recipients one user or device may write in 24 hours."},
    {"mail.messages_per_minute", integer, "30", "1", "10000", "", "How many mails one user or device may send in a minute."},
    {"delivery.give_up_after", duration, "3d", "1m", "90d", "",
     "How long a document is tried again whose destination does not answer. Then it counts as failed, stays here, and somebody is told."},
    {"delivery.parallel", integer, "16", "1", "256", "", "Documents on their way to their destinations at once."},
    {"delivery.connector_parallel", integer, "4", "1", "64", "",
     "How many of them to one connector. A destination that does not answer is tried by one at a time until it does."},
    {"delivery.connector_per_minute", integer, "0", "0", "60000", "",
     "How many deliveries a minute are begun to one connector, where a destination takes no more. 0: no limit."},
    {"delivery.uploads_at_once", integer, "400", "1", "10000", "", "Documents coming in at once, through all doors."},
    {"delivery.uploads_at_once_of_one", integer, "200", "1", "10000", "", "How many of them from one user or device."},
    {"delivery.upload_rate_min", integer, "1000", "0", "1000000", "bytes a second",
     "A document that comes in more slowly is not taken to its end. 0: as slowly as it may."},
    {"delivery.upload_rate_window", duration, "1m", "1s", "1h", "seconds", "Over how long delivery.upload_rate_min is measured."},
    {"delivery.disk_reserve_mb", integer, "1074", "0", "1048576", "MB",
     "No document is taken in that would leave less free on the disk of the data directory."},
    {"delivery.disk_reserve_percent", integer, "5", "0", "50", "%",
     "The same as a part of that disk; the larger of the two counts."},
    {"delivery.keep_records", duration, "30d", "1h", "3650d", "", "How long the record and receipt of a delivered document are kept."},
    {"webdav.settle", duration, "5s", "0s", "5m", "seconds",
     "How long a document that came by WebDAV waits before it is sent, so that the device can still rename it or take it back."},
    {"webdav.hold", duration, "15m", "1s", "1d", "minutes",
     "How long an empty document, or one with a temporary name (~scan.tmp, scan.pdf.part), waits for the PUT or MOVE that completes it. "
     "Then it is sent as it is: nothing that was accepted is thrown away."},
    {"delivery.keep_failed", duration, "0s", "0s", "3650d", "",
     "How long a document that failed, or may have arrived, waits for a person before it is deleted with its record. 0s: until somebody decides."},
    {"delivery.keep_parked", duration, "0s", "0s", "3650d", "",
     "How long a document waits for its account or its destination, from when it was last parked, before it is deleted with its record. 0s: until somebody decides."},
    {"delivery.tell_owners", boolean, "true", "", "", "",
     "Whether the owner of an account is mailed when a document for it needs a person: once an hour at most, and only where the user has a mail address and notices.smtp_host is set."},
    {"folder.settle", duration, "2s", "1s", "5m", "", "How long a file in a drop folder must have been unchanged before it is taken."},
    {"folder.incomplete_after", duration, "5m", "5s", "1d", "",
     "How long a file in a drop folder whose end is missing is waited for. Then it counts as broken off and is refused."},
    {"activity.flush", duration, "5s", "1s", "1m", "seconds",
     "How often counted hand-outs and last-used times are written down."},
};

}  // namespace

std::span<const SettingInfo> registry_keys() { return kKeys; }

std::string_view name_of(SettingType type) {
  switch (type) {
    case duration: return "duration";
    case integer: return "integer";
    case boolean: return "boolean";
    case text: return "text";
    case choice: return "list";
  }
  return "text";
}

}  // namespace latchkey::store
