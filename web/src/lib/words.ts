import type { Schemas } from "../api/client.ts";

const kActions: Record<string, string> = {
  "app.added": "App registration added",
  "app.changed": "App registration changed",
  "app.deleted": "App registration deleted",
  "app.paused": "App registration refused by the provider; its grants pause",
  "app.resumed": "App registration accepted again",
  "authorization.cancelled": "Authorization cancelled",
  "authorization.expired": "Nobody consented in time",
  "authorization.failed": "Authorization failed",
  "authorization.mailed": "Link mailed to the owner",
  "authorization.outdated": "Consent ended: it waited in a backup that was restored",
  "authorization.refused": "Consent refused at the provider",
  "authorization.rejected": "Consent rejected here",
  "authorization.started": "Authorization begun",
  "authorization.unapproved": "Somebody consented, but nobody approved in time",
  "authorization.undone": "Authorization taken back",
  "connector.added": "Connector set up",
  "connector.changed": "Settings of a connector changed",
  "connector.deleted": "Connector removed",
  "connector.delegation_ended": "A connector may no longer open an account by itself",
  "device.added": "Device set up",
  "device.changed": "Settings of a device changed",
  "device.secret_renewed": "A device's secret made anew",
  "device.deleted": "Device removed",
  "delivery.cancelled": "Delivery taken back before it was sent",
  "delivery.deleted": "Delivery deleted, with its document",
  "delivery.downloaded": "Document of a delivery downloaded",
  "delivery.expired": "Document deleted: nobody had decided about it in time",
  "delivery.rerouted": "Document sent to another connector",
  "delivery.retried": "Delivery tried again by hand",
  "grant.authorized": "Authorized",
  "grant.checked": "Checked at the provider",
  "grant.deleted": "Grant deleted",
  "grant.disabled": "Grant disabled",
  "grant.enabled": "Grant enabled",
  "grant.needs_authorization": "The grant has ended; it must be authorized again",
  "grant.paused": "The grant pauses",
  "grant.reauthorized": "Authorized again",
  "grant.recovered": "The grant works again",
  "grant.revoked": "Revoked; its tokens are forgotten here",
  "grant.revoked_at_provider": "Revoked at the provider",
  "grant.not_revoked": "Could not be revoked at the provider",
  "grant.scopes_changed": "The scopes granted have changed",
  "grant.uncertain": "It is not known whether the last refresh arrived",
  "grant.unreachable": "The provider cannot be reached",
  "group.created": "Group created",
  "group.deleted": "Group deleted",
  "group.renamed": "Group renamed",
  "master_key.backup_confirmed": "Backup of the master key confirmed",
  "master_key.given_up": "Prepared master key given up",
  "master_key.prepared": "New master key prepared",
  "master_key.rotated": "Rotation of the master key finished",
  "master_key.rotation_begun": "Rotation of the master key begun",
  "node.forgotten": "Server declared lost",
  "notices.secret_set": "Secret of a notice channel set",
  "session.opened": "Signed in",
  "setting.changed": "Setting changed",
  "setting.reset": "Setting set back to its default",
  "store.backed_up": "Backup made",
  "store.broken_trail_accepted": "Moved with a broken audit trail",
  "store.restored": "Restored from a backup",
  "user.changed": "User changed",
  "user.created": "User created",
  "user.deleted": "User deleted",
  "user.locked": "Locked after too many wrong tries",
  "user.password_removed": "Password removed",
  "user.password_set": "Password set",
  "user.pin_changed": "PIN changed",
  "user.pin_reset": "PIN reset",
  "user.pin_seen_in_clear": "PIN sent over an unencrypted line",
  "user.pin_set": "PIN set",
  "user.throttle_reset": "Count of wrong tries set back",
};

const kEvents: Record<Schemas["TimelineItem"]["event"], string> = {
  authorized: "Authorized",
  reauthorized: "Authorized again",
  refreshed: "Refreshed",
  refresh_failed: "Not refreshed; tried again by itself",
  refresh_ambiguous: "The answer to a refresh was lost",
  refresh_refused: "A refresh was refused; looked at again",
  needs_authorization: "Refused for good; it must be authorized again",
  handed_out: "Access token handed out",
  checked: "Checked at the provider",
  paused: "The provider refuses the app registration",
  enabled: "Enabled",
  disabled: "Disabled",
  revoked: "Revoked",
  scopes_changed: "The scopes granted have changed",
  pin_reset: "PIN reset: the tokens were sealed anew",
};

/** What happened, in words: for every action of the trail, also one this console does not know yet. */
export function action_words(action: string): string {
  const known = kActions[action];
  if (known) return known;
  const words = action.replaceAll(/[._]+/g, " ").trim();
  return words ? words.charAt(0).toUpperCase() + words.slice(1) : "Something happened";
}
export const event_words = (event: Schemas["TimelineItem"]["event"]): string => kEvents[event] ?? action_words(event);
export type Tone = "ok" | "warn" | "bad" | "info" | "off";
/** How a line of a grant's life is marked: colour besides the words, never instead of them. */
export function event_tone(event: Schemas["TimelineItem"]["event"]): Tone {
  switch (event) {
    case "refresh_failed":
    case "refresh_ambiguous":
    case "refresh_refused":
    case "scopes_changed":
      return "warn";
    case "needs_authorization":
    case "paused":
      return "bad";
    case "handed_out":
    case "checked":
      return "info";
    case "disabled":
    case "revoked":
      return "off";
    default:
      return "ok";
  }
}
/** Words and what the server adds to them, never empty and never twice the same. */
export function with_detail(words: string, detail: string): string {
  const more = detail.trim();
  return more === "" || more.replace(/\.$/, "") === words ? words : `${words}: ${more}`;
}

export interface Handouts {
  at: string;
  type: string;
  count: number;
  minutes: number;
}
/** Minutes of hand-outs, newest first, joined to one line where nothing else happened between them. */
export function join_handouts(minutes: Schemas["ActivityPage"]["handouts"], between: readonly string[]): Handouts[] {
  const out: (Handouts & { first: number; grant: string })[] = [];
  const times = between.map((at) => Date.parse(at));
  for (const minute of minutes) {
    const at = Date.parse(minute.at);
    const last = out.findLast((line) => line.grant === minute.grant_id);
    if (last && !times.some((time) => time > at && time < last.first)) {
      last.count += minute.count;
      last.minutes += 1;
      last.first = at;
    } else {
      out.push({ at: minute.at, type: minute.type, count: minute.count, minutes: 1, first: at, grant: minute.grant_id });
    }
  }
  return out.map(({ at, type, count, minutes: n }) => ({ at, type, count, minutes: n }));
}

/** What a grant's state does not say by itself; the date that "Good until ..." repeats is shown beside it. */
export const reason_of = (grant: Pick<Schemas["Grant"], "state" | "why">) => (grant.state === "active" && grant.why.startsWith("Good until ") ? "" : grant.why);
