// Records as rows: the order in which each record's fields are bound and read. The column lists stand beside them, so
// that a field added here is missed by no statement.
#pragma once

#include <tuple>

#include "store/records.h"

namespace latchkey::store {

#define LATCHKEY_GROUP_COLUMNS "id, name, name_key, created_at, version"
template <class Record>
auto group_fields(Record& g) {
  return std::tie(g.id, g.name, g.name_key, g.created_at, g.version);
}

#define LATCHKEY_USER_COLUMNS                                                                                        \
  "id, group_id, username, username_key, name, email, role, enabled, uses, allowed_sources, auth_epoch, "            \
  "password_sealed, public_key, private_key_wrapped, pin_set_at, created_at, last_used_at, mac, version"
template <class Record>
auto user_fields(Record& u) {
  return std::tie(u.id, u.group, u.username, u.username_key, u.name, u.email, u.role, u.enabled, u.uses,
                  u.allowed_sources, u.auth_epoch, u.password_sealed, u.public_key, u.private_key_wrapped, u.pin_set_at,
                  u.created_at, u.last_used_at, u.mac, u.version);
}

#define LATCHKEY_APP_COLUMNS                                                                                         \
  "id, provider, client_id, token_origin, params_json, secret1_sealed, secret1_expires_at, secret1_set_at, "         \
  "secret2_sealed, secret2_expires_at, secret2_set_at, paused, pause_reason, created_at, mac, version"
template <class Record>
auto app_fields(Record& a) {
  return std::tie(a.id, a.provider, a.client_id, a.token_origin, a.params_json, a.secrets[0].sealed,
                  a.secrets[0].expires_at, a.secrets[0].set_at, a.secrets[1].sealed, a.secrets[1].expires_at,
                  a.secrets[1].set_at, a.paused, a.pause_reason, a.created_at, a.mac, a.version);
}

#define LATCHKEY_GRANT_COLUMNS                                                                                       \
  "id, user_id, type, app, params_json, account_id, account_name, scopes, missing_scopes, extras_json, public_key, " \
  "state, why, generation, issued_at, access_expires_at, last_refreshed_at, last_used_at, due_at, failures, "        \
  "dead_seen, lease_owner, lease_until, fence, created_at, mac, version"
template <class Record>
auto grant_fields(Record& g) {
  return std::tie(g.id, g.user, g.type, g.app, g.params_json, g.account_id, g.account_name, g.scopes, g.missing_scopes,
                  g.extras_json, g.public_key, g.state, g.why, g.generation, g.issued_at, g.access_expires_at,
                  g.last_refreshed_at, g.last_used_at, g.due_at, g.failures, g.dead_seen, g.lease_owner, g.lease_until,
                  g.fence, g.created_at, g.mac, g.version);
}

#define LATCHKEY_GENERATION_COLUMNS \
  "grant_id, number, state, intent, refresh_sealed, access_sealed, access_expires_at, issued_at, proven_at"
template <class Record>
auto generation_fields(Record& g) {
  return std::tie(g.grant, g.number, g.state, g.intent, g.refresh_sealed, g.access_sealed, g.access_expires_at,
                  g.issued_at, g.proven_at);
}

#define LATCHKEY_WRAP_COLUMNS "grant_id, holder_kind, holder, private_key_sealed, created_at"
template <class Record>
auto wrap_fields(Record& w) {
  return std::tie(w.grant, w.holder_kind, w.holder, w.private_key_sealed, w.created_at);
}

#define LATCHKEY_INTENT_COLUMNS \
  "id, grant_id, generation, node, fence, state, attempts, opened_at, settled_at, outcome, version"
template <class Record>
auto intent_fields(Record& i) {
  return std::tie(i.id, i.grant, i.generation, i.node, i.fence, i.state, i.attempts, i.opened_at, i.settled_at, i.outcome,
                  i.version);
}

#define LATCHKEY_AUTHORIZATION_COLUMNS                                                                        \
  "id, state, ticket_hash, state_hash, username_key, created_by, record_sealed, result_json, created_at, expires_at, " \
  "version"
template <class Record>
auto authorization_fields(Record& a) {
  return std::tie(a.id, a.state, a.ticket_hash, a.state_hash, a.username_key, a.created_by, a.record_sealed,
                  a.result_json, a.created_at, a.expires_at, a.version);
}

#define LATCHKEY_SESSION_COLUMNS "token_hash, user_id, auth_epoch, created_at, expires_at, source"
template <class Record>
auto session_fields(Record& s) {
  return std::tie(s.token_hash, s.user, s.auth_epoch, s.created_at, s.expires_at, s.source);
}

#define LATCHKEY_NODE_COLUMNS "id, name, version, run, started_at, seen_at"
template <class Record>
auto node_fields(Record& n) {
  return std::tie(n.id, n.name, n.version, n.run, n.started_at, n.seen_at);
}

#define LATCHKEY_EVENT_COLUMNS "grant_id, at, last_at, kind, count, generation, status, error, detail, actor"
template <class Record>
auto event_fields(Record& e) {
  return std::tie(e.grant, e.at, e.last_at, e.kind, e.count, e.generation, e.status, e.error, e.detail, e.actor);
}

#define LATCHKEY_REVOCATION_COLUMNS "id, grant_id, app, subject, record_sealed, attempts, due_at, created_at, why, version"
template <class Record>
auto revocation_fields(Record& r) {
  return std::tie(r.id, r.grant, r.app, r.subject, r.record_sealed, r.attempts, r.due_at, r.created_at, r.why, r.version);
}

#define LATCHKEY_CONNECTOR_COLUMNS                                                                                   \
  "id, name, type, account, owner_id, group_ids, target_json, naming, conflict_rule, size_bytes_max, enabled, "      \
  "delegation_id, delegation_grant, delegation_public_key, delegation_key_sealed, delegated_at, created_at, mac, version"
template <class Record>
auto connector_fields(Record& c) {
  return std::tie(c.id, c.name, c.type, c.account, c.owner, c.groups, c.target_json, c.naming, c.conflict, c.size_bytes_max,
                  c.enabled, c.delegation.id, c.delegation.grant, c.delegation.public_key, c.delegation.private_key_sealed,
                  c.delegation.created_at, c.created_at, c.mac, c.version);
}

#define LATCHKEY_DELIVERY_COLUMNS                                                                                    \
  "id, connector, submitter_id, grant_id, node, state, name, content_type, size_bytes, sha256, document_key_sealed, " \
  "public_key, private_key_sealed, tries, due_at, resume_point, sent_bytes, why, receipt_json, timeline_json, "       \
  "source, device_id, fields_json, idempotency_key, created_at, finished_at, mac, version"
template <class Record>
auto delivery_fields(Record& d) {
  return std::tie(d.id, d.connector, d.submitter, d.grant, d.node, d.state, d.name, d.content_type, d.size_bytes, d.sha256,
                  d.document_key_sealed, d.public_key, d.private_key_sealed, d.tries, d.due_at, d.resume_point, d.sent_bytes, d.why,
                  d.receipt_json, d.timeline_json, d.source, d.device, d.fields_json, d.idempotency_key, d.created_at, d.finished_at, d.mac, d.version);
}

#define LATCHKEY_DEVICE_COLUMNS                                                                                      \
  "id, name, name_key, secret_hash, connectors, recipient_domains, allowed_sources, uses, enabled, secret_set_at, "  \
  "created_at, last_seen_at, last_source, last_error_at, last_error, mac, version"
template <class Record>
auto device_fields(Record& d) {
  return std::tie(d.id, d.name, d.name_key, d.secret_hash, d.connectors, d.recipient_domains, d.allowed_sources, d.uses, d.enabled,
                  d.secret_set_at, d.created_at, d.last_seen_at, d.last_source, d.last_error_at, d.last_error, d.mac, d.version);
}

#define LATCHKEY_AUDIT_COLUMNS "sequence, at, actor, action, subject, user_id, source, detail, hash"
template <class Record>
auto audit_fields(Record& e) {
  return std::tie(e.sequence, e.at, e.actor, e.action, e.subject, e.user, e.source, e.detail, e.hash);
}

}  // namespace latchkey::store
